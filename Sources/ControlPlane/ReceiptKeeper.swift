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
  /// What each service had counted, every few seconds: for "steady" beside "during", and for the rate.
  private var samples: [ServiceKey: [Sample]] = [:]
  /// The latest comparison of copied requests: the router forgets it once no copies are made.
  private var mirrors: [ServiceKey: MirrorReport] = [:]

  private let judgements: JudgementBoard
  private let people: PeopleKeeper
  private let board: TargetBoard

  private struct Sample {
    var at: Instant
    var latency: [UInt64]
    var requests: UInt64
    /// Answered 5xx, or not answered.
    var failures: UInt64

    init(_ report: ServiceReport, at now: Instant) {
      at = now
      latency = ReceiptKeeper.latency(of: report.versions)
      requests = report.versions.reduce(report.unavailable) { $0 + $1.requests }
      failures = report.versions.reduce(report.unavailable) { sum, version in
        sum + version.failed + (version.responses.count > 4 ? version.responses[4] : 0)
      }
    }
  }

  /// How many receipts are kept in memory; the journal keeps all.
  static let limit = 1_000
  static let sampleInterval = Milliseconds.seconds(5)
  static let steadyTime = Milliseconds.minutes(5)
  /// A rate over less time is chance.
  static let shortestRate = Milliseconds.seconds(20)

  init(
    world: Dependencies, catalogue: ReleaseCatalogue, judgements: JudgementBoard,
    people: PeopleKeeper, board: TargetBoard
  ) {
    self.judgements = judgements
    self.people = people
    self.board = board
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
      if let mirror = report.mirrored { mirrors[report.key] = mirror }
      var list = samples[report.key] ?? []
      if let last = list.last, now - last.at < Self.sampleInterval { continue }
      let sample = Sample(report, at: now)
      // A router that was started anew counts from zero: what was before cannot be held against it.
      if let last = list.last, sample.requests < last.requests { list = [] }
      list.append(sample)
      list.removeAll { now - $0.at > Self.steadyTime }
      samples[report.key] = list
    }
  }

  /// What was counted in the last minutes; `nil`: it was not watched for long enough.
  func traffic(of key: ServiceKey) -> ServiceFacts.Traffic? {
    guard let list = samples[key], let first = list.first, let last = list.last,
      last.at - first.at >= Self.shortestRate
    else { return nil }
    return ServiceFacts.Traffic(
      requests: last.requests - first.requests,
      failures: last.failures >= first.failures ? last.failures - first.failures : 0,
      over: last.at - first.at)
  }

  /// What the router has counted before a rollout begins. A router that does not answer means a
  /// receipt without traffic, never a rollout that waits.
  func measure(_ rollout: RolloutID, key: ServiceKey) async {
    guard let reports = try? await world.director.report(),
      let report = reports.first(where: { $0.key == key })
    else { return }
    mirrors[key] = nil
    let now = Self.latency(of: report.versions)
    let before = samples[key]?.first?.latency ?? []
    let baseline = TrafficBaseline(
      versions: report.versions, unavailable: report.unavailable,
      steady: Self.difference(now, before), held: report.held, mirrored: report.mirrored)
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
      var draft = RolloutAccount(key: key, events: account).receipt(
        catalogue: catalogue, before: baseline, after: after,
        mirrored: after?.mirrored ?? mirrors[key])
    else { return }
    draft.judgement = judgements[rollout]
    if let to = draft.to, let release = catalogue.record(of: to)?.release, let papers = world.papers
    {
      let paths = await papers.papers(of: release)
      draft.papers = paths.isEmpty ? nil : paths
    }
    draft.words = await words(of: draft, RolloutAccount(key: key, events: account))
    try await chain(draft)
  }

  /// What people said by which it could start, and what they had it go past.
  private func words(
    of draft: Receipt, _ account: RolloutAccount
  ) async -> [Receipt.WordLine]? {
    var lines = account.overrides
    if draft.kind == nil, let release = draft.to, let environment = draft.key?.environment {
      lines += await people.state.words(
        about: release, of: draft.commit.id, in: environment, until: draft.startedAt,
        isOverridden: board[environment].overridden.contains(draft.commit.id))
    }
    return lines.isEmpty ? nil : lines.sorted { $0.at < $1.at }
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
