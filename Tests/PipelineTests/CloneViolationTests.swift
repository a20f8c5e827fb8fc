import Observability
import TestSupport
import Testing

/// What the source has although it could not be made there any more: the rest of the copy does not stop for it.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneViolationTests {
    private static let schema = """
        CREATE TABLE customers (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers);
        CREATE TABLE lines (id int PRIMARY KEY, item int CONSTRAINT "of ""an"" order" REFERENCES orders DEFERRABLE);
        COMMENT ON CONSTRAINT orders_customer_fkey ON orders IS 'violated'; CREATE TABLE fine (id int PRIMARY KEY REFERENCES orders);
        CREATE TABLE split (id int PRIMARY KEY REFERENCES customers) PARTITION BY RANGE (id); CREATE TABLE split_1 PARTITION OF split DEFAULT;
        INSERT INTO customers SELECT generate_series(1, 10); INSERT INTO orders SELECT g, 1 + g % 10 FROM generate_series(1, 100) g;
        INSERT INTO fine VALUES (1); INSERT INTO lines SELECT g, g FROM generate_series(1, 100) g; INSERT INTO split VALUES (1);
        CREATE TRIGGER late AFTER INSERT ON fine FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
        CREATE TABLE limits (divisor int PRIMARY KEY); INSERT INTO limits VALUES (0), (1);
        CREATE FUNCTION failing() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 100 / (SELECT min(divisor) FROM public.limits); END $$;
        CREATE MATERIALIZED VIEW broken AS SELECT failing() AS v WITH NO DATA; CREATE MATERIALIZED VIEW on_broken AS SELECT v FROM broken WITH NO DATA;
        CREATE MATERIALIZED VIEW good AS SELECT count(*) FROM orders; CREATE MATERIALIZED VIEW empty AS SELECT 1 WITH NO DATA;
        UPDATE limits SET divisor = 5 WHERE divisor = 0; REFRESH MATERIALIZED VIEW broken; REFRESH MATERIALIZED VIEW on_broken;
        UPDATE limits SET divisor = 0 WHERE divisor = 5;

        """
    private static let orphans = """
        SET session_replication_role = replica; DELETE FROM customers WHERE id = 3; DELETE FROM orders WHERE id = 50;
        """
    private static let unvalidated =
        "SELECT string_agg(conname, ', ' ORDER BY conname) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"

    private static func run(targetMajor: Int? = nil, _ body: (Rig) async throws -> Void) async throws {
        try await Rig.run(targetMajor: targetMajor, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(schema + orphans)
            try await body(rig)
        }
    }

    private static func expectTheRest(_ rig: Rig) async throws {
        #expect(try await rig.onTarget(unvalidated) == "of \"an\" order, orders_customer_fkey")
        let count = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
        #expect(try await rig.onTarget(count) == rig.onSource(count))
        #expect(try await rig.onTarget("SELECT count(*) FROM pg_trigger WHERE tgname = 'late'") == "1")
        #expect(
            try await rig.onTarget(
                "SELECT obj_description(oid) FROM pg_constraint WHERE conname = 'orders_customer_fkey'")
                == "violated")
        #expect(try await rig.onTarget("SELECT count FROM good") == "99")
        #expect(
            try await rig.onTarget("SELECT string_agg(relname, ' ' ORDER BY 1) FROM pg_class WHERE NOT relispopulated")
                == "broken empty on_broken")
    }

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func theRestIsCopied(_ major: Int) async throws {
        try await Self.run(targetMajor: major) { rig in
            let clone = try await rig.clone("--follow --endpos current").checked("clone")
            for remark in [
                "FK CONSTRAINT public orders orders_customer_fkey: rows violate it",
                "FK CONSTRAINT public lines of \"an\" order: rows violate it",
                "\"public\".\"broken\" is not filled on the target",
                "\"public\".\"on_broken\" is not filled",
            ] {
                // Once when it happens, and once at the end.
                #expect(clone.stderr.components(of: remark) == 2, "\(remark): \(clone.stderr)")
                #expect(clone.output.contains(remark), "\(remark): \(clone.output)")
            }
            #expect(!clone.stderr.contains("fine_id_fkey") && !clone.output.contains("good"), "\(clone)")
            try await Self.expectTheRest(rig)
        }
    }

    @Test func aPartitionedTableGoesWithoutWhereItMust() async throws {
        try await Rig.run(targetMajor: 15, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                Self.schema + "SET session_replication_role = replica; INSERT INTO split VALUES (99)")
            let clone = try await rig.clone().checked("clone")
            #expect(
                clone.output.contains("split_id_fkey: rows violate it, on the source too, and it is left out"),
                "\(clone)")
            #expect(clone.output.contains("ALTER TABLE public.split"), "\(clone)")
            #expect(try await rig.onTarget("SELECT count(*) FROM split") == "2")
        }
    }

    @Test func anInterruptedRunSaysItAgain() async throws {
        try await Self.run { rig in
            try rig.wrap(
                "pg_restore",
                "case \"$*\" in *post-data-checked.list*) '\(rig.clientFolder)/pg_restore' \"$@\"; kill -9 $PPID;; esac"
            )
            _ = try await rig.clone()
            try await rig.shell("rm -r first").checked()
            let clone = try await rig.clone().checked("clone")
            #expect(clone.output.contains("orders_customer_fkey: rows violate it"), "\(clone)")
            try await Self.expectTheRest(rig)
        }
    }

    @Test func aSwitchoverTriesAgainAndGoesOn() async throws {
        try await Self.run { rig in
            let clone = try rig.startClone("--follow")
            try await clone.awaitLog(containing: "following the source's changes")
            try await rig.onSource("INSERT INTO orders VALUES (1001, 1)")
            let first = try await rig.clone("switchover --max-lag 16MB").checked("switchover")
            _ = try await clone.wait()
            #expect(first.stderr.contains("\"broken\" is not refreshed (division by zero)"), "\(first)")
            #expect(
                first.stderr.contains("\"on_broken\" is not refreshed, because it reads \"public\".\"broken\""),
                "\(first)")
            #expect(first.output.contains("Refreshed 1 materialized view"), "\(first)")
            #expect(first.output.contains("fix what keeps \"public\".\"broken\" from being refreshed"), "\(first)")
            #expect(try await rig.onTarget("SELECT count FROM good") == "100")
        }
    }

    @Test func aSwitchoverFillsWhatTheCopyCouldNot() async throws {
        try await Self.run { rig in
            let clone = try rig.startClone("--follow")
            try await clone.awaitLog(containing: "following the source's changes")
            try await rig.onSource(
                "UPDATE limits SET divisor = 20 WHERE divisor = 0; UPDATE limits SET divisor = 25 WHERE divisor = 1")
            let done = try await rig.clone("switchover --max-lag 16MB").checked("switchover")
            _ = try await clone.wait()
            #expect(done.output.contains("Refreshed 3 materialized views"), "\(done)")
            #expect(try await rig.onTarget("SELECT v FROM on_broken") == "5")
            #expect(try await rig.onTarget("SELECT relispopulated FROM pg_class WHERE relname = 'empty'") == "f")
        }
    }
}

extension String {
    /// How often a text is in this one.
    fileprivate func components(of text: String) -> Int { ranges(of: text).count }
}
