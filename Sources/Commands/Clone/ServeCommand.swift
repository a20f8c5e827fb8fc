import ArgumentParser
import CommandSupport
import Glibc
import Logging
import Observability
import StatusServer

/// A migration's page and metrics by HTTP.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve a migration's page and metrics by HTTP, from its spool's files.",
        discussion: """
            Serves / (a page for people), /metrics (for Prometheus) and /status.json (what clone status --json prints). Asks no \
            server and changes nothing, so it can run beside anything, and be stopped at any time. On addresses that other machines \
            can reach, every request must show the token.

            EXAMPLES
              clone serve
              clone serve --dir /data/spool --listen 127.0.0.1:9466
              clone serve --listen 0.0.0.0:9466 --token-file token

            EXIT CODES
              0 stopped; 2 usage; 18 the address cannot be listened at
            """)

    @Option(help: ArgumentHelp("The spool's folder: log and journal.", valueName: "folder"), completion: .directory)
    var dir = "spool"

    @Option(help: ArgumentHelp("Where to listen.", valueName: "address:port"))
    var listen = "127.0.0.1:9466"

    @Option(
        help: ArgumentHelp(
            "A file whose first line every request must show, as Authorization: Bearer or ?token=. (default: the variable "
                + "WALRELAY_SERVE_TOKEN)", valueName: "file"), completion: .file())
    var tokenFile: String?

    @OptionGroup(title: "Logging")
    var log: LogOptions

    func validate() throws {
        _ = try address()
    }

    private func address() throws -> (host: String, port: Int) {
        guard let colon = listen.lastIndex(of: ":"), let port = UInt16(listen[listen.index(after: colon)...]) else {
            throw ValidationError("--listen takes ADDRESS:PORT, for example 127.0.0.1:9466")
        }
        var host = String(listen[..<colon])
        if host.hasPrefix("[") && host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        if host.isEmpty { host = "0.0.0.0" }
        return (host, Int(port))
    }

    func run() async throws {
        let logger = log.logger("clone")
        let (host, port) = try address()
        let settings = StatusServer.Settings(host: host, port: port, token: try token())
        guard settings.isLoopback || settings.token != nil else {
            throw ProgramFailure(
                .usage,
                "other machines can reach \(listen), so requests must show a token: name a file with --token-file, or listen at "
                    + "127.0.0.1")
        }
        try await Program.runAsync { [dir, listen] stop in
            let server = StatusServer(StatusFeed(dir), settings)
            do {
                try await server.run(stop) { port in
                    let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
                    logger.info("serving http://\(host):\(port)/, /metrics and /status.json")
                }
            } catch {
                throw ProgramFailure(.inputOutput, "cannot listen at \(listen): \(error)")
            }
        }
    }

    private static let tokenMin = 16

    private func token() throws -> String? {
        var text = getenv("WALRELAY_SERVE_TOKEN").map { String(cString: $0) }
        if let tokenFile {
            guard
                let line = try? String(decoding: SelectionOptions.contents(tokenFile), as: UTF8.self).split(
                    separator: "\n"
                ).first
            else {
                throw ProgramFailure(.inputOutput, "\(tokenFile) holds no token, or cannot be read")
            }
            text = String(line)
        }
        guard let text, !text.isEmpty else { return nil }
        guard text.count >= Self.tokenMin else {
            throw ProgramFailure(
                .usage,
                "the token has fewer than \(Self.tokenMin) characters, and could be guessed: make one with openssl rand -hex 16"
            )
        }
        return text
    }
}
