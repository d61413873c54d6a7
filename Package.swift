// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("ImmutableWeakCaptures"),
  .treatAllWarnings(as: .error),
]
/// The core decides in values: it has no business with a pointer.
let core = strict + [.strictMemorySafety()]

/// What a request passes through. In debug builds, and so in every test, accesses to the same member
/// that overlap are still found; looking for them in a release costs a third of all instructions of a
/// request (ADR 6).
let hotPath: [SwiftSetting] = [
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(
  name: "AsyncHTTPClient", package: "async-http-client")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(
  name: "HummingbirdCore", package: "hummingbird")
let lifecycle = Target.Dependency.product(
  name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(
  name: "UnixSignals", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
  name: "segue",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "segue", targets: ["segue"]),
    .executable(name: "segue-load", targets: ["segue-load"]),
    .executable(name: "segue-simulate", targets: ["segue-simulate"]),
    .executable(name: "segue-bench-engine", targets: ["segue-bench-engine"]),
    .executable(name: "segue-bench-analysis", targets: ["segue-bench-analysis"]),
    .executable(name: "segue-bench-evidence", targets: ["segue-bench-evidence"]),
    .executable(name: "segue-bench-flaky", targets: ["segue-bench-flaky"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // The core: values in, values out.
    .target(name: "SegueModel", swiftSettings: core),
    .target(name: "RolloutEngine", dependencies: ["SegueModel"], swiftSettings: core),
    .target(name: "Ports", dependencies: ["SegueModel"], swiftSettings: core),
    .target(
      name: "TrafficRouting", dependencies: ["SegueModel"], swiftSettings: strict + hotPath),
    .target(name: "CanaryAnalysis", dependencies: ["SegueModel"], swiftSettings: core),
    .target(name: "ReleaseCalendar", dependencies: ["SegueModel"], swiftSettings: core),
    .target(name: "Evidence", dependencies: ["SegueModel", "Ports"], swiftSettings: strict),
    .target(
      name: "SimulationKit", dependencies: ["SegueModel", "RolloutEngine", "TrafficRouting"],
      swiftSettings: core),

    // What adapters share.
    .target(name: "SecretMasking", dependencies: ["Ports"], swiftSettings: strict),
    .target(
      name: "WebhookSigning", dependencies: ["SegueModel", "Ports", crypto], swiftSettings: strict),
    .target(name: "CNGHTTP2", linkerSettings: [.linkedLibrary("nghttp2")]),
    .target(
      name: "HTTP2Translation", dependencies: ["TrafficRouting", "CNGHTTP2"],
      swiftSettings: strict + hotPath),

    // Adapters: each knows the core and one piece of the world, never one another.
    .target(name: "CLinux"),
    .target(
      name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .target(name: "TransportSecurity", dependencies: ["COpenSSL"], swiftSettings: strict + hotPath),
    .target(
      name: "SpecFile", dependencies: ["SegueModel", "ReleaseCalendar", "Evidence", yams],
      swiftSettings: strict),
    .target(
      name: "SQLiteJournal", dependencies: ["SegueModel", "Ports", grdb, crypto],
      swiftSettings: strict),
    .target(
      name: "EvidenceStore", dependencies: ["SegueModel", "Ports", "Evidence", grdb],
      swiftSettings: strict),
    .target(
      name: "Provenance", dependencies: ["SegueModel", "Ports", crypto], swiftSettings: strict),
    .target(
      name: "PipelineRunner",
      dependencies: ["SegueModel", "Ports", "Evidence", "SecretMasking", "CLinux", crypto],
      swiftSettings: strict),
    .target(
      name: "HTTPProbe", dependencies: ["SegueModel", "Ports", nioCore, nioHTTP1, nioPosix],
      swiftSettings: strict),
    .target(
      name: "ForgeLink",
      dependencies: [
        "SegueModel", "Ports", "WebhookSigning", "OutboundHTTP", crypto, nioHTTP1,
      ],
      swiftSettings: strict),
    .target(
      name: "Notifications",
      dependencies: [
        "SegueModel", "Ports", "WebhookSigning", "OutboundHTTP", nioCore, nioHTTP1, nioPosix,
        nioSSL,
      ],
      swiftSettings: strict),
    .target(
      name: "OutboundHTTP",
      dependencies: [
        "SegueModel", "Ports", asyncHTTPClient, nioCore, nioHTTP1, nioPosix, nioSSL,
      ],
      swiftSettings: strict),
    .target(
      name: "MetricSources",
      dependencies: ["SegueModel", "Ports", "OutboundHTTP", "CLinux", nioHTTP1],
      swiftSettings: strict),
    .target(
      name: "AnalysisImport", dependencies: ["CanaryAnalysis", yams], swiftSettings: strict),
    .target(
      name: "ProcessPlatform",
      dependencies: ["SegueModel", "Ports", "SecretMasking", "CLinux", logging],
      swiftSettings: strict),
    .target(
      name: "CertificateIssuing",
      dependencies: [
        "SegueModel", "Ports", "TransportSecurity", asyncHTTPClient, crypto, lifecycle, logging,
        nioCore, nioHTTP1, nioPosix, nioSSL, nioTLS,
      ],
      swiftSettings: strict),
    .target(
      name: "Proxy",
      dependencies: [
        "SegueModel", "TrafficRouting", "HTTP2Translation", "TransportSecurity", "Ports", "CLinux",
        nioCore, nioPosix, deque, logging,
      ],
      swiftSettings: strict + hotPath),

    // The control plane and the way to it.
    .target(
      name: "ControlPlane",
      dependencies: [
        "SegueModel", "RolloutEngine", "CanaryAnalysis", "ReleaseCalendar", "Evidence", "Ports",
        "ControlProtocol", crypto, logging, lifecycle,
      ],
      swiftSettings: strict),
    .target(name: "ControlProtocol", dependencies: ["SegueModel"], swiftSettings: core),
    .target(
      name: "ControlServer",
      dependencies: [
        "SegueModel", "ControlProtocol", hummingbird, hummingbirdCore, logging, lifecycle, nioCore,
      ],
      swiftSettings: strict),
    .target(
      name: "ControlClient",
      dependencies: ["SegueModel", "ControlProtocol", asyncHTTPClient, nioCore],
      swiftSettings: strict),
    .target(
      name: "Commands",
      dependencies: [
        "SegueModel", "RolloutEngine", "CanaryAnalysis", "Evidence", "SimulationKit",
        "ControlProtocol", "ControlClient", "SpecFile", "AnalysisImport", argumentParser,
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "segue",
      dependencies: [
        "SegueModel", "RolloutEngine", "Ports", "TrafficRouting", "Evidence", "SecretMasking",
        "CLinux", "SpecFile", "SQLiteJournal", "EvidenceStore", "Provenance", "PipelineRunner",
        "ProcessPlatform", "HTTPProbe", "CertificateIssuing", "MetricSources", "Proxy",
        "ControlPlane", "ControlProtocol", "ControlServer", "ControlClient", "Commands",
        "Notifications", "ForgeLink", "WebhookSigning", "OutboundHTTP",
        argumentParser, logging, lifecycle, unixSignals,
      ],
      swiftSettings: strict),

    // What tests, benchmarks and the demonstration measure with.
    .target(name: "LoadGenerator", swiftSettings: strict),
    .executableTarget(
      name: "segue-load", dependencies: ["LoadGenerator", argumentParser], swiftSettings: strict),
    .executableTarget(
      name: "segue-simulate", dependencies: ["SimulationKit"],
      swiftSettings: strict),
    .executableTarget(
      name: "segue-bench-engine", dependencies: ["SegueModel", "RolloutEngine", "Ports"],
      swiftSettings: strict),
    .executableTarget(
      name: "segue-bench-analysis", dependencies: ["SegueModel", "CanaryAnalysis"],
      swiftSettings: strict),
    .executableTarget(
      name: "segue-bench-evidence",
      dependencies: ["SegueModel", "Ports", "Evidence", "EvidenceStore"], swiftSettings: strict),
    .executableTarget(
      name: "segue-bench-flaky", dependencies: ["SegueModel", "Evidence"], swiftSettings: strict),
    .target(
      name: "JournalContract", dependencies: ["SegueModel", "Ports"],
      path: "Tests/JournalContract", swiftSettings: strict),
    .target(
      name: "ParserInvariants",
      dependencies: ["SegueModel", "TrafficRouting", "HTTP2Translation", "Evidence"],
      path: "Tests/ParserInvariants", swiftSettings: strict),

    .target(
      name: "ReceiverProcess", path: "Tests/ReceiverProcess", swiftSettings: strict),

    .testTarget(name: "PortsTests", dependencies: ["SegueModel", "Ports"], swiftSettings: strict),
    .testTarget(name: "LoadGeneratorTests", dependencies: ["LoadGenerator"], swiftSettings: strict),
    .testTarget(
      name: "HTTPProbeTests",
      dependencies: ["SegueModel", "Ports", "HTTPProbe", nioCore, nioPosix],
      swiftSettings: strict),
    .testTarget(name: "SegueModelTests", dependencies: ["SegueModel"], swiftSettings: strict),
    .testTarget(
      name: "RolloutEngineTests", dependencies: ["SegueModel", "RolloutEngine"],
      swiftSettings: strict),
    .testTarget(
      name: "SimulationKitTests", dependencies: ["SegueModel", "RolloutEngine", "SimulationKit"],
      swiftSettings: strict),
    .testTarget(
      name: "EvidenceTests", dependencies: ["SegueModel", "Evidence", "Ports", "ParserInvariants"],
      swiftSettings: strict),
    .testTarget(
      name: "EvidenceStoreTests", dependencies: ["SegueModel", "Evidence", "EvidenceStore"],
      swiftSettings: strict),
    .testTarget(
      name: "ProvenanceTests", dependencies: ["SegueModel", "Ports", "Provenance"],
      swiftSettings: strict),
    .testTarget(
      name: "SpecFileTests", dependencies: ["SegueModel", "Evidence", "SpecFile"],
      swiftSettings: strict),
    .testTarget(
      name: "SQLiteJournalTests",
      dependencies: ["SegueModel", "Ports", "SQLiteJournal", "JournalContract", grdb],
      swiftSettings: strict),
    .testTarget(
      name: "PipelineRunnerTests",
      dependencies: ["SegueModel", "Ports", "Evidence", "SecretMasking", "PipelineRunner"],
      swiftSettings: strict),
    .testTarget(
      name: "ForgeLinkTests",
      dependencies: [
        "SegueModel", "Ports", "WebhookSigning", "ForgeLink", "ReceiverProcess", crypto,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "NotificationsTests",
      dependencies: ["SegueModel", "Ports", "WebhookSigning", "Notifications", "ReceiverProcess"],
      swiftSettings: strict),
    .testTarget(
      name: "ProcessPlatformTests",
      dependencies: ["SegueModel", "Ports", "ProcessPlatform", "CLinux", logging],
      swiftSettings: strict),
    .testTarget(
      name: "TrafficRoutingTests",
      dependencies: [
        "SegueModel", "TrafficRouting", "ParserInvariants", nioCore, nioEmbedded, nioHTTP1,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "HTTP2TranslationTests",
      dependencies: ["TrafficRouting", "CNGHTTP2", "HTTP2Translation"],
      swiftSettings: strict),
    .testTarget(
      name: "TransportSecurityTests", dependencies: ["TransportSecurity", "COpenSSL"],
      swiftSettings: strict),
    .testTarget(
      name: "CertificateIssuingTests",
      dependencies: [
        "SegueModel", "Ports", "TransportSecurity", "CertificateIssuing", "Proxy", logging,
        nioCore, nioPosix, nioSSL,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CanaryAnalysisTests", dependencies: ["SegueModel", "CanaryAnalysis"],
      swiftSettings: strict),
    .testTarget(
      name: "ReleaseCalendarTests", dependencies: ["SegueModel", "ReleaseCalendar"],
      swiftSettings: strict),
    .testTarget(
      name: "ProxyTests",
      dependencies: [
        "SegueModel", "Ports", "TrafficRouting", "TransportSecurity", "Proxy", nioCore, nioPosix,
        logging,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ControlPlaneTests",
      dependencies: [
        "SegueModel", "RolloutEngine", "Evidence", "ReleaseCalendar", "Ports", "ControlPlane",
        "ControlProtocol", logging,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ControlServerTests",
      dependencies: [
        "SegueModel", "ControlProtocol", "ControlServer", "ControlClient", lifecycle, logging,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CommandsTests",
      dependencies: [
        "SegueModel", "RolloutEngine", "CanaryAnalysis", "ControlProtocol", "Commands", "SpecFile",
        "AnalysisImport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "OutboundHTTPTests",
      dependencies: [
        "SegueModel", "Ports", "OutboundHTTP", nioCore, nioHTTP1, nioPosix, nioSSL,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "MetricSourcesTests",
      dependencies: [
        "SegueModel", "Ports", "OutboundHTTP", "MetricSources", nioCore, nioHTTP1, nioPosix,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "AnalysisImportTests", dependencies: ["CanaryAnalysis", "AnalysisImport"],
      swiftSettings: strict),
    .testTarget(name: "TidyTests", swiftSettings: strict),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "SegueModel", "ControlProtocol", "ControlClient", "LoadGenerator", "ReceiverProcess",
        "segue", "segue-load",
      ],
      swiftSettings: strict),
  ]
)
