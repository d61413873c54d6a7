import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

/// Adds up the events of one rollout into its receipt.
struct RolloutAccount {
  let key: ServiceKey
  let events: [Recorded<RolloutEvent>]

  var start: (RolloutStart, Instant)? {
    for record in events {
      if case .rolloutStarted(let start) = record.event { return (start, record.at) }
    }
    return nil
  }

  var end: (outcome: RolloutOutcome, reason: String?, at: Instant)? {
    for record in events.reversed() {
      if case .rolloutEnded(_, let outcome, let reason) = record.event {
        return (outcome, reason, record.at)
      }
    }
    return nil
  }

  func receipt(
    catalogue: ReleaseCatalogue, before: TrafficBaseline?, after: ServiceReport?,
    mirrored: MirrorReport?
  ) -> Receipt? {
    guard let (start, startedAt) = start, let end, let record = catalogue.record(of: start.to.id)
    else { return nil }
    let live = allTrafficAt
    let pushToLive: Milliseconds? =
      end.outcome == .live && start.kind == .deploy
      ? live.map { $0 - record.acceptedAt } : nil
    let during = after.map {
      ReceiptKeeper.difference(
        ReceiptKeeper.latency(of: $0.versions),
        ReceiptKeeper.latency(of: before?.versions ?? []))
    }
    var receipt = Receipt(
      number: 0, outcome: Self.outcome(end.outcome), reason: end.reason,
      commit: record.status.commit,
      rollout: start.id, key: key, strategy: start.to.spec.strategy.name, from: start.from?.id,
      to: start.to.id, startedBy: start.requestedBy, startedAt: startedAt, endedAt: end.at,
      steps: Receipt.steps(of: record), phases: phases(until: end.at),
      traffic: Self.traffic(before?.versions ?? [], after?.versions ?? []),
      unavailable: Self.since(after?.unavailable ?? 0, before?.unavailable ?? 0), cut: cut,
      latency: during.flatMap(Self.line), steadyLatency: (before?.steady).flatMap(Self.line),
      extraInstanceTime: extraInstanceTime,
      pushToLive: pushToLive,
      overhead: pushToLive.map {
        max(.zero, $0 - record.stepTime - applicationTime - wantedTime(until: live ?? end.at))
      },
      previous: "", hash: "")
    if start.kind == .rollback { receipt.kind = start.kind.rawValue }
    receipt.request = start.reason
    let passed = record.gates?.answers.filter { $0.verdict == .pass }.map(\.gate) ?? []
    receipt.gates = passed.isEmpty ? nil : passed
    receipt.excused = record.gates?.excused
    receipt.signedBy = record.signedBy
    receipt.drained = drained
    receipt.pauses = pauses(until: end.at)
    receipt.migrations = migrations
    receipt.held = Self.held(before?.held, after?.held)
    receipt.mirror = Self.mirror(of: start.to.id, before?.mirrored, mirrored)
    receipt.copies = Trial.line(of: receipt.mirror, for: start.to.spec.strategy)
    receipt.experiment = LiveExperiment(start.id, from: start.from, to: start.to).flatMap {
      start.kind == .deploy ? line(of: $0, after?.experiment, at: end.at) : nil
    }
    let price = record.release?.spec.cost
    receipt.cost = price.map { Receipt.CostLine($0, for: receipt.extraInstanceTime) }
    receipt.warm = warm(price)
    receipt.contractDue = contractDue
    receipt.uncounted = start.to.spec.sharedAddress.map { address in
      "No request was counted: instances accept from one socket at \(address), with no proxy on the "
        + "path, so that requests are not split between releases either."
    }
    return receipt
  }

  private static func outcome(_ outcome: RolloutOutcome) -> Receipt.Outcome {
    switch outcome {
    case .live: .live
    case .rolledBack: .rolledBack
    case .aborted: .aborted
    case .superseded: .superseded
    case .incident: .incident
    }
  }

  /// When the router acknowledged that everything goes to the new release.
  private var allTrafficAt: Instant? {
    guard let (start, _) = start else { return nil }
    var proposed: Generation?
    for record in events {
      switch record.event {
      case .tableProposed(let table, _):
        let complete = table.versions.allSatisfy { $0.release == start.to.id }
        proposed = complete && !table.versions.isEmpty ? table.generation : nil
      case .tableAcknowledged(let generation) where generation == proposed:
        return record.at
      default:
        continue
      }
    }
    // A worker takes no traffic: it is live when the last stage began to retire the old one.
    return events.last { $0.event == .retiringBegan }?.at
  }

  /// Time the application itself took: per stage, its slowest boot, and its slowest stop.
  private var applicationTime: Milliseconds {
    var total = Milliseconds.zero
    var boot = Milliseconds.zero
    var stops: [InstanceID: Instant] = [:]
    var stop = Milliseconds.zero
    for record in events {
      switch record.event {
      case .instanceBecameReady(_, let booted): boot = max(boot, booted)
      case .stopOrdered(let id, _): stops[id] = record.at
      case .instanceStopped(let id, _):
        if let ordered = stops[id] { stop = max(stop, record.at - ordered) }
      case .stageEntered, .rolloutEnded:
        let isLast = if case .rolloutEnded = record.event { true } else { false }
        total = total + boot + (isLast ? .zero : stop)
        (boot, stop) = (.zero, .zero)
      default: continue
      }
    }
    return total
  }

  /// Time that the spec or a person asked for: holds, pauses, and the change of the database before
  /// the first instance.
  private func wantedTime(until live: Instant) -> Milliseconds {
    var (holds, isPaused, expands) = (false, false, false)
    var since: Instant?
    var total = Milliseconds.zero
    for record in events where record.at <= live {
      switch record.event {
      case .holdBegan: holds = true
      case .holdEnded: holds = false
      case .rolloutPaused: isPaused = true
      case .rolloutResumed: isPaused = false
      case .migrationOrdered(_, .expand, _, _): expands = true
      case .migrationFinished(_, .expand, _, _): expands = false
      default: continue
      }
      if holds || isPaused || expands {
        since = since ?? record.at
      } else if let begun = since {
        total = total + (record.at - begun)
        since = nil
      }
    }
    return total
  }

  private static func traffic(_ before: [VersionCounters], _ after: [VersionCounters])
    -> [Receipt.VersionTraffic]
  {
    after.map { version in
      let earlier = before.first { $0.release == version.release }
      return Receipt.VersionTraffic(
        release: version.release,
        responses: ReceiptKeeper.difference(version.responses, earlier?.responses ?? []),
        failed: since(version.failed, earlier?.failed ?? 0),
        retried: since(version.retried, earlier?.retried ?? 0))
    }.filter { $0.responses.contains { $0 > 0 } || $0.failed > 0 }
  }

  static func since(_ now: UInt64, _ before: UInt64) -> UInt64 {
    now >= before ? now - before : now
  }

  private static func line(_ counts: [UInt64]) -> Receipt.LatencyLine? {
    guard let p50 = LatencyHistogram.quantile(0.5, of: counts),
      let p99 = LatencyHistogram.quantile(0.99, of: counts),
      let p999 = LatencyHistogram.quantile(0.999, of: counts)
    else { return nil }
    return Receipt.LatencyLine(p50: p50, p99: p99, p999: p999)
  }
}
