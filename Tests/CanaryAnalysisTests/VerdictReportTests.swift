import CanaryAnalysis
import Foundation
import SegueModel
import Testing

@Suite struct VerdictReportTests {
  private func second(_ seconds: Int64) -> Instant { Instant(milliseconds: seconds * 1_000) }

  @Test func reportsInWholeNumbers() throws {
    var judge = ReleaseJudge()
    judge.observe(block: block(1_280, 37_300, 12, 41), at: second(0))
    let verdict = judge.verdict(at: second(1))
    let report = VerdictReport(verdict)
    #expect(report.answer == .bad)
    #expect(report.sentence == verdict.description)
    #expect(report.ratio == 8_529)
    #expect(report.toleratedRatio == 1_250)
    let lower = try #require(report.ratioAtLeast)
    let upper = try #require(report.ratioAtMost)
    #expect(lower > 1_500 && lower < 5_500)
    #expect(upper > 14_000 && upper < 25_000)
    #expect(report.evidence > 3_000)
    #expect(report.chance < 1_000)
    #expect(report.metrics.map(\.name) == ["errors", "latency"])
    #expect(report.metrics.map(\.objects) == [true, false])
    let encoded = try JSONEncoder().encode(report)
    #expect(try JSONDecoder().decode(VerdictReport.self, from: encoded) == report)
    #expect(!String(decoding: encoded, as: UTF8.self).contains(".0"))
  }

  @Test func aServiceThatNeverFailsIsPromotedByTheNegligibleRate() {
    var judge = ReleaseJudge()
    var promotedAt: Int64?
    for index in 0..<1_000 where promotedAt == nil {
      judge.observe(block: block(10, 90, 0, 0), at: second(Int64(index)))
      if case .good = judge.verdict(at: second(Int64(index))) { promotedAt = Int64(index) }
    }
    // ln(20 / 0.2) / 0.0009 canary requests, ten a second.
    #expect(promotedAt.map { $0 > 480 && $0 < 540 } == true)
  }

