/// Numbers as people read them.
public enum Figures {
    /// A number with one decimal: `2.5`.
    public static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
