import ArgumentParser
import Audit
import ChangeLines
import CommandSupport
import Spool
import Threading

struct CatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat",
        abstract: "Write the records of a spool, or a range of them, to standard output, uncompressed.",
        discussion: """
            What comes out can be read by transform - and inspect … -, like the output of lz4 -dc. With a range, it is \
            a log that begins at the first transaction in it. A range is given by positions; inspect locate finds the \
            position for a time.

            EXAMPLES
              inspect cat spool --from 0/1A2B3C | transform - | less
              inspect cat spool | lz4 -9 > log.lz4
            """
    )

    @Argument(help: "A spool's folder, segment files, or - for standard input.", completion: .file())
    var paths: [String]

    @OptionGroup var range: RangeOptions

    func validate() throws {
        guard !range.range.hasTime else {
            throw ValidationError(
                "cat takes positions: commit times do not rise with them; ask inspect locate for the position")
        }
    }

    func run() async throws {
        let (paths, range) = (self.paths, self.range.range)
        try await Program.run { stop in
            let output = TextOutput()
            for path in paths {
                let reader = try RangeReader(path: path, range: range)
                var slice = LogSlice(range)
                reading: while !stop.isRequested {
                    switch try reader.next() {
                    case .chunk(let chunk, let role):
                        if range.isUnbounded {
                            try output.write(chunk.bytes)
                        } else {
                            try slice.take(chunk, role) { try output.write($0) }
                            if slice.isPast { reader.skipSegment() }
                        }
                        try output.flush()
                    case .idle:
                        reader.wait(stop)
                    case .finished:
                        break reading
                    }
                }
                LogScan.warn(reader)
            }
            try output.flush()
        }
    }
}
