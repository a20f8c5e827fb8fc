// swift-tools-version: 6.1
import PackageDescription

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let nio = ["NIOCore", "NIOHTTP1", "NIOPosix"].map { Target.Dependency.product(name: $0, package: "swift-nio") }
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

// Where every change passes, release builds do without checks at run time that nobody reads what is being written
// (docs/decisions.md). Debug builds, with which the tests run, check.
let hotPathSettings: [SwiftSetting] =
    settings + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// A command line: the target `ReceiveCommand` in `Sources/Commands/Receive`.
func command(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: "\(name)Command",
        dependencies: ["CommandSupport", "Observability", argumentParser, logging] + dependencies,
        path: "Sources/Commands/\(name)",
        swiftSettings: settings
    )
}

/// A program with nothing but an entry point: `ReceiveCommand` becomes `receive`.
func program(_ name: String, _ dependencies: [Target.Dependency]? = nil) -> Target {
    .executableTarget(
        name: "\(name)Program",
        dependencies: ["CommandSupport"] + (dependencies ?? [.byName(name: "\(name)Command")]),
        path: "Sources/Programs/\(name)",
        swiftSettings: settings,
        // What the loader fills in at the start is read-only from then on (tools/audit looks).
        linkerSettings: [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "now"])]
    )
}

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// A module through which every change passes.
func hotModule(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: hotPathSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
    name: "walrelay",
    products: [
        .executable(name: "receive", targets: ["ReceiveProgram"]),
        .executable(name: "transform", targets: ["TransformProgram"]),
        .executable(name: "replay", targets: ["ReplayProgram"]),
        .executable(name: "inspect", targets: ["InspectProgram"]),
        .executable(name: "clone", targets: ["CloneProgram"]),
        // All five in one file, for packages.
        .executable(name: "walrelay", targets: ["WalrelayProgram"]),
        // For tools/fuzz.
        .library(name: "WalrelayFormats", targets: ["Batches", "PgOutput", "Postgres", "Spool"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),

        module("Failpoints"),
        module("Threading"),
        module("Observability", [logging, system]),
        hotModule("Postgres", ["CLibpq", "Threading"]),
        hotModule("PgOutput", ["Postgres"]),
        hotModule("Spool", ["CLZ4", "Failpoints", "Observability", "PgOutput", "Postgres", "Threading", system]),
        module("Audit", ["PgOutput", "Postgres", "Selection", "Spool"]),
        hotModule(
            "Capture", ["Failpoints", "Observability", "PgOutput", "Postgres", "Spool", "Threading", logging, system]),
        module("Selection"),
        hotModule("Batches", ["PgOutput", "Postgres", "Selection"]),
        hotModule("BatchFiles", ["Batches", "CLZ4", "Failpoints", "Postgres", "Spool", "Threading"]),
        hotModule("LogRendering", ["Batches", "PgOutput", "Postgres", "Spool", "Threading"]),
        hotModule("Apply", ["Batches", "Failpoints", "Observability", "Postgres", "Threading", logging]),
        module("Catalog", ["Postgres", "Selection"]),
        module(
            "Supervision",
            ["Catalog", "Observability", "Postgres", "Spool", "Threading", logging, system]),
        module(
            "Copying",
            [
                "Catalog", "Failpoints", "Observability", "Postgres", "Selection", "Supervision", "Threading",
                logging, system,
            ]),
        module(
            "Comparison",
            [
                "Capture", "Catalog", "Copying", "Observability", "Postgres", "Selection", "Spool",
                "Supervision",
                "Threading", logging,
            ]),
        module(
            "Migration",
            [
                "Apply", "Batches", "Capture", "Catalog", "Comparison", "Copying", "Failpoints", "Observability",
                "Postgres",
                "Selection", "Spool", "Supervision", "Threading", logging, system,
            ]),
        module(
            "StatusServer",
            [
                "Apply", "Capture", "Comparison", "Copying", "Migration", "Observability", "Postgres", "Spool",
                "Supervision",
                "Threading", logging,
            ] + nio),

        .target(
            name: "CommandSupport",
            dependencies: [
                "Apply", "Batches", "Capture", "Observability", "PgOutput", "Postgres", "Selection", "Spool",
                "Threading",
                argumentParser, logging, unixSignals,
            ],
            path: "Sources/Commands/Support",
            swiftSettings: settings
        ),
        .target(
            name: "ChangeLines",
            dependencies: ["Audit", "CommandSupport", "Observability", "PgOutput", "Selection"],
            path: "Sources/Commands/ChangeLines",
            swiftSettings: settings
        ),
        command("Receive", ["Capture", "PgOutput", "Postgres", "Spool", "Threading"]),
        command(
            "Transform",
            [
                "Audit", "BatchFiles", "Batches", "ChangeLines", "LogRendering", "Postgres", "Selection", "Spool",
                "Threading",
            ]),
        command(
            "Replay",
            [
                "Apply", "Audit", "BatchFiles", "Batches", "LogRendering", "PgOutput", "Postgres", "Selection", "Spool",
                "Threading",
            ]),
        command("Inspect", ["Audit", "ChangeLines", "PgOutput", "Postgres", "Selection", "Spool", "Threading"]),
        command(
            "Clone",
            [
                "Apply", "Capture", "Catalog", "Comparison", "Copying", "Migration", "Postgres", "Selection", "Spool",
                "StatusServer", "Supervision", "Threading",
            ]),

        program("Receive"),
        program("Transform"),
        program("Replay"),
        program("Inspect"),
        program("Clone"),
        program(
            "Walrelay",
            ["CloneCommand", "InspectCommand", "ReceiveCommand", "ReplayCommand", "TransformCommand", argumentParser]),

        .target(
            name: "TestSupport",
            dependencies: ["Threading", system],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        // Histories of the pipeline without servers, in one process (tools/simulate, docs/testing.md).
        .target(
            name: "Simulator",
            dependencies: [
                "Batches", "Capture", "LogRendering", "Observability", "PgOutput", "Postgres", "Spool", "TestSupport",
                "Threading", logging,
            ],
            path: "Tests/Simulator",
            swiftSettings: settings
        ),
        .executableTarget(
            name: "SimulateProgram", dependencies: ["Simulator"], path: "Tests/SimulateProgram", swiftSettings: settings
        ),
        tests("Simulator", ["Postgres", "Simulator", "Spool", "TestSupport", "Threading"]),
        tests("Apply", ["Apply", "Batches", "Postgres", "Threading", "TestSupport", logging]),
        tests(
            "Audit",
            [
                "Audit", "Batches", "InspectProgram", "LogRendering", "PgOutput", "Postgres", "Selection", "Spool",
                "TestSupport",
            ]),
        tests("Batches", ["Batches", "PgOutput", "Postgres", "Selection", "TestSupport"]),
        tests("BatchFiles", ["BatchFiles", "Batches", "Postgres", "Spool", "TestSupport"]),
        tests("Capture", ["Capture", "PgOutput", "Postgres", "Spool", "TestSupport", "Threading", logging]),
        // The programs as dependencies, so that they are built.
        tests(
            "Pipeline",
            [
                "TestSupport", "ReceiveProgram", "TransformProgram", "ReplayProgram", "InspectProgram", "CloneProgram",
                "WalrelayProgram", "Failpoints", "Observability", "Postgres",
            ]),
        tests("Migration", ["CloneCommand", "Migration", "Observability", "Postgres", "Selection", "TestSupport"]),
        tests("PgOutput", ["PgOutput", "Postgres", "TestSupport"]),
        tests("Postgres", ["Postgres", "TestSupport", "Threading"]),
        tests("Selection", ["Selection"]),
        tests("Spool", ["PgOutput", "Postgres", "Spool", "TestSupport", "Threading"]),
        tests("StatusServer", ["Migration", "Spool", "StatusServer", "TestSupport"]),
        tests("TestSupport", ["TestSupport"]),
        tests("Threading", ["Threading"]),
    ]
)
