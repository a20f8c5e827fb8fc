import TestSupport
import Testing

@Suite struct TemporaryFolderTests {
    @Test func isRemovedWithItsContents() async throws {
        let folder = try TemporaryFolder("here")
        try folder.write("file", "text")
        try await Program.shell("cd '\(folder.path)' && mkdir -p a/b && ln -s / a/b/root && touch a/b/.hidden")
            .checked()
        #expect(try folder.read("file") == Array("text".utf8))
        folder.remove()
        #expect(!exists(folder.path))
        folder.remove()
    }

    @Test func isRemovedWhenForgotten() throws {
        var folder: TemporaryFolder? = try TemporaryFolder()
        let path = try #require(folder?.path)
        #expect(exists(path))
        folder = nil
        #expect(!exists(path))
    }

    @Test func isUnique() throws {
        let first = try TemporaryFolder("same")
        let second = try TemporaryFolder("same")
        #expect(first.path != second.path)
    }
}
