import CanaryAnalysis
import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

/// One rollout under judgement by live traffic: the release that comes against the one that goes.
///
/// A value: what the router has counted, and when, are arguments. It is made anew when the control
/// plane starts anew; the evidence then begins again, and nothing is promoted on half of it.
struct LiveJudge {
  let rollout: RolloutID
  let settings: JudgeSettings
  /// The one that is judged.
  let release: ReleaseID
  private let baseline: ReleaseID
  private var judge: ReleaseJudge
  private var history = EvidenceHistory()
  private var bounds: [String: BoundWatch] = [:]
  /// Decides in place of the tests, if the user wants that.
  private var scores: ScoreJudge?
  /// What the evidence said last.
  private(set) var verdict: CanaryVerdict?

  /// `nil` when there is nothing to compare, or nobody wants it compared.
  ///
  /// - Parameters:
  ///   - blocks: of the service, second by second, from before the rollout.
  ///   - answered: what the instances of the release that goes have answered.
  init?(
    _ rollout: Rollout, after blocks: [TrafficHistory.Count], answered: [TrafficHistory.Count]
  ) {
    guard rollout.kind == .deploy, !rollout.isGoingBack, let from = rollout.from,
      let analysis = rollout.to.spec.analysis, analysis.judges
    else { return nil }
    self.rollout = rollout.id
    release = rollout.to.id
    baseline = from.id
    var settings = JudgeSettings(analysis)
    settings.calibrate(
      by: Calibration(TrafficHistory(blocks: blocks, instances: answered)),
      instances: (rollout.to.spec.instances, from.spec.instances))
    self.settings = settings
    judge = ReleaseJudge(settings: settings)
    scores = analysis.score.map { ScoreJudge($0, analysis) }
    for metric in analysis.metrics ?? [] {
      bounds[metric.name] = metric.bound.map { BoundWatch($0, every: metric.interval) }
    }
  }

  /// Takes in what the router reports; `nil`: it says nothing of the service.
  mutating func sample(_ report: ServiceReport?, at now: Instant) -> CanaryVerdict {
    if let report {
      // A release that has had no request yet has counted none.
      let counters = [release, baseline].map { id in
        report.versions.first { $0.release == id } ?? VersionCounters(release: id)
      }
      judge.observe(counters, canary: release, baseline: baseline, at: now)
      let (own, other) = (CumulativeCounts(counters[0]), CumulativeCounts(counters[1]))
      scores?.observe(canary: own, baseline: other, at: now)
    } else {
      judge.noData("the router says nothing of the service")
    }
    history.add(judge.point(at: now))
    let verdict = judge.verdict(at: now)
    self.verdict = verdict
    scoring = scores.map { ($0.answer(at: now), $0.description) }
    return verdict
  }

  /// What the score says, where one decides.
  private(set) var scoring: (answer: ScoreJudge.Answer, sentence: String)?

  /// Takes in what a watched metric was, of the release that is judged and of the other.
  mutating func observe(_ metric: String, _ own: MetricReading, _ other: MetricReading) {
    guard bounds[metric] == nil else {
      bounds[metric]?.take(own)
      return
    }
    switch (own, other) {
    case (.noData(let reason), _): judge.noData("the new release: \(reason)", metric: metric)
    case (_, .noData(let reason)): judge.noData("the old release: \(reason)", metric: metric)
    case (.value(let own), .value(let other)):
      judge.observe(metric: metric, .values(canary: own, baseline: other))
      scores?.observe(metric: metric, canary: own, baseline: other)
    case (.counts(let events, let bad), .counts(let eventsBefore, let badBefore)):
      if events > 0, eventsBefore > 0 {
        scores?.observe(
          metric: metric, canary: Double(bad) / Double(events),
          baseline: Double(badBefore) / Double(eventsBefore))
      }
      judge.observe(
        metric: metric,
        .rate(
          PairedCounts(
            canaryRequests: events, canaryErrors: bad, baselineRequests: eventsBefore,
            baselineErrors: badBefore)))
    case (.counts, _), (.value, _), (.histogram, _):
      judge.noData("the two releases gave different kinds of answers", metric: metric)
    }
  }

  /// The bound that the release has broken too often, in a sentence.
  var brokenBound: String? {
    bounds.sorted { $0.key < $1.key }.lazy.compactMap { name, bound in
      bound.isBroken ? "\(name) is \(bound.latest), and \(bound.rule)" : nil
    }.first
  }

  /// Why the release cannot be good yet, though nothing speaks against it.
  var unknownBound: String? {
    bounds.sorted { $0.key < $1.key }.lazy.compactMap { name, bound in
      bound.isKept ? nil : "\(name): \(bound.latest)"
    }.first
  }

  /// For the receipt.
  var line: JudgementLine? {
    guard let verdict else { return nil }
    var line = JudgementLine(verdict, history, settings)
    if let scoring {
      line.sentence = scoring.sentence
      line.answer =
        switch scoring.answer {
        case .good: .good
        case .bad: .bad
        case .open: .notEnoughEvidence
        }
    }
    return line
  }
}

extension ScoreJudge {
  init(_ score: ScoreSpec, _ analysis: AnalysisSpec) {
    self.init(
      KayentaJudge(passAt: Double(score.pass), marginalAt: Double(score.marginal)),
      interval: score.interval, minimum: analysis.hold.minimum,
      errors: analysis.watch.contains(.errors), latency: analysis.watch.contains(.latency),
      metrics: (analysis.metrics ?? []).filter { $0.bound == nil }.map { metric in
        let falls = metric.worse == .lower && !metric.source.isRate
        return (metric.name, falls ? .decrease : .increase)
      })
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
    metrics = (analysis.metrics ?? []).filter { $0.bound == nil }.map { metric in
      let tolerated = Double(metric.tolerance) / 100
      return WatchedMetric(
        name: metric.name,
        kind: metric.source.isRate
          ? .rate(toleratedRatio: 1 + tolerated)
          : .value(
            worse: metric.worse == .higher ? .higher : .lower, toleratedChange: tolerated))
    }
    hold = analysis.hold
  }
}

extension JudgementLine {
  fileprivate init(
    _ verdict: CanaryVerdict, _ history: EvidenceHistory, _ settings: JudgeSettings
  ) {
    let report = VerdictReport(verdict)
    let plot = EvidencePlot(history: history, settings: settings)
    let stride = max(1, (history.points.count - 1) / (Self.pointLimit - 1) + 1)
    let kept = history.points.enumerated().filter { index, _ in
      index % stride == 0 || index == history.points.count - 1
    }.map(\.element)
    self.init(
      answer: Answer(rawValue: report.answer.rawValue) ?? .notEnoughEvidence,
      sentence: report.sentence, requests: report.counts.canaryRequests,
      errors: report.counts.canaryErrors, requestsBefore: report.counts.baselineRequests,
      errorsBefore: report.counts.baselineErrors, ratio: report.ratio,
      ratioAtLeast: report.ratioAtLeast, ratioAtMost: report.ratioAtMost, chance: report.chance,
      requestsStillNeeded: report.requestsStillNeeded,
      points: kept.suffix(Self.pointLimit).map { point in
        Point(
          after: Self.whole(point.seconds * 1_000),
          against: Self.whole(point.againstIt / plot.badAt * 1_000),
          inFavour: Self.whole(point.forIt / plot.goodAt * 1_000))
      })
  }

  private static func whole(_ value: Double) -> Int64 {
    value.isNaN ? 0 : Int64(min(max(value.rounded(), -1e12), 1e12))
  }
}
