import ArgumentParser
import BatchFiles
import Batches
import CommandSupport
import Observability
import Spool

/// The options that say where batches go.
struct OutputOptions: ParsableArguments {
    /// How files are compressed.
    enum Compression: String, ExpressibleByArgument, CaseIterable {
        case none, lz4
    }

    @Option(
        help: ArgumentHelp(
            "Write files FROM-TO.sql to this folder instead of standard output, and continue after those that are there.",
            valueName: "dir"), completion: .directory)
    var output: String?

    @Option(help: ArgumentHelp("Compress the files: lz4 or none.", valueName: "method"))
    var compress: Compression = .none

    @Option(help: ArgumentHelp("Seal a file at this much text.", valueName: "size"))
    var fileSize = ByteCount(bytes: 64 << 20)

    @Option(
        help: ArgumentHelp(
            "Seal a file so long after the one before, if there is anything in it; 0 for never.", valueName: "seconds"))
    var fileAge = 60

    func validate() throws {
        if output?.isEmpty == true { throw ValidationError("--output must not be empty") }
        if output == nil && compress != .none { throw ValidationError("--compress goes with --output") }
        if fileSize.bytes < 1 { throw ValidationError("--file-size must be at least 1B") }
        if !(0...1_000_000 ~= fileAge) { throw ValidationError("--file-age must be from 0 to 1000000") }
    }

    /// Opens the output for what is in `inputs`. A folder that has files decides where to continue: `options` then begin at
    /// its end.
    func open(_ options: inout RenderOptions, inputs: [String]) throws -> any TransformOutput {
        guard let output else { return try BackgroundSink(DescriptorSink(1, name: "standard output")) }
        let folder = try BatchFolder(
            output,
            settings: BatchFolder.Settings(
                isCompressed: compress == .lz4, fileBytes: Int(clamping: fileSize.bytes), fileAgeSeconds: fileAge))
        guard let first = folder.first, let last = folder.last else { return folder }
        if let from = options.from, !(first.from...last.to ~= from) {
            throw ProgramFailure(
                .usage,
                "--from \(from) does not fit the files in \(output), which go from \(first.from) to \(last.to): leave "
                    + "it away to continue at their end, or use another folder")
        }
        // Said before anything is missed in a log that is another one.
        for input in inputs {
            guard let source = try SpoolDirectory(input).identity() else { continue }
            try folder.check(
                systemIdentifier: source.systemIdentifier, database: source.database, stream: options.stream)
        }
        options.from = last.to
        return folder
    }
}
