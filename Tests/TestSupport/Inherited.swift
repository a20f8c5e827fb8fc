/// The environment in which the test process was started.
enum Inherited {
    /// All variables, without those that would change where and how libpq connects.
    static let environment: [String: String] = {
        var variables: [String: String] = [:]
        for entry in ((try? readFile("/proc/self/environ")) ?? []).split(separator: 0) {
            guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
            let name = String(decoding: entry[..<equals], as: UTF8.self)
            if name.hasPrefix("PG"), !name.hasPrefix("PG_") { continue }
            variables[name] = String(decoding: entry[(equals + 1)...], as: UTF8.self)
        }
        return variables
    }()

    /// The arguments with which the test process was started.
    static let arguments: [String] = {
        let bytes = (try? readFile("/proc/self/cmdline")) ?? []
        return bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }()
}
