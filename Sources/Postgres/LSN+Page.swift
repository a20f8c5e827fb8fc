extension LSN {
    /// Bytes of a WAL page, as servers are built.
    private static let pageSize: UInt64 = 8192
    /// Bytes of the longest header of a WAL page: that of a WAL file's first page.
    private static let pageHeaderMax: UInt64 = 40

    /// True when a log that is complete up to `end` is complete up to this position.
    ///
    /// A record that fills a page ends at `…E000`; a server's own position may then be after the next page's header, at
    /// `…E018` or `…E028`. No record ends between the two, so that they are the same position.
    public func isCovered(by end: LSN) -> Bool {
        let offset = rawValue % Self.pageSize
        return self <= end || (offset <= Self.pageHeaderMax && rawValue - offset <= end.rawValue)
    }
}
