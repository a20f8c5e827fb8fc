import CLibpq
import Synchronization

/// Warnings that a server sent on a session, each once, kept until somebody asks for them.
final class ServerWarnings: Sendable {
    /// No more are kept than this, each no longer than that; a server may send any number.
    private static let countMax = 100
    private static let lengthMax = 500

    private struct State {
        var known: Set<String> = []
        var kept: [String] = []
    }

    private let state = Mutex(State())

    /// Has libpq hand over what the session's server remarks. Must live as long as the session.
    func listen(to handle: OpaquePointer) {
        PQsetNoticeReceiver(
            handle,
            { context, result in
                guard let context, let result else { return }
                Unmanaged<ServerWarnings>.fromOpaque(context).takeUnretainedValue().take(result)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func take(_ result: OpaquePointer) {
        // V, the severity that is not translated; M and D, message and detail.
        guard field("V", of: result) == "WARNING", let message = field("M", of: result) else { return }
        let detail = field("D", of: result).map { " (\($0))" } ?? ""
        let words = String((message + detail).prefix(Self.lengthMax))
        state.withLock { state in
            guard state.known.count < Self.countMax, state.known.insert(words).inserted else { return }
            state.kept.append(words)
        }
    }

    private func field(_ code: Unicode.Scalar, of result: OpaquePointer) -> String? {
        PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
    }

    /// What was new since the last time.
    func take() -> [String] {
        state.withLock { state in
            defer { state.kept = [] }
            return state.kept
        }
    }
}
