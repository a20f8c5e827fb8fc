// swift-tools-version: 6.1
import PackageDescription

// Everything that reads bytes which walrelay did not make itself, under libFuzzer. tools/fuzz/run builds and runs it.
let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "walrelay", path: "../..")],
    targets: [
        .executableTarget(
            name: "Fuzz",
            dependencies: [.product(name: "WalrelayFormats", package: "walrelay")],
            swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-parse-as-library"])]
        )
    ]
)
