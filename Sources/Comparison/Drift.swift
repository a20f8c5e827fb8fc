import Catalog
import Postgres
import Selection

/// What appeared, changed or disappeared on one of the two sides since the copy, so that the target has not what the source has.
public struct Drift: Codable, Sendable, Equatable {
    /// One difference.
    public struct Item: Codable, Sendable, Equatable, Hashable {
        /// What kind of thing differs, for example `column`.
        public var kind: String
        /// Its name as SQL writes it.
        public var name: String
        /// How it differs.
        public var what: String
        /// Nothing of the source is lost by it: an object that only the target has.
        public var isHarmless: Bool

        enum CodingKeys: String, CodingKey {
            case kind, name, what
            case isHarmless = "is_harmless"
        }

        /// In a few words.
        public var sentence: String { "\(kind) \(name): \(what)" }
    }

    /// The differences, sorted by what they are about.
    public var items: [Item]

    /// What a switchover must not pass over.
    public var serious: [Item] { items.filter { !$0.isHarmless } }

    /// What to do about it.
    package static let remedy =
        "make the target as the source is, by the same statements, and run clone compare schema; or accept it with "
        + "--accept-drift"

    /// The same as a sentence of its own.
    package static let remedyAsSentence = remedy.prefix(1).uppercased() + remedy.dropFirst()

    /// The differences between the two sides.
    ///
    /// - Parameters:
    ///   - base: what the two sides had when the copy was made. What is not printed alike by all versions, and was the
    ///     same then as it is now, counts as equal.
    ///   - isShared: the target had contents before the copy.
    ///   - isSelected: says of a fact whether it is moved at all.
    package init(
        source: CatalogFacts, target: CatalogFacts, base: (source: CatalogFacts, target: CatalogFacts),
        isShared: Bool = false, isSelected: (CatalogFacts.Key) -> Bool
    ) {
        items = []
        for key in Set(source.values.keys).union(base.source.values.keys)
        where key.kind == .publication && source[key] != base.source[key] && isSelected(key) {
            items.append(Self.published(key, now: source[key]))
        }
        let (ours, theirs) = (source.relations, target.relations)
        for key in Set(source.values.keys).union(target.values.keys)
        where !key.kind.isSourcesAlone && source[key] != target[key] && isSelected(key) {
            // What belongs to a table that is missing is missing too.
            let relation = CatalogFacts.Relation(key)
            if key.isPart && ours.contains(relation) != theirs.contains(relation) { continue }
            let (now, then) = ((source[key], target[key]), (base.source[key], base.target[key]))
            // What was there before the copy, and has nothing to do with it.
            if now.0 == nil && then.0 == nil && now.1 == then.1 && isShared { continue }
            if let what = Self.difference(key.kind, now: now, then: then) {
                let isTargets = now.0 == nil && then.0 == nil && key.kind.isObject
                items.append(Item(kind: key.kind.rawValue, name: key.name, what: what, isHarmless: isTargets))
            }
        }
        items.sort { ($0.isHarmless ? 1 : 0, $0.kind, $0.name) < ($1.isHarmless ? 1 : 0, $1.kind, $1.name) }
    }

    /// What a publication did not send meanwhile is found by comparing the rows.
    private static func published(_ key: CatalogFacts.Key, now: String?) -> Item {
        Item(
            kind: key.kind.rawValue, name: key.name,
            what: (now == nil ? "taken out" : "put in or altered") + "; its rows are compared in the switchover",
            isHarmless: true)
    }

    private static func difference(
        _ kind: CatalogFacts.Kind, now: (String?, String?), then: (String?, String?)
    ) -> String? {
        let sourceChanged = now.0 != then.0
        if !kind.isPrintedAlike && !sourceChanged {
            // Each side is as it was: what differs is how their versions write it, or was left out on purpose.
            if now.1 == then.1 { return nil }
            // A view's text has numbers of its own server in it, which an upgrade of that changes.
            if now.0 != nil && now.1 != nil && kind.isPrintedOnce { return nil }
        }
        // Made again on both sides.
        if sourceChanged && kind.isPrintedOnce && now.0 != nil && now.1 != nil && now.1 != then.1 { return nil }
        guard let ours = now.0 else {
            return then.0 == nil ? "only on the target" : "dropped on the source, and still on the target"
        }
        guard let theirs = now.1 else {
            return then.1 == nil ? "made on the source, and not on the target" : "dropped on the target"
        }
        return kind.isPrintedOnce ? "changed on the source" : "\(ours) on the source, and \(theirs) on the target"
    }
}
