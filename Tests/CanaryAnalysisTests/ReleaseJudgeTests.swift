import CanaryAnalysis
import SegueModel
import Testing

@Suite struct ReleaseJudgeTests {
  private func second(_ seconds: Int64) -> Instant { Instant(milliseconds: seconds * 1_000) }

  /// A judge that was fed so many equal blocks of one second.
  private func judge(
    _ blocks: Int, of block: PairedCounts, settings: JudgeSettings = JudgeSettings()
  ) -> ReleaseJudge {
    var judge = ReleaseJudge(settings: settings)
    for index in 0...blocks {
      let times = UInt64(index)
      judge.observe(
        canary: .init(requests: block.canaryRequests * times, errors: block.canaryErrors * times),
        baseline: .init(
          requests: block.baselineRequests * times, errors: block.baselineErrors * times),
        at: second(Int64(index)))
    }
    return judge
  }

  @Test func silenceIsNeverGood() {
    let empty = ReleaseJudge()
    #expect(
      empty.verdict(at: second(9_999)) == .notEnoughEvidence(empty.evidence, yet: .requests))
    let idle = judge(100, of: block(0, 100, 0, 1))
    #expect(idle.verdict(at: second(100)) == .notEnoughEvidence(idle.evidence, yet: .requests))
    var comparing = JudgeSettings()
    comparing.negligibleErrorRate = 0
    let flawless = judge(100, of: block(50, 100, 0, 0), settings: comparing)
    #expect(
      flawless.verdict(at: second(100)) == .notEnoughEvidence(flawless.evidence, yet: .errors))
    let quick = judge(3, of: block(50, 950, 0, 1))
    #expect(quick.verdict(at: second(3)) == .notEnoughEvidence(quick.evidence, yet: .evidence))
  }

  @Test func goodWaitsForTheMinimumHold() {
    var settings = JudgeSettings()
    settings.hold = VerdictHold(minimum: .seconds(60))
    let judge = judge(40, of: block(300, 5_700, 0, 6), settings: settings)
    #expect(judge.verdict(at: second(40)) == .notEnoughEvidence(judge.evidence, yet: .hold))
    #expect(judge.verdict(at: second(60)) == .good(judge.evidence))
    #expect(judge.verdict(at: second(-5)) == .notEnoughEvidence(judge.evidence, yet: .hold))
  }

  @Test func badCountsAtOnce() {
    let judge = judge(10, of: block(128, 3_730, 2, 4))
    #expect(judge.verdict(at: second(10)) == .bad(judge.evidence, because: [.errors]))
  }

  @Test func aSlowCanaryIsBad() {
    var judge = ReleaseJudge()
    var outcome = CanaryVerdict.good(judge.evidence)
    for index in 0...60 {
      var canary = Array(repeating: UInt64(0), count: LatencyHistogram.bucketCount)
      var baseline = canary
      canary[LatencyHistogram.bucket(microseconds: 40_000)] = UInt64(index) * 50
      baseline[LatencyHistogram.bucket(microseconds: 20_000)] = UInt64(index) * 950
      judge.observe(
        canary: .init(requests: UInt64(index) * 50, errors: 0, latency: canary),
        baseline: .init(requests: UInt64(index) * 950, errors: 0, latency: baseline),
        at: second(Int64(index)))
      outcome = judge.verdict(at: second(Int64(index)))
    }
    #expect(outcome == .bad(judge.evidence, because: [.latency]))
    #expect(outcome.description.contains("too many slow requests beyond "))
  }

  @Test func readsWhatTheProxyReports() {
    let versions = [
      VersionCounters(release: "r-1", responses: [0, 5, 1, 1, 2], failed: 3),
      VersionCounters(release: "r-2", responses: [], failed: 0),
    ]
    #expect(CumulativeCounts(versions[0]) == CumulativeCounts(requests: 12, errors: 5))
    #expect(CumulativeCounts(versions[1]) == CumulativeCounts(requests: 0, errors: 0))
    var judge = ReleaseJudge()
    #expect(
      judge.observe(versions, canary: "r-2", baseline: "r-1", at: second(0)) == .began)
    #expect(
      judge.observe(versions, canary: "r-3", baseline: "r-1", at: second(1))
        == .refused(.canaryMissing))
    #expect(
      judge.observe(versions, canary: "r-2", baseline: "r-3", at: second(1))
        == .refused(.baselineMissing))
  }

  @Test func refusesWhatCannotBeBelieved() {
    func counts(_ requests: UInt64, _ errors: UInt64) -> CumulativeCounts {
      .init(requests: requests, errors: errors)
    }
    let cases: [(CumulativeCounts, CumulativeCounts, Int64, RefusedReport)] = [
      (counts(90, 1), counts(100, 1), 11, .countersDecreased),
      (counts(110, 0), counts(110, 1), 11, .countersDecreased),
      (counts(110, 1), counts(99, 1), 11, .countersDecreased),
      (counts(110, 1), counts(110, 1), 10, .noTimePassed),
      (counts(110, 1), counts(110, 1), 9, .clockWentBack),
      (counts(110, 1), counts(110, 1), 10_000, .blockTooLong(.seconds(9_990))),
      (counts(110, 111), counts(110, 1), 11, .moreErrorsThanRequests),
      (counts(101, 3), counts(110, 1), 11, .moreErrorsThanRequests),
      (counts(.max, 1), counts(110, 1), 11, .impossibleCount),
      (.init(requests: 110, errors: 1, latency: [.max]), counts(110, 1), 11, .impossibleCount),
    ]
    for (canary, baseline, moment, reason) in cases {
      var judge = ReleaseJudge()
      judge.observe(canary: counts(100, 1), baseline: counts(100, 1), at: second(10))
      let outcome = judge.observe(canary: canary, baseline: baseline, at: second(moment))
      #expect(outcome == .refused(reason), "\(reason)")
      #expect(judge.evidence.counts == PairedCounts())
      #expect(judge.evidence.refusedBlocks == 1)
      let verdict = judge.verdict(at: second(99_999))
      guard case .notEnoughEvidence(_, yet: .data(reason)) = verdict else {
        Issue.record("a verdict from \(reason)")
        continue
      }
    }
  }

  @Test func countsOnAfterARestart() {
    var judge = ReleaseJudge()
    let many = CumulativeCounts(requests: 1_000, errors: 10, latency: [0, 5])
    judge.observe(canary: many, baseline: many, at: second(0))
    let few = CumulativeCounts(requests: 3, errors: 1, latency: [0, 3])
    #expect(
      judge.observe(canary: few, baseline: many, at: second(1)) == .refused(.countersDecreased))
    let more = CumulativeCounts(requests: 10, errors: 2, latency: [4, 3])
    #expect(
      judge.observe(canary: more, baseline: many, at: second(2)) == .counted(block(7, 0, 1, 0)))
    let shorter = CumulativeCounts(requests: 10, errors: 2, latency: [4])
    #expect(
      judge.observe(canary: shorter, baseline: many, at: second(3)) == .refused(.countersDecreased))
  }

  @Test func aClockAtItsEndsIsNoTrap() {
    var judge = ReleaseJudge()
    let counts = CumulativeCounts(requests: 1, errors: 0)
    judge.observe(canary: counts, baseline: counts, at: Instant(milliseconds: .min))
    let outcome = judge.observe(canary: counts, baseline: counts, at: Instant(milliseconds: .max))
    guard case .refused(.blockTooLong) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    guard case .notEnoughEvidence = judge.verdict(at: Instant(milliseconds: .max)) else {
      Issue.record("a verdict")
      return
    }
  }

  @Test func saysWhatFollows() {
    var settings = JudgeSettings()
    let evidence = ReleaseJudge().evidence
    settings.hold = VerdictHold(minimum: .seconds(10), maximum: .seconds(60))
    let open = CanaryVerdict.notEnoughEvidence(evidence, yet: .evidence)
    #expect(
      settings.consequence(of: .bad(evidence, because: [.errors]), after: .zero) == .rollBack)
    #expect(settings.consequence(of: .good(evidence), after: .seconds(9)) == .wait)
    #expect(settings.consequence(of: .good(evidence), after: .seconds(10)) == .promote)
    #expect(settings.consequence(of: open, after: .seconds(59)) == .wait)
    #expect(settings.consequence(of: open, after: .seconds(60)) == .askSomebody)
    settings.hold.onInsufficient = .promote
    #expect(settings.consequence(of: open, after: .seconds(60)) == .promote)
    settings.hold.onInsufficient = .rollBack
    #expect(settings.consequence(of: open, after: .seconds(60)) == .rollBack)
  }

  @Test func explainsItself() {
    let bad = judge(1, of: block(1_280, 37_300, 12, 41)).verdict(at: second(1))
    #expect(
      bad.description.hasPrefix(
        "canary 0.94 % errors, baseline 0.11 %, 12 of 1,280 against 41 of 37,300; chance of this "
          + "under the tolerated ratio 1.25 at most 1 in "))
    #expect(bad.description.hasSuffix(" failing requests were needed"))
    let good = judge(40, of: block(300, 5_700, 0, 6)).verdict(at: second(40))
    #expect(
      good.description == "canary 0 % errors, baseline 0.11 %, 0 of 12,000 against 240 of 228,000; "
        + "2 times the errors of the baseline and 0.1 % errors, or more, is ruled out: chance to be "
        + "wrong at most 1 in 20")
    let open = judge(3, of: block(50, 950, 0, 1)).verdict(at: second(3))
    #expect(
      open.description == "canary 0 % errors, baseline 0.11 %, 0 of 150 against 3 of 2,850; not "
        + "enough evidence yet: about 10,000 more canary requests are needed")
    #expect(
      ReleaseJudge().verdict(at: second(0)).description == "canary idle, baseline idle, 0 of 0 "
        + "against 0 of 0; not enough evidence yet: the canary has had no requests")
  }
}
