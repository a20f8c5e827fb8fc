import Glibc

/// The target that this process fuzzes, by the environment variable WALRELAY_FUZZ_TARGET.
private let target: FuzzTarget = {
    let name = getenv("WALRELAY_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        print("set WALRELAY_FUZZ_TARGET to one of: \(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))")
        exit(2)
    }
    return target
}()

/// libFuzzer calls this once. With WALRELAY_FUZZ_SEEDS, inputs to begin with are written there, and that is all.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
) -> CInt {
    if let folder = getenv("WALRELAY_FUZZ_SEEDS") {
        do {
            try Seeds.write(target, to: String(cString: folder))
            exit(0)
        } catch {
            print("no seeds: \(error)")
            exit(1)
        }
    }
    return 0
}

/// libFuzzer calls this for each input. What the parsers throw is right; a trap, a hang or huge memory is not.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    target.run(UnsafeRawBufferPointer(start: start, count: count))
    return 0
}
