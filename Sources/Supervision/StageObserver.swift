import Glibc

/// Is told what becomes of the stages of a pipeline.
package protocol StageObserver: Sendable {
    /// A stage runs.
    func noteStart(_ stage: String, pid: pid_t)
    /// A stage has ended.
    func noteEnd(_ stage: String)
    /// A stage that ended is started again after a pause.
    func noteRestart(after failure: StageFailure)
    /// Nothing is applied until someone does something about it.
    ///
    /// - Parameter report: the file about the statement that was refused.
    func noteBlocked(by failure: StageFailure, report: String?)
    /// Changes are applied.
    ///
    /// - Returns: false when nothing was blocked.
    func noteUnblocked() -> Bool
}
