import Glibc
import TestSupport
import Testing

/// `clone serve` beside a migration.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ServeTests {
    private static let hasBrowser = access("/usr/bin/chromium", X_OK) == 0

    /// Starts it on a free port.
    private func serve(_ rig: Rig, _ arguments: String = "") async throws -> (program: RunningProgram, port: Int) {
        let port = FreePort.find()
        let program = try rig.start("exec clone serve --dir \"$SPOOL\" --listen 127.0.0.1:\(port) \(arguments)")
        try await program.awaitLog(containing: "serving http://127.0.0.1:\(port)/")
        return (program, port)
    }

    private func get(_ rig: Rig, _ port: Int, _ path: String) async throws -> String {
        try await rig.shell(
            "python3 -c 'import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1]).read().decode())' "
                + "http://127.0.0.1:\(port)\(path)"
        ).checked("GET \(path)").output
    }

    @Test func theStateIsServedFromBeginningToEnd() async throws {
        try await Rig.runClone { rig in
            let (server, port) = try await serve(rig)
            #expect(try await get(rig, port, "/").contains("holds no journal of a clone"))
            let follower = try await rig.startFollower()
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            var metrics = ""
            while !metrics.contains("phase=\"following\"} 1") || !metrics.contains("walrelay_lag_bytes{") {
                metrics = (try? await get(rig, port, "/metrics")) ?? ""
            }
            // The form that Prometheus takes: each family with its help and type before its lines, each line a number.
            var known = ""
            var isHistogram = false
            for line in metrics.split(separator: "\n") {
                let words = line.split(separator: " ")
                if line.hasPrefix("# TYPE ") {
                    known = String(words[2])
                    isHistogram = words[3] == "histogram"
                    #expect(
                        words[3] == "gauge" || isHistogram || words[3] == "counter" && known.hasSuffix("_total"),
                        "\(line)")
                } else if !line.hasPrefix("# HELP ") {
                    let names = isHistogram ? ["_bucket{", "_sum{", "_count{"] : ["{"]
                    #expect(
                        names.contains { line.hasPrefix(known + $0) } && Double(words.last ?? "") != nil, "\(line)")
                }
            }
            var page = ""
            while !page.contains("Ready to switch over") { page = try await get(rig, port, "/") }
            let status = try await get(rig, port, "/status.json")
            #expect(status.hasPrefix("{\"") && status.contains("\"phase\":\"following\""))
            if Self.hasBrowser {
                for width in [400, 1400] {
                    // The page that its script has replaced by then, without an error. What other databases write to the
                    // server's WAL is lag for a moment, so a page may also say that it catches up: then the next one is read.
                    var shown: Finished
                    repeat {
                        shown = try await rig.shell(
                            """
                            chromium --headless --no-sandbox --disable-gpu --window-size=\(width),900 --user-data-dir="$FOLDER/browser" \
                              --virtual-time-budget=5000 --dump-dom http://127.0.0.1:\(port)/ 2>/dev/null
                            """, timeout: .seconds(120))
                    } while shown.output.contains("Catching up")
                    #expect(shown.output.contains("Ready to switch over"), "\(shown)")
                    #expect(!shown.output.contains("class=\"stale\""), "\(shown)")
                }
            }
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            while !page.contains("Switched over at") { page = try await get(rig, port, "/") }
            server.signal(SIGTERM)
            let ended = try await server.wait()
            #expect(ended.exitCode == 0, "\(ended)")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func otherMachinesNeedAToken() async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            let refused = try await rig.shell("clone serve --dir \"$SPOOL\" --listen 0.0.0.0:\(FreePort.find())")
            #expect(refused.exitCode == 2 && refused.stderr.contains("--token-file"), "\(refused)")
            let weak = try await rig.shell(
                "WALRELAY_SERVE_TOKEN=secret clone serve --dir \"$SPOOL\" --listen 0.0.0.0:\(FreePort.find())")
            #expect(weak.exitCode == 2 && weak.stderr.contains("openssl rand -hex 16"), "\(weak)")
            let open = FreePort.find()
            let guarded = try rig.start(
                "echo 00112233445566778899 >token; exec clone serve --dir \"$SPOOL\" --listen 0.0.0.0:\(open) --token-file token"
            )
            try await guarded.awaitLog(containing: "serving http")
            let asked = try await rig.shell(
                """
                python3 -c 'import urllib.request as r, urllib.error
                for t in ["", "0123456789abcdef", open("token").read().strip()]:
                    q = r.Request("http://127.0.0.1:\(open)/", headers={"Authorization": "Bearer " + t} if t else {})
                    try: print(r.urlopen(q).status)
                    except urllib.error.HTTPError as e: print(e.code)'
                """
            ).checked("python3")
            #expect(asked.outputLines == ["401", "401", "200"], "\(asked)")
            guarded.signal(SIGINT)
            #expect(try await guarded.wait().exitCode == 0)
            let wrong = try await rig.shell("clone serve --listen nonsense")
            #expect(wrong.exitCode == 2, "\(wrong)")
            let (server, port) = try await serve(rig)
            let taken = try await rig.shell("clone serve --dir \"$SPOOL\" --listen 127.0.0.1:\(port)")
            #expect(taken.exitCode == 18 && taken.stderr.contains("cannot listen at 127.0.0.1:\(port)"), "\(taken)")
            // Who sends nothing, or too much, does not keep others from being answered.
            let silent = try rig.start(
                "exec python3 -c 'import socket, time; s = socket.create_connection((\"127.0.0.1\", \(port))); time.sleep(600)'"
            )
            _ = try await rig.shell(
                """
                python3 -c 'import socket; s = socket.create_connection(("127.0.0.1", \(port)))
                s.sendall(b"GET / HTTP/1.1\\r\\nX: " + b"x" * 1000000)
                while s.recv(4096): pass'
                """)
            #expect(try await get(rig, port, "/").contains("holds no journal"))
            // A body is not read, and whoever sends one is answered all the same; two Host headers are none.
            let odd = try await rig.shell(
                """
                python3 -c 'import socket
                for request in ["POST / HTTP/1.1|Host: 127.0.0.1:\(port)|Content-Length: 3||x=1",
                        "GET / HTTP/1.1|Host: 127.0.0.1:\(port)|Content-Length: 3||x=1",
                        "GET / HTTP/1.1|Host: 127.0.0.1:\(port)|Host: elsewhere|Connection: close||"]:
                    s = socket.create_connection(("127.0.0.1", \(port)))
                    s.sendall(request.replace("|", "\\r\\n").encode())
                    answer = b""
                    while True:
                        more = s.recv(65536)
                        if not more: break
                        answer += more
                    print(answer.decode().split()[1])'
                """
            ).checked("odd requests")
            #expect(odd.outputLines == ["405", "200", "421"], "\(odd)")
            silent.kill()
            server.signal(SIGINT)
            #expect(try await server.wait().exitCode == 0)
        }
    }
}
