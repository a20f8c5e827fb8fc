import Postgres
import Spool
import TestSupport
import Testing

/// What the commands of inspect print, and their exit codes.
@Suite(.timeLimit(.minutes(5))) struct CommandTests {
    private let log: TestLog
    private let spool: String

    /// Three sealed segments of one transaction each, then an open one whose last transaction has no end.
    init() throws {
        log = try TestLog()
        spool = log.spool.path
        let t = Wire.relation(1, "t", ["id*", "v"])
        let odd = Wire.relation(2, "Odd.Name", ["a b*", "v"], schema: "S", identity: "f")
        try log.transaction(1, xid: 700, [t, Wire.insert(1, ["1", "one"]), Wire.insert(1, ["2", nil])])
        try log.seal()
        try log.transaction(
            2, xid: 701,
            [
                t, Wire.update(1, key: ["1", nil], ["3", .unchanged]), odd,
                Wire.update(2, old: ["x", "1.0"], ["x", "1.00"]),
            ])
        try log.seal()
        try log.transaction(3, second: 63, xid: 702, [t, Wire.delete(1, key: ["2", nil]), Wire.truncate([1])])
        try log.seal()
        try log.transaction(4, second: 64, xid: 703, [t, Wire.insert(1, ["4", "four"])])
        try log.chunk([Wire.begin(0x14F8, time: 65_000_000, xid: 704), Wire.insert(1, ["5", "five"])], at: 0x1400)
    }

    private func inspect(_ arguments: String...) async throws -> Finished {
        try await Program.run("inspect", arguments)
    }

    private func lines(_ arguments: String...) async throws -> [String] {
        let finished = try await Program.run("inspect", arguments)
        #expect(finished.exitCode == 0, "\(finished.stderr)")
        return finished.outputLines
    }

    @Test func showChanges() async throws {
        #expect(
            try await lines("show", "--changes", "--from", "0/1100", spool) == [
                #"2000-01-01 00:00:02.000000+00 0/11F8 xid=701 #1 UPDATE public.t before (key): id="1" after: id="3" v=(unchanged)"#,
                #"2000-01-01 00:00:02.000000+00 0/11F8 xid=701 #2 UPDATE S.Odd.Name before: "a b"="x" v="1.0" after: "a b"="x" v="1.00""#,
                #"2000-01-01 00:01:03.000000+00 0/12F8 xid=702 #1 DELETE public.t before (key): id="2""#,
                #"2000-01-01 00:01:03.000000+00 0/12F8 xid=702 #2 TRUNCATE public.t"#,
                #"2000-01-01 00:01:04.000000+00 0/13F8 xid=703 #1 INSERT public.t after: id="4" v="four""#,
                #"2000-01-01 00:01:05.000000+00 0/14F8 xid=704 #1 INSERT public.t after: id="5" v="five""#,
                #"2000-01-01 00:01:05.000000+00 0/14F8 xid=704 UNFINISHED: its lines above did not commit here"#,
            ])
        #expect(
            try await lines("show", "--changes", "--json", "--from", "0/1100", "--to", "0/1200", spool) == [
                #"{"transaction":"0/11F8","time":"2000-01-01 00:00:02.000000+00","xid":701,"change":1,"lsn":"0/1180","#
                    + #""operation":"update","schema":"public","table":"t","before_key":{"id":"1"},"after":{"id":"3"},"#
                    + #""unchanged":["v"]}"#,
                #"{"transaction":"0/11F8","time":"2000-01-01 00:00:02.000000+00","xid":701,"change":2,"lsn":"0/1180","#
                    + #""operation":"update","schema":"S","table":"Odd.Name","before":{"a b":"x","v":"1.0"},"#
                    + #""after":{"a b":"x","v":"1.00"}}"#,
            ])
    }

    @Test func showMessagesOfTheSelectedTables() async throws {
        #expect(
            try await lines("show", "--table", "\"S\".*", spool) == [
                "SEGMENT 0/1100 database=app slot=relay system=7001 timeline=1",
                "BEGIN 0/11F8 xid=701 time=\"2000-01-01 00:00:02.000000+00\"",
                #"  UPDATE 0/1180 table=S.Odd.Name old: "a b"="x" v="1.0" new: "a b"="x" v="1.00""#,
                "COMMIT 0/1200 time=\"2000-01-01 00:00:02.000000+00\"",
                "SEGMENT 0/1300 database=app slot=relay system=7001 timeline=1",
            ], "segments without the table are not read; the open one has no index that says so")
        #expect(
            try await lines("show", "--operation", "truncate", "--changes", "--exclude-schema", "s", spool).count == 1)
        #expect(
            try await lines("show", "--from", "2000-01-01 00:01", "--to", "2000-01-01 00:01:03", "--json", spool)
                .map { String($0.prefix(24)) } == [
                    #"{"kind":"segment","lsn":"#, #"{"kind":"begin","lsn":"0"#, #"{"kind":"relation","lsn""#,
                    #"{"kind":"delete","lsn":""#, #"{"kind":"truncate","lsn""#, #"{"kind":"commit","lsn":""#,
                    #"{"kind":"segment","lsn":"#,
                ])
    }

    @Test func whatCouldSteerATerminalIsEscaped() async throws {
        let other = try TestLog()
        let text = "a\u{1B}[2J\n\"\\\u{9B}\u{202E}é😀\u{7F}"
        try other.transaction(
            1,
            [
                Wire.relation(1, "t", ["id*", "v\u{7}"]), Wire.insert(1, ["1", .text(Array(text.utf8))]),
                Wire.insert(1, [.text([0x61, 0xFF, 0xC0, 0x80]), .binary([0, 255])]),
            ])
        let escaped = #""a\u001b[2J\n\"\\\u009b\u202eé😀\u007f""#
        let shown = try await lines("show", "--changes", other.spool.path)
        #expect(shown[0].hasSuffix(#"id="1" "v\u0007"="# + escaped))
        #expect(shown[1].hasSuffix(#"id=\x61ffc080 "v\u0007"=\x00ff"#))
        let json = try await lines("show", "--changes", "--json", other.spool.path)
        #expect(json[0].hasSuffix(#""after":{"id":"1","v\u0007":"# + escaped + "}}"))
        #expect(json[1].hasSuffix(#""after":{"id":{"hex":"61ffc080"},"v\u0007":{"hex":"00ff"}}}"#))
    }

    @Test func grep() async throws {
        func count(_ arguments: String...) async throws -> String {
            let finished = try await Program.run("inspect", ["grep", "-c", spool] + arguments)
            #expect(finished.exitCode == (finished.outputLines == ["0"] ? 1 : 0), "\(finished.stderr)")
            return finished.outputLines.first ?? ""
        }
        #expect(try await count() == "7")
        #expect(try await count("--where", "id=1") == "2", "before or after")
        #expect(try await count("--where", "id=3") == "1")
        #expect(try await count("--where", "v=1.0", "--where", "a b=x") == "1")
        #expect(try await count("--where", "v=1.0", "--where", "a b=y") == "0")
        #expect(try await count("--where", "id=2", "--null", "v") == "1", "what was not sent is not NULL")
        #expect(try await count("--regexp", "^1\\.0+$") == "1")
        #expect(try await count("-e", "o(ne|ur)$", "--operation", "insert") == "2")
        #expect(try await count("--xid", "702") == "2")
        #expect(try await count("--xid", "704") == "0", "it did not commit")
        #expect(try await count("--table", "odd*") == "0")
        #expect(try await count("--table", "\"Odd.Name\"", "--to", "0/1200") == "1")
        let nothing = try await inspect("grep", spool, "--where", "id=99")
        #expect(nothing.exitCode == 1 && nothing.stdout.isEmpty)
        #expect(nothing.stderr.hasSuffix("inspect: error: nothing in the log matches\n"))
        for wrong in [
            ["--where", "id"], ["-e", "("], ["--table", "a.b.c"], ["--from", "noon"], ["--operation", "all"],
        ] {
            #expect(try await Program.run("inspect", ["grep", spool] + wrong).exitCode == 2, "\(wrong)")
        }
        #expect(try await inspect("grep", "/no/such", "--xid", "1").exitCode == 18)
    }

    @Test func filterFilesAreRead() async throws {
        try log.folder.write("f.ini", "[exclude-schema]\npublic\n")
        let path = log.folder.path("f.ini")
        #expect(try await lines("grep", "-c", spool, "--filters", path) == ["1"])
        #expect(try await lines("grep", "-c", spool, "--filter", path, "--exclude-table", "x") == ["1"])
        try log.folder.write("f.ini", "[exclude-schema]\n\npublic\n[nonsense]\n")
        let wrong = try await inspect("show", spool, "--filters", path)
        #expect(wrong.exitCode == 2 && wrong.stderr.contains("f.ini:4: there is no section [nonsense]"))
        #expect(try await inspect("show", spool, "--filters", "/no/such").exitCode == 18)
    }

    @Test func history() async throws {
        let found = try await lines("history", spool, "--table", "public.t", "--key", "1")
        #expect(
            found.map { $0.split(separator: "[")[1].split(separator: "]")[0] } == ["inserted", "moved", "truncated"])
        #expect(try await lines("history", spool, "-t", "t", "--key", "id=2", "--json").count == 3)
        #expect(try await inspect("history", spool, "-t", "t", "--key", "77").exitCode == 0, "the truncate is its end")
        #expect(try await inspect("history", spool, "-t", "t", "--key", "77", "--to", "0/1200").exitCode == 1)
        let wrong = try await inspect("history", spool, "-t", "\"Odd.Name\"", "--key", "x")
        #expect(wrong.exitCode == 2 && wrong.stderr.contains("--key COLUMN=VALUE"))
    }

    @Test func stats() async throws {
        #expect(
            try await lines("stats", spool, "--json") == [
                #"{"kind":"table","table":"public.t","insert":3,"update":1,"delete":1,"truncate":1}"#,
                #"{"kind":"table","table":"S.Odd.Name","insert":0,"update":1,"delete":0,"truncate":0}"#,
                #"{"kind":"total","transactions":4,"insert":3,"update":2,"delete":1,"truncate":1,"segments_by_footer":3,"#
                    + #""segments_read":1}"#,
            ])
        let read = try await lines("stats", spool, "--json", "--minutes", "--transactions", "1")
        #expect(read.last?.contains("\"segments_by_footer\":0,\"segments_read\":4") == true)
        #expect(read.filter { $0.contains("\"table\"") }.count == 2)
        #expect(
            read.filter { $0.contains("\"minute\"") }.map { $0.prefix(62) } == [
                #"{"kind":"minute","minute":"2000-01-01 00:00","transactions":2,"#,
                #"{"kind":"minute","minute":"2000-01-01 00:01","transactions":2,"#,
            ])
        #expect(read.contains { $0.hasPrefix(#"{"kind":"largest","transaction":"0/10F8","end":"0/1100","xid":700,"#) })
        // From the end of transaction 2, at 00:00:02, to 00:01:03.
        #expect(
            read.contains {
                $0.contains("longest") && $0.contains("\"xid\":702") && $0.hasSuffix("\"seconds\":61.000}")
            })
        let some = try await lines("stats", spool, "--json", "--table", "t", "--operation", "insert", "--to", "0/1300")
        #expect(some[0] == #"{"kind":"table","table":"public.t","insert":2,"update":0,"delete":0,"truncate":0}"#)
        #expect(try await lines("stats", spool).contains { $0.split(separator: " ") == ["total", "3", "2", "1", "1"] })
    }

    @Test func locate() async throws {
        for place in ["0/1101", "0/11F8", "0/1200", "2000-01-01 00:00:01.5", "2000-01-01 01:00:02+01"] {
            let found = try await lines("locate", "--json", spool, place)
            #expect(found.count == 1)
            #expect(
                found[0].contains(
                    #""from":"0/1100","transaction":"0/11F8","end":"0/1200","xid":701,"time":"2000-01-01 00:00:02.000000+00""#
                ),
                "\(place): \(found[0])")
            #expect(found[0].contains(log.names[1]))
        }
        #expect(
            try await lines("locate", spool, "0/0", "2000-01-01")[1].contains("from 0/1000, transaction 0/10F8–0/1100"))
        #expect(try await inspect("locate", spool, "0/1401").exitCode == 1)
        #expect(try await inspect("locate", spool, "2000-01-02").exitCode == 1)
        #expect(try await inspect("locate", spool, "noon").exitCode == 2)
    }

    /// A slice is a log of its own, which begins where it says.
    @Test func cat() async throws {
        let whole = try await Program.shell("inspect cat '\(spool)' 2>/dev/null | inspect show --changes -")
        #expect(whole.outputLines == (try await lines("show", "--changes", spool)))
        let bytes = try await inspect("cat", log.path(log.names[0])).stdout
        #expect(bytes == (try await Program.shell("lz4 -dcq '\(log.path(log.names[0]))'").stdout))
        for (from, to) in [(1, 2), (0, 3), (2, 3), (0, 1)] {
            let range = "--from \(TestLog.end(from)) --to \(TestLog.end(to))"
            let cut = try await Program.shell("inspect cat \(range) '\(spool)' | inspect show --changes -")
            let shown = try await Program.shell("inspect show --changes \(range) '\(spool)'")
            #expect(cut.outputLines == shown.outputLines && !cut.outputLines.isEmpty)
        }
        #expect(try await inspect("cat", "--from", "2000-01-01", spool).exitCode == 2)
    }

    /// The layouts come along, and the header does not claim what was cut off.
    @Test func catCutsWithinASegment() async throws {
        let other = try TestLog()
        let path = other.path(try other.writeParts())
        let cut = try await Program.shell(
            "inspect cat --from 0/1500 --to 0/1700 '\(path)' | tee '\(other.folder.path)/cut' | inspect show - | cut -c1-32; "
                + "transform --origin o - <'\(other.folder.path)/cut' | grep -a -c '^COPY\\|^INSERT INTO \"public'")
        #expect(
            cut.outputLines.filter { !$0.contains("INSERT") } == [
                "SEGMENT 0/1500 database=app slot", "BEGIN 0/15F8 xid=6 time=\"2000-01",
                "  RELATION 0/1080 table=public.t", "  RELATION 0/1180 table=public.u",
                "COMMIT 0/1600 time=\"2000-01-01 0", "BEGIN 0/16F8 xid=7 time=\"2000-01",
                "COMMIT 0/1700 time=\"2000-01-01 0", "2",
            ])
    }

    @Test func verifyTellsDamageFromAnUnreadableDisk() async throws {
        #expect(try await lines("verify", spool).map { $0.split(separator: " ")[0] } == ["OK", "OK", "OK", "OPEN"])
        try await Program.shell("rm '\(log.path(log.names[1]))' && mkdir '\(log.path(log.names[1]))'").checked()
        #expect(try await inspect("verify", spool).exitCode == 18)
        let name = log.names[2]
        try log.folder.write("s/segments/" + name, Array(try log.folder.read("s/segments/" + name).prefix(430)))
        let verified = try await inspect("verify", spool)
        #expect(verified.exitCode == 13)
        #expect(verified.outputLines[1].hasPrefix("UNREADABLE  "))
        #expect(verified.outputLines[2].hasPrefix("CORRUPT  \(name)"))
        #expect(verified.outputLines[2].hasSuffix("lost: transactions after 0/1200 up to 0/1300"))
        let json = try await inspect("verify", "--json", log.path(name)).outputLines
        #expect(json.count == 1 && json[0].contains("\"lost_after\":\"0/1200\"") && json[0].contains("\"offset\":"))
        // Damage in the footer alone takes nothing away.
        var footer = try log.folder.read("s/segments/" + log.names[0])
        footer[footer.count - 30] ^= 1
        try log.folder.write("s/segments/" + log.names[0], footer)
        let first = try await inspect("verify", spool).outputLines[0]
        #expect(first.hasPrefix("CORRUPT  ") && first.hasSuffix("; no transaction is lost"))
        #expect(try await inspect("verify", log.folder.path).exitCode == 18, "no spool is no sound spool")
    }
}
