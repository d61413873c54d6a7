import SegueModel

/// One strategy played through in time, from the stages that the engine would make of it.
struct StrategyPlan {
  /// A time in which nothing changes.
  private struct Span {
    var seconds: Double
    /// The new release's part of the requests.
    var share: Double
    /// Instances of both releases.
    var running: Int
    /// The old ones among them.
    var old: Int
    /// Copies of this part of the requests go to the new release.
    var copied: Double = 0
    var hold: HoldSpec?
    /// Nobody serves: requests wait.
    var isGap = false
  }

  private let facts: AdviceFacts
  private let strategy: StrategySpec
  private var spans: [Span] = []
  private var keep = 0.0
  private var kept = 0

  private var count: Int { facts.spec.instances }
  private var rate: Double { facts.spec.route == nil ? 0 : facts.requestRate }
  private var badRate: Double { min(1, facts.errorRate * facts.badRatio) }

  init(_ facts: AdviceFacts, _ strategy: StrategySpec) {
    self.facts = facts
    self.strategy = strategy
    var spec = facts.spec
    spec.strategy = strategy
    let release = ServiceRelease(id: "", commit: "", height: 0, spec: spec)
    var before = Stage(name: "", incoming: 0, outgoing: spec.instances, weight: .none)
    for stage in StagePlan.forward(to: release, outgoing: spec.instances) {
      play(stage, after: before)
      before = stage
    }
  }

  private mutating func play(_ stage: Stage, after before: Stage) {
    let full = stage.incoming + before.outgoing
    if stage.incoming > before.incoming {
      spans.append(
        Span(
          seconds: facts.boot.seconds, share: before.weight.fraction, running: full,
          old: before.outgoing, isGap: before.holdLimit != nil))
    }
    if stage.outgoing < before.outgoing {
      if let time = stage.keepOutgoing {
        keep = time.seconds
        kept = before.outgoing - stage.outgoing
      } else {
        spans.append(
          Span(
            seconds: facts.drain.seconds, share: stage.weight.fraction, running: full,
            old: stage.outgoing, isGap: stage.holdLimit != nil))
      }
    }
    guard let hold = stage.hold else { return }
    var copied = 0.0
    if case .mirror(let mirror)? = stage.side { copied = mirror.share.fraction }
    spans.append(
      Span(
        seconds: length(of: hold, share: stage.weight.fraction, copied: copied),
        share: stage.weight.fraction, running: stage.incoming + stage.outgoing,
        old: stage.outgoing, copied: copied, hold: hold))
  }

  /// How long a good release is held.
  private func length(of hold: HoldSpec, share: Double, copied: Double) -> Double {
    switch hold {
    case .time(let span): return span.seconds
    case .promotion: return facts.notice.seconds
    case .verdict(let verdict):
      let time = untilGood(share: share, copied: copied)
      guard time > verdict.maximum.seconds else { return max(time, verdict.minimum.seconds) }
      let isForPerson = verdict.onInsufficient == .hold
      return verdict.maximum.seconds + (isForPerson ? facts.notice.seconds : 0)
    }
  }

  /// Until the judge has evidence enough, however long it may wait.
  private func untilGood(share: Double, copied: Double) -> Double {
    guard rate > 0 else { return .infinity }
    switch strategy {
    // Nobody knows what users will do.
    case .ab(let spec) where spec.goals != nil: return .infinity
    case .shadow(let spec):
      let tolerated = (spec.tolerated ?? ShadowSpec.standardTolerance).fraction
      return Evidence.copiesUntilGood(tolerated: tolerated) / (rate * copied)
    case .ab, .canary, .blueGreen, .rolling, .recreate:
      let needed = Evidence.requestsUntilCleared(
        ratio: facts.badRatio, share: share, errorRate: facts.errorRate)
      return needed / (rate * share)
    }
  }

  // MARK: The advice

  var advice: StrategyAdvice {
    let gap = spans.filter(\.isGap).reduce(0) { $0 + $1.seconds }
    var patience = Double.infinity
    if case .recreate(let knobs) = strategy { patience = knobs.holdLimit.seconds }
    let extra = spans.reduce(keep * Double(kept)) { sum, span in
      sum + span.seconds * Double(max(0, span.running - count))
    }
    let extraTime = Milliseconds(seconds: extra)
    return StrategyAdvice(
      strategy: strategy.name, isJudged: Evidence.isJudged(strategy), impossible: impossible,
      takes: Milliseconds(seconds: spans.reduce(0) { $0 + $1.seconds }),
      endsByPerson: strategy.holds.contains {
        if case .promotion = $0 { true } else { false }
      }, peakExtra: max(0, (spans.map(\.running).max() ?? count) - count), extraTime: extraTime,
      price: facts.cost?.price(of: extraTime), failing: failing, held: rate * gap,
      lost: rate * max(0, gap - patience), cannotCatch: cannotCatch)
  }

