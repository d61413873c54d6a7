import Evidence
import SegueModel

enum EvidenceInvariants {
  static func junit(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let whole = outcome { () throws(ReportFailure) in try JUnitReader.read(bytes) }
    for way in Pieces.ways(bytes) {
      let pieces = outcome { () throws(ReportFailure) in
        var reader = JUnitReader()
        for piece in way { try reader.feed(piece) }
        return try reader.finish()
      }
      try require(pieces == whole, "another report when cut after \(way.first?.count ?? 0) octets")
    }
    guard case .success(let report) = whole else { return }
    try require(!report.cases.isEmpty, "a report without a test case is believed")
    try require(
      report.cases.allSatisfy { $0.message.count <= 500 && $0.time >= .zero },
      "a message or a time beyond its limit")
    let failed = report.cases.contains { $0.status == .failed }
    try require(!failed || report.summary.refusal() != nil, "failed tests refuse nothing")
  }

  static func coverage(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let reports = [
      try? CoverageReport.lcov(bytes), try? CoverageReport.llvmCov(bytes),
      try? CoverageReport.cobertura(bytes), try? CoverageReport.jacoco(bytes),
    ]
    for report in reports.compactMap(\.self) {
      let count = report.count
      try require(
        0 <= count.covered && count.covered <= count.coverable,
        "\(count.covered) of \(count.coverable) lines are covered")
      let sound = report.files.values.allSatisfy { file in
        file.hits.allSatisfy { $0.key > 0 && $0.value >= 0 }
      }
      try require(sound, "a line below 1, or run less than never")
      var twice = report
      twice.merge(report)
      try require(twice.count == count, "a report told twice covers other lines")
    }
  }

  static func json(_ bytes: [UInt8]) throws(BrokenInvariant) {
    _ = try? VulnerabilityStatement.openVEX(bytes)
    if let report = try? SARIFReport.read(bytes) {
      try require(
        report.findings.allSatisfy { $0.line.map { $0 > 0 } ?? true }, "a finding on no line")
    }
    let lists = [try? ComponentList.cycloneDX(bytes), try? ComponentList.spdx(bytes)]
    let packages = lists.compactMap(\.self).flatMap(\.components).compactMap(\.package)
    guard let advisory = try? Advisory.read(bytes) else { return }
    try require(
      Advisory.mergedByAlias([advisory, advisory]).map(\.count) == [2], "it is not its own alias")
    let named = [
      PackageURL(type: "npm", name: "a", version: "1.0.0"),
      PackageURL(type: "pypi", name: "a", version: "1"),
      PackageURL(type: "deb", namespace: "debian", name: "a", version: "1:1-1"),
    ]
    for package in named + packages { _ = advisory.match(package) }
  }

  static func lockFiles(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let lists = [
      try? ComponentList.npmLock(bytes), try? ComponentList.composerLock(bytes),
      ComponentList.dpkgStatus(bytes),
    ]
    for component in lists.compactMap(\.self).flatMap(\.components) {
      guard let package = component.package else { continue }
      try require(!package.name.isEmpty, "a package without a name")
      _ = package.packageName
    }
  }

  static func diff(_ bytes: [UInt8]) throws(BrokenInvariant) {
    guard let diff = try? UnifiedDiff.read(bytes) else { return }
    let lines = bytes.count { $0 == 10 } + 1
    let changes = diff.files.reduce(0) { $0 + $1.added.count + $1.removed.count }
    try require(changes <= lines, "\(changes) changes in \(lines) lines")
    for file in diff.files {
      try require(file.oldPath != nil || file.newPath != nil, "a file without a name")
      try require(file.added.union(file.removed).allSatisfy { $0 > 0 }, "a line below 1")
    }
  }

  /// Three versions, one on each line.
  static func versions(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let lines = bytes.split(separator: 10, maxSplits: 2, omittingEmptySubsequences: false)
    let versions = lines.map { String(decoding: $0, as: UTF8.self) }
    for order in [VersionOrder.semantic, .python, .debian] {
      for left in versions {
        guard let same = order.compare(left, left) else { continue }
        try require(same == 0, "\(left) is not equal to itself")
        for right in versions {
          guard let forth = order.compare(left, right) else { continue }
          let back = order.compare(right, left)
          try require(back?.signum() == -forth.signum(), "\(left) and \(right) have no order")
          for third in versions where forth <= 0 {
            guard let next = order.compare(right, third), next <= 0 else { continue }
            let direct = order.compare(left, third) ?? 1
            try require(direct <= 0, "\(left), \(right) and \(third) have no order")
          }
        }
      }
    }
    for text in versions { _ = PackageURL(text)?.packageName }
  }

  private static func outcome(
    _ read: () throws(ReportFailure) -> TestReport
  ) -> Result<TestReport, ReportFailure> {
    do throws(ReportFailure) { return .success(try read()) } catch { return .failure(error) }
  }
}
