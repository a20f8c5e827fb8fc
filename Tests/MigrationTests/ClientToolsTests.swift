import Testing
@testable import Copying
@testable import Migration
@testable import Supervision

@Suite struct ClientToolsTests {
    private static func found(_ versions: [Int]) -> [ClientTools.Found] {
        versions.enumerated().map { .init(path: "\($0.offset)", version: $0.element) }
    }

    /// What is installed in the order of PATH, the servers, and which pair is taken.
    @Test(
        arguments: [
            ([18, 15], 15, 15, 15), ([18], 15, 15, 18), ([14, 18], 15, 18, 18), ([15, 17], 15, 16, 15),
            ([17, 16], 15, 16, 16),
            ([14], 15, 15, nil), ([], 15, 15, nil), ([16, 18], 16, 14, 16), ([17, 14], 14, 14, 14),
        ] as [([Int], Int, Int, Int?)])
    func theVersionNextToTheNewerServersIsTaken(_ there: [Int], _ source: Int, _ target: Int, _ version: Int?) {
        let tools = ClientTools.choose(dumps: Self.found(there), restores: Self.found(there), source, target)
        #expect(tools?.version == version)
        #expect(tools?.isTooNewForTarget ?? false == (version ?? 0 >= 17 && target < 17))
    }

    @Test func bothAreOfOneVersionAndTheFirstInPathIsTaken() {
        let tools = ClientTools.choose(
            dumps: Self.found([16, 15, 15]), restores: Self.found([17, 15, 15]), 15, 15)
        #expect(tools?.dump == "1" && tools?.restore == "1")
        #expect(ClientTools.choose(dumps: Self.found([16]), restores: Self.found([17]), 15, 15) == nil)
    }

    @Test func aScriptIsTakenApartLineByLine() {
        var script = RestoreScript()
        for line in [
            "--", "-- PostgreSQL database dump", "--", "", "\\restrict abc", "SET transaction_timeout = 0;", "", "--",
            "-- TOC entry 5 (class 1255 OID 16412)", "-- Name: f; Type: FUNCTION", "--", "",
            "CREATE FUNCTION f() AS $$", "--", "", "-- x",
            "$$;", "", "", "--", "-- TOC entry 7 (class 1259 OID 1)", "-- Name: t", "--", "", "CREATE TABLE t ();", "",
            "-- Completed on 2026-11-26", "", "--", "-- PostgreSQL database dump complete", "--", "",
            "\\unrestrict abc",
        ] { script.take(line) }
        #expect(script.preamble == ["SET transaction_timeout = 0;"])
        #expect(script.statements == [5: "CREATE FUNCTION f() AS $$\n--\n\n-- x\n$$;", 7: "CREATE TABLE t ();"])
    }
}
