import Batches

/// What the input of a ``BatchApplier`` is in the middle of.
enum ApplyState {
    /// Between two batches.
    case between
    /// Behind the end mark, while nothing follows it.
    case ended(BatchEnd)
    /// In a batch.
    case open(OpenBatch)

    /// The batch that is open.
    var open: OpenBatch? {
        get { if case .open(let batch) = self { batch } else { nil } }
        set { if let newValue { self = .open(newValue) } }
    }
}

/// A batch of which the end has not come yet.
struct OpenBatch {
    /// What is done with it.
    enum Course {
        /// One connection applies it as it comes, or passes it over because the target has it.
        case together
        /// Several connections apply it, each the statements of its lane.
        case lanes
        /// Nothing, until it has come: it holds what is to be left out, and is taken from the log without that.
        case withheld
        /// Nothing any more: it failed, and is rolled back. What is done about that is known when all of it has come; until
        /// then it is kept as the lanes would have it, where it was theirs.
        case failed(ApplyError, isLaned: Bool)
    }

    /// Its first line.
    let header: BatchHeader
    /// What is done with it.
    var course: Course

    /// A batch that begins.
    init(_ header: BatchHeader, isWithheld: Bool) {
        self.header = header
        course = isWithheld ? .withheld : .together
    }

    /// Its statements are applied as they come.
    var isApplied: Bool {
        switch course {
        case .together, .lanes: true
        case .withheld, .failed: false
        }
    }

    /// Its statements are kept, and perhaps applied, by lane.
    var isLaned: Bool {
        switch course {
        case .lanes, .failed(_, isLaned: true): true
        case .together, .withheld, .failed(_, isLaned: false): false
        }
    }

    /// Why it is not applied any more.
    var failure: ApplyError? { if case .failed(let error, _) = course { error } else { nil } }

    /// It failed. What failed first is the cause, and what is withheld cannot fail.
    mutating func fail(_ error: ApplyError) {
        guard isApplied else { return }
        course = .failed(error, isLaned: isLaned)
    }
}

extension OpenBatch.Course {
    /// Nothing of it is applied until all of it has come.
    var isWithheld: Bool { if case .withheld = self { true } else { false } }
}