  @Test func watchedMetricsShareTheFalseAlarmsAndHoldBack() {
    var settings = JudgeSettings()
    settings.metrics = [
      WatchedMetric(name: "checkouts", kind: .value(worse: .lower, toleratedChange: 0.1)),
      WatchedMetric(name: "errors", weight: 2, kind: .rate(toleratedRatio: 1.5)),
    ]
    var judge = ReleaseJudge(settings: settings)
    var generator = SeededGenerator(state: 5)
    let strange = judge.observe(metric: "other", .rate(PairedCounts()))
    #expect(!strange)
    for index in 0..<60 {
      judge.observe(block: block(1_000, 9_000, 1, 9), at: second(Int64(index)))
    }
    #expect(
      judge.verdict(at: second(60))
        == .notEnoughEvidence(judge.evidence, yet: .metric("checkouts", "no data yet")))
    judge.observe(metric: "errors", .rate(block(500, 4_500, 0, 45)))
    for _ in 0..<100 {
      let value = 100 + Double(generator.count(9))
      judge.observe(metric: "checkouts", .values(canary: value, baseline: 104.5))
    }
    guard case .good = judge.verdict(at: second(60)) else {
      Issue.record("\(judge.verdict(at: second(60)).description)")
      return
    }
    let broken = judge.observe(metric: "checkouts", .values(canary: .nan, baseline: 1))
    #expect(!broken)
    #expect(
      judge.verdict(at: second(60))
        == .notEnoughEvidence(
          judge.evidence, yet: .metric("checkouts", "a value that is not a number")))
    judge.noData("the query found 3 series", metric: "checkouts")
    #expect(
      judge.verdict(at: second(60)).description.hasSuffix("checkouts: the query found 3 series"))
    for _ in 0..<300 {
      let value = 60 + Double(generator.count(9))
      judge.observe(metric: "checkouts", .values(canary: value, baseline: 104.5))
    }
    #expect(
      judge.verdict(at: second(60)) == .bad(judge.evidence, because: [.metric("checkouts")]))
    #expect(judge.verdict(at: second(60)).description.contains("checkouts is worse, chance"))
  }

  @Test func aMetricNamedErrorsIsNotTakenForTheErrors() {
    var settings = JudgeSettings()
    settings.metrics = [WatchedMetric(name: "errors", kind: .rate(toleratedRatio: 1))]
    var judge = ReleaseJudge(settings: settings)
    for _ in 0..<50 { judge.observe(metric: "errors", .rate(block(100, 900, 20, 9))) }
    #expect(
      judge.verdict(at: second(1))
        == .bad(judge.evidence, because: [.metric("errors (metric)")]))
    let impossible = judge.observe(metric: "errors", .rate(block(1, 1, 2, 0)))
    let other = judge.observe(metric: "errors", .values(canary: 1, baseline: 1))
    #expect(!impossible && !other)
  }

  @Test func aMissingSourceNeverPromotes() {
    var judge = ReleaseJudge()
    for index in 0..<40 {
      judge.observe(block: block(300, 5_700, 0, 6), at: second(Int64(index)))
    }
    guard case .good = judge.verdict(at: second(40)) else {
      Issue.record("not good")
      return
    }
    judge.noData("the Prometheus server does not answer")
    #expect(
      judge.verdict(at: second(41)).description.hasSuffix(
        "not enough evidence yet: no data: the Prometheus server does not answer"))
    let more = judge.observe(block: block(1, 1, 2, 0), at: second(42))
    #expect(more == .refused(.moreErrorsThanRequests))
    let huge = judge.observe(block: block(.max, 1, 2, 0), at: second(42))
    #expect(huge == .refused(.impossibleCount))
  }

  @Test func forecastsInWords() {
    let forecast = VerdictForecast(
      requestsPerSecond: 400, baselineRate: 0.01, share: 0.1, settings: JudgeSettings())
    #expect(
      forecast.description
        == "at today's 400 requests/s a doubling of errors is caught in about 2 minutes, ten times "
        + "as many in 2 seconds; a clean release is promoted after about 31 seconds")
    let silent = VerdictForecast(
      requestsPerSecond: 40, baselineRate: 0, share: 0.1, settings: JudgeSettings())
    #expect(
      silent.description
        == "at today's 40 requests/s a doubling of errors is not caught, because it is within what "
        + "is tolerated or nothing fails today; a clean release is promoted after about 21 minutes")
    let none = VerdictForecast(
      requestsPerSecond: .nan, baselineRate: 0.01, share: 0.1, settings: JudgeSettings())
    #expect(none.description == "without requests there will be no verdict")
  }

  @Test func drawsTheEvidence() throws {
    var judge = ReleaseJudge()
    var history = EvidenceHistory()
    for index in 0..<40 {
      judge.observe(block: block(300, 5_700, index < 20 ? 0 : 2, 6), at: second(Int64(index)))
      history.add(judge.point(at: second(Int64(index))))
    }
    let plot = EvidencePlot(history: history, settings: judge.settings)
    try expectGolden("evidence.txt", plot.terminal(width: 60) + "\n")
    try expectGolden("evidence.svg", plot.svg)
    #expect(plot.terminal(width: 60).split(separator: "\n").allSatisfy { $0.count <= 80 })
    let empty = EvidencePlot(history: EvidenceHistory(), settings: JudgeSettings())
    #expect(empty.terminal(width: .min) == "no evidence to draw yet")
    #expect(empty.svg.hasSuffix("</svg>\n"))
  }

  @Test func theHistoryStaysBounded() {
    var history = EvidenceHistory()
    for index in 0..<100_000 {
      history.add(.init(seconds: Double(index), againstIt: 0, forIt: 1))
    }
    history.add(.init(seconds: .nan, againstIt: 0, forIt: 1))
    #expect(history.points.count <= EvidenceHistory.limit)
    #expect(history.points.last.map { $0.seconds > 99_000 } == true)
    #expect(zip(history.points, history.points.dropFirst()).allSatisfy { $0.seconds < $1.seconds })
  }

  /// Ten years of seconds in blocks of a day, and numbers as large as they may be.
  @Test func yearsOfHugeCountsStayNumbers() {
    var judge = ReleaseJudge()
    for day in 0..<3_650 {
      judge.observe(
        block: block(1 << 40, 1 << 50, 1 << 30, 1 << 40), at: second(Int64(day) * 86_400))
    }
    let evidence = judge.evidence
    #expect(evidence.logEvidence.isFinite && evidence.promotionLogEvidence.isFinite)
    let verdict = judge.verdict(at: second(3_650 * 86_400))
    guard case .good = verdict else {
      Issue.record("\(verdict)")
      return
    }
    #expect(isClose(evidence.ratioAtLeast, 1, within: 0.11))
  }
}

/// Compares a text with a file of `Tests/Fixtures/analysis`; with `SEGUE_REGENERATE=1` writes it.
func expectGolden(
  _ name: String, _ text: String, at location: SourceLocation = #_sourceLocation
) throws {
  let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures/analysis/\(name)")
  if ProcessInfo.processInfo.environment["SEGUE_REGENERATE"] == "1" {
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
  }
  #expect(try String(contentsOf: file, encoding: .utf8) == text, sourceLocation: location)
}
