public import SegueModel

/// The answer of a gate about coverage, with the counts that it rests on.
public struct CoverageAnswer: Hashable, Sendable {
  public var passes: Bool
  /// A sentence for people.
  public var reason: String

  public init(passes: Bool, reason: String) {
    self.passes = passes
    self.reason = reason
  }
}

/// Whether the coverage of a commit is good enough.
public enum CoverageGate {
  /// Whether at least `limit` of the coverable lines among those that the commit added were run. A
  /// commit without such lines passes.
  ///
  /// - Parameter report: with paths as the diff has them; see ``CoverageReport/below(_:known:)``.
  public static func changedLines(
    _ report: CoverageReport, diff: UnifiedDiff, atLeast limit: Permille
  ) -> CoverageAnswer {
    var count = CoverageCount()
    var missed: [String] = []
    for file in diff.files {
      guard let path = file.newPath, let hits = report.files[path]?.hits else { continue }
      for line in file.added.sorted() {
        guard let hits = hits[line] else { continue }
        count.coverable += 1
        count.covered += hits > 0 ? 1 : 0
        if hits == 0, missed.count < 5 { missed.append("\(path):\(line)") }
      }
    }
    guard count.coverable > 0 else {
      return CoverageAnswer(passes: true, reason: "no coverable line was changed")
    }
    let passes = count.covered * 1_000 >= count.coverable * limit.value
    let names = missed.isEmpty ? "" : "; not run: \(missed.joined(separator: ", "))"
    return CoverageAnswer(
      passes: passes,
      reason: "tests run \(count) of those changed; \(limit) is asked for\(passes ? "" : names)")
  }

  /// Whether the share of lines that are run has not fallen, but for lines that the commit removed:
  /// taking well-tested code away is no fault. The base is (H - h) / (N - n), with H of N lines run
  /// before the commit, and h of n among those that it removed. Counts are compared, not
  /// percentages.
  ///
  /// - Parameters:
  ///   - base: of the commit that the diff begins at.
  ///   - head: of the commit that the diff ends at.
  public static func neverFalls(
    base: CoverageReport, head: CoverageReport, diff: UnifiedDiff
  ) -> CoverageAnswer {
    var before = base.count
    for file in diff.files {
      guard let path = file.oldPath, let hits = base.files[path]?.hits else { continue }
      let removed = file.removed.compactMap { hits[$0] }
      before.coverable -= removed.count
      before.covered -= removed.count { $0 > 0 }
    }
    let after = head.count
    guard before.coverable > 0 else {
      return CoverageAnswer(passes: true, reason: "nothing that was coverable before is left")
    }
    guard after.coverable > 0 else {
      return CoverageAnswer(
        passes: false, reason: "the report has no coverable lines, and \(before) were run before")
    }
    let passes = after.covered * before.coverable >= before.covered * after.coverable
    return CoverageAnswer(
      passes: passes,
      reason: "tests run \(after), and ran \(before) before, without the lines that were removed")
  }
}
