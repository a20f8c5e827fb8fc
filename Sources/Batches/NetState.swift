/// What a batch does to the row of one key, in the end: the states of the net-change table, and how a further change
/// turns one into another.
///
/// ```
///                + insert    + update    + delete
///   none           insert      update      delete
///   insert         –           insert      none
///   update         –           update      delete
///   delete         replace     –           –
///   replace        –           replace     delete
/// ```
/// A dash is a change that cannot follow (a row is inserted that is there already, one is changed that is gone). It is
/// not judged here: the changes so far are written out, and the change after them as it came, so that the target says
/// what is wrong.
enum NetState: UInt8 {
    /// As if the batch had not touched the row.
    case none
    /// The row is new.
    case insert
    /// The row was there, and has new values.
    case update
    /// The row was there, and is gone.
    case delete
    /// The row was there, is gone, and a new one has its key.
    case replace

    /// The state after the key's row was inserted.
    var afterInsert: NetState? {
        switch self {
        case .none: .insert
        case .delete: .replace
        case .insert, .update, .replace: nil
        }
    }

    /// The state after the key's row was updated, its key staying what it was.
    var afterUpdate: NetState? {
        switch self {
        case .none: .update
        case .insert, .update, .replace: self
        case .delete: nil
        }
    }

    /// The state after the key's row was deleted.
    var afterDelete: NetState? {
        switch self {
        case .none, .update, .replace: .delete
        case .insert: NetState.none
        case .delete: nil
        }
    }

    /// The row that was there before the batch is taken out.
    var deletes: Bool { self == .delete || self == .replace }
    /// The row's new values are held.
    var hasRow: Bool { self == .insert || self == .update || self == .replace }
    /// A whole row is put in.
    var inserts: Bool { self == .insert || self == .replace }
}
