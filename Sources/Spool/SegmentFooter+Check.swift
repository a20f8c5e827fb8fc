extension SegmentFooter {
    /// What every reader of a whole segment asks: the footer says what the records are.
    ///
    /// - Throws: ``SpoolError`` with `corrupt`.
    func check(against indexer: SegmentIndexer?, path: String, offset: UInt64) throws(SpoolError) {
        guard let indexer else {
            throw SpoolError(.corrupt, "there is a footer but no header", file: path, offset: offset)
        }
        guard !indexer.isInTransaction else {
            throw SpoolError(
                .corrupt, "the sealed segment ends inside a transaction; its commit is missing", file: path,
                offset: offset)
        }
        let found = indexer.finished()
        guard found == self else {
            throw SpoolError(
                .corrupt,
                "the footer says \(transactions) transactions and \(changes) changes up to \(end); "
                    + "the records are \(found.transactions) and \(found.changes) up to \(found.end)",
                file: path, offset: offset)
        }
    }
}

extension SegmentHeader {
    /// The file's name is that of the segment in it.
    ///
    /// - Throws: ``SpoolError`` with `corrupt`.
    func check(is name: SegmentName, file: String) throws(SpoolError) {
        guard start != name.start || timeline != name.timeline else { return }
        throw SpoolError(
            .corrupt, "the header says \(self.name.sealed.fileName): the file was renamed, or swapped with another",
            file: file)
    }
}
