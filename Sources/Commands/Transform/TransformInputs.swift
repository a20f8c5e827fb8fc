import CommandSupport
import Postgres
import Spool

/// The inputs of one run, read one after the other.
struct TransformInputs {
    /// How the input ends when no end record says so.
    enum OpenEnd {
        /// What is there was asked for: a spool, or files.
        case accepted
        /// A pipe that ends early may have lost its writer.
        case suspicious
    }

    let sources: [() throws -> any ChunkSource]
    let openEnd: OpenEnd
    /// Where the last input ends, if it can be asked: not of a pipe, nor of what is still followed.
    let end: () throws -> LSN?

    /// - Parameter isEndless: an end record does not end what is followed.
    init(_ paths: [String], from: LSN?, follows: Bool, isEndless: Bool) throws {
        openEnd = paths.contains("-") ? .suspicious : .accepted
        end = {
            guard !follows, let last = paths.last, last != "-" else { return nil }
            return try PathKind(last) == .folder ? SpoolDirectory(last).end() : StreamReader.end(of: last)
        }
        sources = try paths.map { path in
            if path == "-" { return { StreamReader(descriptor: 0, name: "standard input") } }
            guard try follows || PathKind(path) == .folder else { return { try StreamReader(path: path) } }
            return { try SpoolReader(SpoolDirectory(path), from: from, follows: follows, isEndless: isEndless) }
        }
    }
}
