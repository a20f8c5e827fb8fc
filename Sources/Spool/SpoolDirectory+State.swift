import Glibc

/// Small documents beside the log, and its removal.
extension SpoolDirectory {
    /// Replaces a document in `state/` as a whole, durably; makes the folders on first use.
    public func replaceState(_ name: String, with bytes: [UInt8]) throws(SpoolError) {
        try makeState()
        try FileSystem.replace(statePath + "/" + name, with: bytes, in: statePath)
    }

    /// A document in `state/`; nil when there is none.
    public func state(_ name: String) throws(SpoolError) -> [UInt8]? {
        let path = statePath + "/" + name
        guard FileSystem.exists(path) else {
            // Whether there is one, only its owner can tell.
            guard errno != EACCES else { throw SpoolError.system("opening it", file: path) }
            return nil
        }
        return try FileSystem.read(path, limit: 64 << 20)
    }

    /// Removes a document from `state/`, if it is there.
    public func removeState(_ name: String) throws(SpoolError) {
        unlink(statePath + "/" + name)
        if FileSystem.isDirectory(statePath) { try FileSystem.syncDirectory(statePath) }
    }

    /// Takes the lock of one `clone`; a second one is refused for as long as the returned value lives.
    public func lockForClone() throws(SpoolError) -> SpoolLock {
        try makeState()
        return try SpoolLock(statePath + "/clone.lock", spool: path, holder: "clone")
    }

    /// Takes the lock of whoever makes a switchover, or undoes one that was killed. Refused while another has it.
    public func lockForSwitchover() throws(SpoolError) -> SpoolLock {
        try makeState()
        return try SpoolLock(statePath + "/switchover.lock", spool: path, holder: "switchover", what: "this migration")
    }

    /// Takes the lock for a moment's change of a document that several processes change; waits for it.
    public func lockDocument(_ name: String) throws(SpoolError) -> SpoolLock {
        try makeState()
        // Whoever has it replaces one file.
        var rest = 10_000
        while true {
            do throws(SpoolError) {
                return try SpoolLock(statePath + "/" + name + ".lock", spool: path, holder: "process")
            } catch {
                guard error.code == .locked, rest > 0 else { throw error }
                usleep(5_000)
                rest -= 5
            }
        }
    }

    /// Waits until no receive writes to the spool. False when one still does after `milliseconds`.
    public func isFree(within milliseconds: Int) throws(SpoolError) -> Bool {
        guard FileSystem.isDirectory(path) else { return true }
        var rest = milliseconds
        while true {
            do throws(SpoolError) {
                _ = try SpoolLock(path + "/receive.lock", spool: path)
                return true
            } catch {
                guard error.code == .locked else { throw error }
                guard rest > 0 else { return false }
                usleep(50_000)
                rest -= 50
            }
        }
    }

    /// Removes the whole log and its identity. For a log that nobody will ever need: that of a slot which is gone.
    public func removeLog() throws(SpoolError) {
        guard FileSystem.isDirectory(path) else { return }
        let lock = try SpoolLock(path + "/receive.lock", spool: path)
        for folder in [segmentsPath, path + "/streams", path + "/archive"] where FileSystem.isDirectory(folder) {
            for name in try FileSystem.list(folder) { unlink(folder + "/" + name) }
            try FileSystem.syncDirectory(folder)
        }
        try removeCatchUp()
        unlink(statePath + "/" + NamedRelation.file)
        unlink(path + "/spool.json")
        try FileSystem.syncDirectory(path)
        withExtendedLifetime(lock) {}
    }

    /// The file for the definitions that a copy makes on the target, by one run after the other.
    public var definitionsPath: String { statePath + "/schema.dump" }

    /// The folder for batches that a resumed copy is brought to one position with.
    public var catchUpPath: String { statePath + "/catch-up" }

    /// Removes that folder, if it is there.
    public func removeCatchUp() throws(SpoolError) {
        guard FileSystem.isDirectory(catchUpPath) else { return }
        for name in try FileSystem.list(catchUpPath) { unlink(catchUpPath + "/" + name) }
        rmdir(catchUpPath)
    }

    private func makeState() throws(SpoolError) {
        try make()
        try FileSystem.makeDirectory(statePath)
    }
}
