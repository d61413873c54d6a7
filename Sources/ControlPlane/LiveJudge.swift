import CanaryAnalysis
import RolloutEngine
import SegueModel

/// One rollout under judgement by live traffic: the release that comes against the one that goes.
///
/// A value: what the router has counted, and when, are arguments. It is made anew when the control
/// plane starts anew; the evidence then begins again, and nothing is promoted on half of it.
struct LiveJudge {
  /// Between two looks at the counts.
  static let block = Milliseconds.seconds(1)

  let rollout: RolloutID
  private let canary: ReleaseID
  private let baseline: ReleaseID
  private var judge: ReleaseJudge
  private var sampledAt: Instant?
  /// What the evidence said last.
  private(set) var verdict: CanaryVerdict?

  /// `nil` when there is nothing to compare, or nobody wants it compared.
  init?(_ rollout: Rollout) {
    guard rollout.kind == .deploy, !rollout.isGoingBack, let from = rollout.from,
      let analysis = rollout.to.spec.analysis, !analysis.watch.isEmpty
    else { return nil }
    self.rollout = rollout.id
    canary = rollout.to.id
    baseline = from.id
    judge = ReleaseJudge(settings: JudgeSettings(analysis))
  }

  /// Takes in what the router reports, at most once a second.
  ///
  /// - Returns: the verdict, if this was a look.
  mutating func sample(_ report: ServiceReport?, at now: Instant) -> CanaryVerdict? {
    if let sampledAt, now >= sampledAt, now - sampledAt < Self.block { return nil }
    sampledAt = now
    if let report {
      // A release that has had no request yet has counted none.
      let counters = [canary, baseline].map { release in
        report.versions.first { $0.release == release } ?? VersionCounters(release: release)
      }
      judge.observe(counters, canary: canary, baseline: baseline, at: now)
    } else {
      judge.observe(canary: nil, baseline: nil, at: now)
    }
    let verdict = judge.verdict(at: now)
    self.verdict = verdict
    return verdict
  }
}

extension JudgeSettings {
  init(_ analysis: AnalysisSpec) {
    self.init()
    toleratedRatio = 1 + Double(analysis.tolerance) / 100
    // Promotion rules out what is clearly beyond the tolerated.
    promotionLimit = max(promotionLimit, toleratedRatio * 1.6)
    alpha = Double(analysis.falseAlarms.value) / 1_000
    judgesLatency = analysis.watch.contains(.latency)
    hold = analysis.hold
  }
}
