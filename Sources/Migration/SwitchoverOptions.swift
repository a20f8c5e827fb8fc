/// What a switchover does beside draining.
public struct SwitchoverOptions: Sendable {
    /// The lag that must be reached first; nil for ``standardLimit``, if a clone follows.
    public var maxLag: Lag.Limit?
    /// How long to wait for that, in seconds.
    public var lagPatienceSeconds = 300
    /// Makes the source read-only and ends its other sessions.
    public var fences = false
    /// When materialized views are refreshed.
    public var refresh = Refresh.afterwards
    /// Compares all rows at the end.
    public var compares = false

    /// Lets the migration go on in the other direction, so that applications can return.
    public var keepsWayBack = false
    /// Continues when definitions differ.
    public var acceptsDrift = false
    /// What to do with what the stream of changes does not carry.
    public var rest = RestPlan.Policy.copy
    /// How long that may take by the estimate, in seconds.
    public var restLimitSeconds = 60
    /// How long to wait for transactions that are open on the source, in seconds.
    public var inFlightSeconds = 30

    /// What is left to be done under the fence then takes about a second.
    public static let standardLimit = Lag.Limit.bytes(caughtUpBytes)
    /// A target that is less behind has caught up.
    public static let caughtUpBytes: UInt64 = 16 << 20

    /// When materialized views are refreshed.
    public enum Refresh: Sendable {
        /// Before the fence, and again when applications can use the target: they do not wait for it, and see the views as
        /// they were before the fence until then.
        case afterwards
        /// Before applications can use the target.
        case inside
        /// Not at all.
        case never
    }

    /// Everything as it is without options.
    public init() {}
}