  private var impossible: String? {
    if facts.spec.strategy.isExclusive, !strategy.isExclusive {
      return "two releases of it must never run at the same time"
    }
    switch strategy {
    case .canary, .ab, .shadow:
      if facts.spec.sharedAddress != nil {
        return "its instances accept from one socket, where nobody can split or copy requests"
      }
      return facts.spec.route == nil ? "it takes no requests to split or copy" : nil
    case .rolling, .blueGreen, .recreate: return nil
    }
  }

  // MARK: If the release is bad

  private var failing: Double {
    let exposed = Evidence.isJudged(strategy) ? judged() : unjudged()
    return exposed * rate * badRate
  }

  /// The seconds of the whole traffic that a bad release gets before the judge has caught it.
  private func judged() -> Double {
    let needed = Evidence.failingUntilCaught(
      ratio: badRate / max(facts.errorRate, .leastNonzeroMagnitude))
    var seen = 0.0
    var exposed = 0.0
    for span in spans {
      guard case .verdict(let verdict)? = span.hold else {
        exposed += span.seconds * span.share
        continue
      }
      let left = (needed - seen) / max(rate * badRate, .leastNonzeroMagnitude)
      let longest =
        verdict.maximum.seconds * (verdict.onInsufficient == .hold ? 2 : 1) * span.share
      // Caught, or taken back because nobody could say that it is good.
      if left <= longest || verdict.onInsufficient != .promote {
        return exposed + min(left, longest)
      }
      exposed += longest
      seen += longest * rate * badRate
    }
    return exposed + facts.notice.seconds
  }

  /// The same when somebody has to notice, who looks at the service as a whole.
  private func unjudged() -> Double {
    // As much of the traffic makes the whole service fail twice as often.
    let visible = facts.badRatio > 2 ? 1 / (facts.badRatio - 1) : 1
    var patience = facts.notice.seconds
    var exposed = 0.0
    for span in spans {
      if span.copied > 0, copiesShow(span) { return 0 }
      guard span.share >= visible else {
        exposed += span.seconds * span.share
        // Whoever is asked to promote a release looks at it.
        if case .promotion? = span.hold, span.share > 0 { return exposed }
        continue
      }
      let time = min(span.seconds, patience)
      exposed += time * span.share
      patience -= time
      if patience <= 0 { return exposed + wayBack(from: span) }
    }
    let isKept = kept > 0 && keep >= patience
    return exposed + patience + (isKept || strategy.isExclusive ? 0 : facts.boot.seconds)
  }

  /// Old instances that were stopped have to start first; requests stay where they are until then.
  private func wayBack(from span: Span) -> Double {
    span.old >= count ? 0 : facts.boot.seconds * span.share
  }

  /// Enough copies get a worse answer for whoever promotes it to see that.
  private func copiesShow(_ span: Span) -> Bool {
    guard case .promotion? = span.hold else { return false }
    let seen = rate * span.copied * badRate * span.seconds
    return seen >= Evidence.failingUntilCaught(ratio: facts.badRatio)
  }

  private var cannotCatch: String {
    switch strategy {
    case .rolling: "what health checks do not see: it is everywhere before somebody notices"
    case .blueGreen: "what only real traffic shows: all of it moves at once"
    case .canary where Evidence.isJudged(strategy):
      "what takes full load or longer than the holds: leaks, caches, the hourly job"
    case .canary: "what nobody looks at: time alone moves it on"
    case .ab: "harm to those who have the new variant, until somebody ends it"
    case .shadow: "what writing requests do, since they are not copied; and all of it moves at once"
    case .recreate: "anything before all of the traffic is on it; and requests wait meanwhile"
    }
  }
}

extension Milliseconds {
  fileprivate var seconds: Double { Double(count) / 1_000 }

  /// As near as whole milliseconds come; a time that has no end is the longest there is.
  fileprivate init(seconds: Double) {
    self.init(seconds < 1e15 ? Int64((seconds * 1_000).rounded()) : Int64.max / 1_000)
  }
}

extension Permille {
  fileprivate var fraction: Double { Double(value) / 1_000 }
}
