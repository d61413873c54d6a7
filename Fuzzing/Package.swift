// swift-tools-version: 6.2
// The readers of foreign octets, built to be fuzzed. A package of its own, because every target is
// instrumented here; the sources are those of the main package, by symbolic link. Scripts/fuzz builds it.
import PackageDescription

let instrumented: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("ImmutableWeakCaptures"),
  .unsafeFlags(["-sanitize=fuzzer"]),
]

let package = Package(
  name: "segue-fuzz",
  platforms: [.macOS(.v15)],
  targets: [
    .target(name: "SegueModel", swiftSettings: instrumented),
    .target(name: "Ports", dependencies: ["SegueModel"], swiftSettings: instrumented),
    .target(name: "TrafficRouting", dependencies: ["SegueModel"], swiftSettings: instrumented),
    .target(name: "Evidence", dependencies: ["SegueModel", "Ports"], swiftSettings: instrumented),
    .target(name: "CNGHTTP2", linkerSettings: [.linkedLibrary("nghttp2")]),
    .target(
      name: "HTTP2Translation", dependencies: ["TrafficRouting", "CNGHTTP2"],
      swiftSettings: instrumented),
    .target(
      name: "ParserInvariants",
      dependencies: ["SegueModel", "TrafficRouting", "HTTP2Translation", "Evidence"],
      swiftSettings: instrumented),
    .target(name: "CFuzzer"),
    .executableTarget(
      name: "segue-fuzz", dependencies: ["ParserInvariants", "CFuzzer"],
      swiftSettings: instrumented, linkerSettings: [.linkedLibrary("stdc++")]),
  ]
)
