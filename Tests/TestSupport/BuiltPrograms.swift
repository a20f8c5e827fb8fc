import Glibc
import SystemPackage

/// Finds the executables of this package that belong to the running tests.
enum BuiltPrograms {
    /// Folders that may hold them, best first: WALRELAY_BIN_DIR, the folder of the test bundle, the default one.
    static let folders: [String] = {
        var folders: [String] = []
        if let folder = getenv("WALRELAY_BIN_DIR") { folders.append(String(cString: folder)) }

        let arguments = Inherited.arguments
        if let flag = arguments.firstIndex(of: "--test-bundle-path"), flag + 1 < arguments.count {
            folders.append(folder(ofBundle: arguments[flag + 1]))
        }
        if let executable = linkTarget("/proc/self/exe") { folders.append(folder(ofBundle: executable)) }

        // <root>/Tests/TestSupport/BuiltPrograms.swift
        let root = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        folders.append(root.appending(".build/debug").string)
        return folders
    }()

    /// The path of an executable; an absolute path is taken as it is.
    static func path(of name: String) throws -> String {
        let candidates = name.hasPrefix("/") ? [name] : folders.map { "\($0)/\(name)" }
        guard let path = candidates.first(where: isExecutable) else {
            throw ProgramError.notFound(name: name, searched: name.hasPrefix("/") ? ["/"] : folders)
        }
        return path
    }

    /// The folder that holds the bundle, whether the path is that of the bundle or of the executable inside it.
    private static func folder(ofBundle path: String) -> String {
        var folder = FilePath(path).removingLastComponent()
        while let name = folder.lastComponent?.string,
            name == "MacOS" || name == "Contents" || name.hasSuffix(".xctest")
        {
            folder.removeLastComponent()
        }
        return folder.string
    }
}

extension FilePath {
    /// Appends several components at once.
    fileprivate func appending(_ components: String) -> FilePath {
        appending(components.split(separator: "/").compactMap { FilePath.Component(String($0)) })
    }
}
