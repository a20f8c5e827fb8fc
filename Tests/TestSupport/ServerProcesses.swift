import Glibc

/// The processes of a server, found by their working folder: that is where each of them runs.
enum ServerProcesses {
    /// The ids of all processes that run in `folder` or below it.
    static func running(in folder: String) -> [pid_t] {
        names(in: "/proc").compactMap { name in
            guard let pid = pid_t(name), let target = linkTarget("/proc/\(pid)/cwd") else { return nil }
            return target == folder || target.hasPrefix("\(folder)/") ? pid : nil
        }
    }
}
