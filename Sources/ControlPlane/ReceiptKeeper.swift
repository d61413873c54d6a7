import ControlProtocol
import Crypto
import Logging
import Ports
import RolloutEngine
import SegueModel

/// Issues receipts, each chained to the one before, and keeps what they are computed from.
actor ReceiptKeeper {
  private let world: Dependencies
  private let catalogue: ReleaseCatalogue
  private let gate = SerialGate()
  private var stream: TypedStream<ReceiptEvent>
  private var baselines: [RolloutID: TrafficBaseline] = [:]
  private(set) var issued: [Receipt] = []
  /// Latency counts of each service, one sample every few seconds, for "steady" beside "during".
  private var samples: [ServiceKey: [(at: Instant, latency: [UInt64])]] = [:]

  /// How many receipts are kept in memory; the journal keeps all.
  static let limit = 1_000
  static let sampleInterval = Milliseconds.seconds(5)
  static let steadyTime = Milliseconds.minutes(5)

  init(world: Dependencies, catalogue: ReleaseCatalogue) {
    self.world = world
    self.catalogue = catalogue
    stream = TypedStream(id: Streams.receipts, journal: world.journal)
  }

  func recover() async throws(PortError) {
    var reader = stream
    let history = try await reader.load()
    stream = reader
    for record in history { apply(record.event) }
  }

  private func apply(_ event: ReceiptEvent) {
    switch event {
    case .trafficMeasured(let rollout, let traffic):
      baselines[rollout] = traffic
    case .receiptIssued(let receipt):
      issued.append(receipt)
      if let rollout = receipt.rollout { baselines[rollout] = nil }
      if issued.count > Self.limit { issued.removeFirst() }
    }
  }

  func receipt(of rollout: RolloutID) -> Receipt? { issued.last { $0.rollout == rollout } }

  // MARK: Measuring

  /// Remembers the latency counts now and then, so that a rollout can be held against the time before.
  func sample(_ reports: [ServiceReport]) {
    let now = world.time.now()
    for report in reports {
      var list = samples[report.key] ?? []
      if let last = list.last, now - last.at < Self.sampleInterval { continue }
      list.append((at: now, latency: Self.latency(of: report.versions)))
      list.removeAll { now - $0.at > Self.steadyTime }
      samples[report.key] = list
    }
  }

  /// What the router has counted before a rollout begins. A router that does not answer means a
  /// receipt without traffic, never a rollout that waits.
  func measure(_ rollout: RolloutID, key: ServiceKey) async {
    guard let reports = try? await world.director.report(),
      let report = reports.first(where: { $0.key == key })
    else { return }
    let now = Self.latency(of: report.versions)
    let before = samples[key]?.first?.latency ?? []
    let baseline = TrafficBaseline(
      versions: report.versions, unavailable: report.unavailable,
      steady: Self.difference(now, before))
    do {
      try await append(.trafficMeasured(rollout: rollout, traffic: baseline))
    } catch {
      world.logger.warning("traffic before a rollout is not known", metadata: ["error": "\(error)"])
    }
  }

  static func latency(of versions: [VersionCounters]) -> [UInt64] {
    var sum = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)
    for version in versions {
      for (bucket, count) in version.latency.prefix(sum.count).enumerated() { sum[bucket] += count }
    }
    return sum
  }

  /// What was counted since; a router that was restarted counts from zero again.
  static func difference(_ now: [UInt64], _ before: [UInt64]) -> [UInt64] {
    now.enumerated().map { index, count in
      let earlier = index < before.count ? before[index] : 0
      return count >= earlier ? count - earlier : count
    }
  }

  // MARK: Issuing

  func issue(_ rollout: RolloutID, key: ServiceKey, account: [Recorded<RolloutEvent>])
    async throws(PortError)
  {
    guard receipt(of: rollout) == nil else { return }
    let after = try? await world.director.report().first { $0.key == key }
    let baseline = baselines[rollout]
    guard
      let draft = RolloutAccount(key: key, events: account).receipt(
        catalogue: catalogue, before: baseline, after: after)
    else { return }
    try await chain(draft)
  }

  func issue(refused record: ReleaseCatalogue.Record) async throws(PortError) {
    let status = record.status
    try await chain(
      Receipt(
        number: 0, outcome: .refused, reason: status.reason, commit: status.commit, rollout: nil,
        key: nil, strategy: nil, from: nil, to: nil, startedBy: record.acceptance.requestedBy,
        startedAt: record.acceptedAt, endedAt: status.endedAt ?? world.time.now(),
        steps: Receipt.steps(of: record), phases: [], traffic: [], unavailable: 0, cut: 0,
        latency: nil, steadyLatency: nil, extraInstanceTime: .zero, pushToLive: nil,
        overhead: nil, previous: "", hash: ""))
  }

  private func chain(_ draft: Receipt) async throws(PortError) {
    try await gate.withTurn { () async throws(PortError) in
      var receipt = draft
      receipt.number = (issued.last?.number ?? 0) + 1
      receipt.previous = issued.last?.hash ?? String(repeating: "0", count: 64)
      receipt.hash = try Self.hash(of: receipt)
      try await append(.receiptIssued(receipt: receipt))
    }
  }

  /// SHA-256 of the canonical JSON of the receipt with an empty `hash`.
  static func hash(of receipt: Receipt) throws(PortError) -> String {
    var unsigned = receipt
    unsigned.hash = ""
    do {
      let digest = SHA256.hash(data: try CanonicalJSON.encode(unsigned))
      return digest.map { byte in
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
    } catch {
      throw PortError(
        "a receipt cannot be written", fault: .segue, retry: .never, causes: ["\(error)"])
    }
  }

  private func append(_ event: ReceiptEvent) async throws(PortError) {
    // Two tasks may arrive here at once; the stream's version must not be read twice.
    try await appendGate.withTurn { () async throws(PortError) in
      var writer = stream
      _ = try await writer.append([event], at: world.time.now())
      stream = writer
      apply(event)
    }
  }

  private let appendGate = SerialGate()
}

extension Receipt {
  static func steps(of record: ReleaseCatalogue.Record) -> [StepLine] {
    record.status.steps.map { step in
      StepLine(
        name: step.name, outcome: step.state.rawValue, took: step.took ?? .zero,
        detail: step.detail)
    }
  }
}
