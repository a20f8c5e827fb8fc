import Glibc

extension UnsafeRawBufferPointer {
    func starts(with text: StaticString) -> Bool {
        guard let base = baseAddress, count >= text.utf8CodeUnitCount else { return false }
        return memcmp(base, text.utf8Start, text.utf8CodeUnitCount) == 0
    }

    func ends(with text: StaticString) -> Bool {
        guard let base = baseAddress, count >= text.utf8CodeUnitCount else { return false }
        return memcmp(base + (count - text.utf8CodeUnitCount), text.utf8Start, text.utf8CodeUnitCount) == 0
    }

    func isEqual(to text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && starts(with: text)
    }

    /// What follows `prefix`; nil when the bytes do not start with it.
    func after(_ prefix: StaticString) -> UnsafeRawBufferPointer? {
        guard starts(with: prefix) else { return nil }
        return UnsafeRawBufferPointer(rebasing: self[prefix.utf8CodeUnitCount...])
    }
}
