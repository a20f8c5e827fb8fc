import Logging
import Observability
import Postgres
import Spool

// A migration that keeps a way back goes in one direction after the other: each switchover begins the next one, with source
// and target exchanged, a slot, a position and a spool of its own. The first lies in the folder that the user names, the
// others in folders within that.
extension CloneOptions {
    /// The folder of the first direction.
    var root: String {
        guard direction > 1, let slash = spool.lastIndex(of: "/") else { return spool }
        return String(spool[..<slash])
    }

    /// The direction that follows on this one.
    func exchanged(_ way: CloneJournal.WayBack) -> CloneOptions {
        var options = self
        options.source = target
        options.target = source
        options.spool = SpoolDirectory(root).ofDirection(direction + 1).path
        options.direction = direction + 1
        options.slot = way.slot
        options.stream = way.stream
        options.publications = []
        options.filters = nil
        return options
    }

    /// All directions so far, the first one first. Only the last may apply anything.
    ///
    /// - Throws: `SpoolError` when a journal cannot be read.
    func directions() throws -> [CloneOptions] {
        var first = self
        if direction > 1, let journal = try CloneJournal.read(SpoolDirectory(root)) {
            first.spool = root
            first.direction = 1
            first.slot = journal.slot
            first.stream = journal.stream
            if direction.isMultiple(of: 2) { (first.source, first.target) = (target, source) }
        }
        var all = [first]
        var last = first
        while let way = try CloneJournal.read(SpoolDirectory(last.spool))?.wayOn {
            last = last.exchanged(way)
            all.append(last)
        }
        return all
    }

    /// The same for the direction in which the migration goes now.
    ///
    /// - Throws: `SpoolError` when a journal cannot be read.
    public func inPresentDirection() throws -> CloneOptions { try directions().last ?? self }

    /// The direction before this one; nil for the first.
    func directionBefore() throws -> CloneOptions? {
        direction > 1 ? try directions().first { $0.direction == direction - 1 } : nil
    }
}

extension SpoolDirectory {
    private static let prefix = "way-"

    /// The spool of a later direction of the migration in this folder.
    fileprivate func ofDirection(_ number: Int) -> SpoolDirectory { SpoolDirectory("\(path)/\(Self.prefix)\(number)") }

    /// Which direction the folder is of. A first direction may have any folder, also one with such a name.
    var direction: Int { later?.number ?? 1 }

    /// The folder of the direction before; nil for the first.
    var directionBefore: SpoolDirectory? {
        later.map { $0.number == 2 ? $0.first : $0.first.ofDirection($0.number - 1) }
    }

    /// Of a later direction: which one, and the first one's folder.
    private var later: (number: Int, first: SpoolDirectory)? {
        let trimmed = path.hasSuffix("/") ? String(path.dropLast()) : path
        let slash = trimmed.lastIndex(of: "/")
        let name = slash.map { trimmed[trimmed.index(after: $0)...] } ?? trimmed[...]
        guard name.hasPrefix(Self.prefix), let number = Int(name.dropFirst(Self.prefix.count)), number > 1 else {
            return nil
        }
        let parent = slash.map { $0 == trimmed.startIndex ? "/" : String(trimmed[..<$0]) } ?? "."
        let first = SpoolDirectory(parent)
        guard let journal = try? CloneJournal.read(first), journal.wayOn != nil else { return nil }
        return (number, first)
    }

    /// The spool of the direction in which the migration in this folder goes now.
    ///
    /// - Throws: `SpoolError` when a journal cannot be read.
    public func inPresentDirection() throws -> SpoolDirectory {
        var number = 1
        var spool = self
        while try CloneJournal.read(spool)?.wayOn != nil {
            number += 1
            spool = ofDirection(number)
        }
        return spool
    }
}

extension CloneJournal {
    /// What the switchover makes that lets the migration go on in the other direction.
    public struct WayBack: Codable, Sendable, Equatable {
        /// The slot on what is the target now.
        public var slot: String
        /// The name of the position on what is the source now.
        public var stream: String
        /// The position is placed, and the spool of the other direction is there.
        public var isPlaced = false

        enum CodingKeys: String, CodingKey {
            case slot, stream
            case isPlaced = "is_placed"
        }
    }

    /// The direction that follows on this one, once this one is switched over.
    var wayOn: WayBack? { switchedAt != nil && wayBack?.isPlaced == true ? wayBack : nil }
}

extension Switchover {
    /// Makes sure that the migration goes in the direction that the user means.
    ///
    /// - Throws: ``ProgramFailure`` with `conflict` when applications are on the other side already.
    public static func checkDirection(_ options: CloneOptions, isBack: Bool) throws {
        guard options.direction.isMultiple(of: 2) != isBack else { return }
        throw ProgramFailure(
            .conflict,
            isBack
                ? "there is nothing to return from: applications use the first source. The way back begins with clone switchover "
                    + "--keep-way-back"
                : "the migration was switched over already, and goes back from \(options.source.redacted) to "
                    + "\(options.target.redacted): clone switchback lets applications return, and clone cleanup ends it"
        )
    }

    /// The switchover before, if something is left to be done of it; nil if not, or if it was in the other direction.
    public static func unfinished(_ options: CloneOptions, logger: Logger, isBack: Bool) throws -> Switchover? {
        guard let before = try options.directionBefore(), before.direction.isMultiple(of: 2) == isBack else {
            return nil
        }
        let switchover = Switchover(before, SwitchoverOptions(), logger: logger)
        return switchover.hasMoreToDo ? switchover : nil
    }
}
