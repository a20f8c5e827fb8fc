import Batches
import Glibc
import Observability
import Postgres

/// A file about a statement that the target refused: what the error message must not show. It is SQL that can be run
/// again, with the circumstances as comments.
///
///     -- walrelay failure report; holds row values
///     -- batch 0/1A2B3C to 0/1A9F00, 1 transaction
///     -- table "public"."t"
///     -- SQLSTATE 23505
///     -- message: duplicate key value violates unique constraint "t_code_key"
///     -- detail: Key (code)=(x) already exists.
///     INSERT INTO "public"."t" …;
struct FailureReport {
    /// Longer statements are cut, in bytes.
    static let statementBytesMax = 16 << 20

    let error: ApplyError
    let statement: RefusedStatement
    let header: BatchHeader?
    let stream: String

    /// The file's name: a report about the same batch takes the place of the one before.
    var name: String {
        let position = header.map { $0.to ?? $0.commit ?? $0.from } ?? .zero
        return "replay-failure-\(position.description.replacingSlash).sql"
    }

    /// Writes the report into `folder`, readable for its owner alone. Returns its path.
    func write(to folder: String) throws(PathError) -> String {
        if !FileAccess.makeFolder(folder) { throw PathError(path: folder, errno: errno) }
        let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
        let temporary = "\(path).\(getpid()).new"
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw PathError(path: path, errno: errno) }
        defer { close(file) }
        let bytes = contents
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = PathError(path: path, errno: errno)
                unlink(temporary)
                throw error
            }
            written += count
        }
        guard rename(temporary, path) == 0 else { throw PathError(path: path, errno: errno) }
        return path
    }

    /// A file that cannot be written.
    struct PathError: Error {
        let path: String
        let errno: Int32
    }

    private var contents: [UInt8] {
        var text = "-- walrelay failure report; holds row values\n"
        func line(_ name: String, _ value: String?) {
            guard let value else { return }
            let flat = value.split(whereSeparator: \.isNewline).joined(separator: " ")
            text += "-- \(name)\(PlainText.line(flat))\n"
        }
        line("position ", Quoting.identifier(stream))
        if let header {
            let count = header.transactions == 1 ? "1 transaction" : "\(header.transactions) transactions"
            line("batch ", "\(header.range), \(count)")
            line("committed on the source at ", header.committedAt)
        }
        line("table ", error.table)
        line("SQLSTATE ", error.cause?.sqlState?.rawValue)
        line("message: ", error.serverMessage ?? error.message)
        line("detail: ", error.cause?.detail)
        line("hint: ", error.cause?.hint)
        line("context: ", error.cause?.context)
        if let number = statement.copyLine { line("the COPY's line ", "\(number)") }
        line("", "The batch is rolled back. Fix the cause on the target, then run the same command again,")
        if let end = header?.to, header?.transactions == 1 {
            line("", "or leave this transaction out for good: replay --skip \(end)")
        }
        var bytes = Array(text.utf8)
        bytes += statement.sql.prefix(FailureReport.statementBytesMax)
        if statement.sql.count > FailureReport.statementBytesMax {
            bytes += "\n-- the rest of \(statement.sql.count) bytes is cut".utf8
        }
        bytes += "\n".utf8
        if statement.isCopy {
            bytes += statement.copyRow ?? Array("-- the row is not known".utf8)
            bytes += "\n\\.\n".utf8
        }
        return bytes
    }
}

extension String {
    fileprivate var replacingSlash: String { split(separator: "/").joined(separator: "-") }
}

extension BatchApplier {
    /// The error with the path of the report about it, where there is something to report.
    func reported(_ error: ApplyError) -> ApplyError {
        guard error.isRefusal, var statement = error.refused, let folder = options.reportFolder else { return error }
        if let copy = statement.copyNumber, let line = statement.copyLine {
            statement.copyRow = recorder.line(line, ofCopy: copy)
        }
        let report = FailureReport(
            error: error, statement: statement, header: logged ?? state.open?.header,
            stream: streamName)
        var reported = error
        do throws(FailureReport.PathError) {
            reported.message += "; the statement and its row: \(try report.write(to: folder))"
        } catch {
            reported.message += "; no report: \(error.path): \(String(cString: strerror(error.errno)))"
        }
        return reported
    }
}
