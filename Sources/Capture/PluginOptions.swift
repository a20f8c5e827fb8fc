import Postgres

/// The options that pgoutput is started with.
enum PluginOptions {
    /// The options for a server of the given version, in the order in which they are sent.
    static func list(_ options: CaptureOptions, serverVersion: Int) -> [(name: String, value: String)] {
        let publications = options.publications.map(Quoting.identifier).joined(separator: ",")
        var list = [
            (name: "proto_version", value: String(protocolVersion(serverVersion))),
            (name: "publication_names", value: publications),
        ]
        if serverVersion >= 140_000 { list.append((name: "messages", value: "true")) }
        if options.streams(serverVersion) { list.append((name: "streaming", value: "on")) }
        if options.binary { list.append((name: "binary", value: "true")) }
        return list
    }

    /// The highest protocol version that the server speaks. Source: pgoutput's documentation, `proto_version`.
    static func protocolVersion(_ serverVersion: Int) -> Int {
        switch serverVersion {
        case 160_000...: 4
        case 150_000...: 3
        case 140_000...: 2
        default: 1
        }
    }
}
