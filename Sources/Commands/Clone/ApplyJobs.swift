import ArgumentParser
import Migration

/// What `--apply-jobs` may be.
enum ApplyJobs {
    static func check(_ number: Int) throws {
        guard 1...CloneOptions.applyJobsMax ~= number else {
            throw ValidationError("--apply-jobs must be from 1 to \(CloneOptions.applyJobsMax)")
        }
    }
}
