import TestSupport

/// A column of a random table, and the values that random statements give it.
struct PropertyColumn: Sendable {
    /// What the column is for.
    enum Role: Sendable {
        /// Part of the key.
        case key
        /// Any type, any value.
        case value
        /// An integer that statements count up and choose rows by.
        case number
        /// Text that is stored out of line.
        case large
        /// Computed by the server.
        case computed
        /// GENERATED ALWAYS AS IDENTITY, without being a key.
        case filled
        /// Unique for all time and never updated, so that no two rows can collide on the way.
        case unique
        /// On the source it appears on the way; the target has it from the beginning.
        case added
        /// On the source it continues the way; on the target at the end.
        case dropped
    }

    /// The bare name.
    let name: String
    let role: Role
    let type: String
    /// What follows the type in CREATE TABLE.
    var suffix = ""
    /// Values as text.
    var values: [String] = []

    var quoted: String { Cluster.identifier(name) }

    /// Statements may name the column in INSERT.
    var isInserted: Bool { role != .computed && role != .added && role != .dropped }

    var definition: String { "\(quoted) \(type) \(suffix)" }

    static func literal(_ value: String, _ type: String) -> String {
        "'" + value.replacing("'", with: "''") + "'::\(type)"
    }

    /// A random value as SQL; NULL sometimes, except in keys.
    func literal(_ random: inout PropertyRandom) -> String {
        switch role {
        case .key: return PropertyColumn.literal(random.pick(values), type)
        case .number: return random.chance(5) ? "NULL" : String(random.below(12))
        case .large: return random.chance(20) ? "NULL" : "repeat('\(random.digits(9))''\\', \(random.between(1, 900)))"
        case .filled: return String(random.below(50))
        case .unique: return "'\(random.digits(32))'"
        case .value, .computed, .added, .dropped: return random.chance(12) ? "NULL" : value(&random)
        }
    }

    private func value(_ random: inout PropertyRandom) -> String {
        let value = random.pick(values)
        // The longest ones seldom: they cost time.
        return PropertyColumn.literal(value.utf8.count > 4096 && random.chance(90) ? values[0] : value, type)
    }
}
