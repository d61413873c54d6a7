/// Which target may know which. SwiftPM does not hold a target to its declared dependencies (importing
/// an undeclared sibling succeeds on the second build), so these rules do.
enum ImportRules {
  /// Values in, values out: no Foundation, no clock, no randomness, no output.
  static let core: Set = [
    "SegueModel", "RolloutEngine", "Ports", "TrafficRouting", "ControlProtocol", "SimulationKit",
    "CanaryAnalysis", "ReleaseCalendar",
  ]

  /// Each knows the core and one piece of the world, and none knows another.
  static let adapters: Set = [
    "SpecFile", "SQLiteJournal", "PipelineRunner", "ProcessPlatform", "Proxy", "ControlServer",
    "ControlClient", "HTTPProbe", "CertificateIssuing", "Notifications", "ForgeLink",
    "MetricSources", "AnalysisImport", "EvidenceStore", "Provenance",
  ]

  /// Files of the core that may import more, and why.
  static let exceptions: [String: Set<String>] = [
    // It parses JSON with Foundation's reader, and shows nothing of it.
    "Sources/Ports/CanonicalJSON.swift": ["Foundation"],
    // Logarithms and their like, which the standard library lacks.
    "Sources/TrafficRouting/StickySplit.swift": ["Glibc", "Darwin"],
    "Sources/RolloutEngine/Advice.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/Calibration.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/CanaryVerdict.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/QuantileComparison.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/RatioInterval.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/ShadowVerdict.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/VerdictReport.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/WatchedMetric.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/KayentaJudge.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/LatencyTest.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/Means.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/Numerics.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/Planning.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/RatioTest.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/ReleaseJudge.swift": ["Glibc", "Darwin"],
    "Sources/CanaryAnalysis/SeveralMetrics.swift": ["Glibc", "Darwin"],
  ]

  /// Modules that come with the toolchain.
  static let system: Set = [
    "Foundation", "FoundationEssentials", "Glibc", "Darwin", "Dispatch", "Synchronization",
    "Testing",
  ]

  /// Modules that come with a product under other names than its own.
  static let modules: [String: Set<String>] = [
    "AsyncHTTPClient": ["AsyncHTTPClient", "NIOHTTP1"],
    "Hummingbird": ["Hummingbird", "HummingbirdCore", "HTTPTypes", "NIOCore"],
  ]

  static func imports(of file: TextFile) -> [(module: String, line: Int)] {
    let statement =
      #/^\s*(?:@\w+(?:\(\w+\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+(?:(?:struct|class|enum|protocol|func|let|var|typealias)\s+)?(\w+)/#
    return file.code.lines.enumerated().compactMap { index, line in
      line.firstMatch(of: statement).map { (String($0.1), index + 1) }
    }
  }

  /// Every import is declared in the manifest, or comes with the toolchain.
  static func undeclared(_ file: TextFile, _ manifest: Manifest) -> [Violation] {
    guard let name = file.target, let target = manifest.target(name) else { return [] }
    let products = target.products.reduce(into: Set<String>()) { allowed, product in
      allowed.formUnion(modules[product] ?? [product])
    }
    return imports(of: file).filter { module, _ in
      !target.targets.contains(module) && !products.contains(module) && !system.contains(module)
    }.map {
      Violation(
        path: file.path, line: $0.line,
        message: "imports \($0.module), which Package.swift does not let \(name) depend on")
    }
  }

  /// The core imports the core, and what the standard library brings.
  static func impureCore(_ file: TextFile) -> [Violation] {
    guard file.isSource, let target = file.target, core.contains(target) else { return [] }
    let allowed = core.union(["Synchronization", "OrderedCollections"])
      .union(exceptions[file.path] ?? [])
    return imports(of: file).filter { !allowed.contains($0.module) }.map {
      Violation(
        path: file.path, line: $0.line,
        message: "\(target) is core and must not import \($0.module)")
    }
  }

  /// The arrows of the manifest: the core points nowhere, and no adapter points at an adapter.
  static func wrongArrows(_ manifest: Manifest) -> [Violation] {
    var violations: [Violation] = []
    for target in manifest.targets where !target.isTest {
      for other in target.targets {
        if core.contains(target.name), !core.contains(other) {
          violations.append(arrow(target.name, other, "the core knows only the core"))
        } else if adapters.contains(target.name), adapters.contains(other) {
          violations.append(arrow(target.name, other, "adapters do not know one another"))
        }
      }
    }
    return violations
  }

  private static func arrow(_ from: String, _ to: String, _ why: String) -> Violation {
    Violation(path: "Package.swift", line: 0, message: "\(from) depends on \(to), but \(why)")
  }

  /// Targets and folders say the same, and no target is a place for leftovers.
  static func strayTargets(_ manifest: Manifest, folders: [String]) -> [Violation] {
    let declared = Set(manifest.targets.map(\.path))
    let present = Set(folders)
    let vague: Set = ["Utils", "Utilities", "Common", "Basics", "Helpers", "Shared", "Misc"]
    return declared.subtracting(present).sorted().map {
      Violation(path: "Package.swift", line: 0, message: "\($0) is declared, but has no files")
    }
      + present.subtracting(declared).sorted().map {
        Violation(path: $0, line: 0, message: "is no target of Package.swift")
      }
      + manifest.targets.filter { vague.contains($0.name) }.map {
        Violation(path: $0.path, line: 0, message: "'\($0.name)' names no job")
      }
  }
}
