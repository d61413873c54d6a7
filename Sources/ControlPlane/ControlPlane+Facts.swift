public import ControlProtocol
import Ports
import RolloutEngine
import SegueModel

/// What an advice on strategies depends on.
extension ControlPlane {
  public func facts(_ request: FactsRequest) async throws -> [ServiceFacts] {
    try await answering {
      var facts: [ServiceFacts] = []
      for controller in try await self.controllers(request.service, request.environment) {
        if let known = try await self.facts(of: controller) { facts.append(known) }
      }
      guard !facts.isEmpty else {
        throw ControlError(
          .notFound, "nothing is live yet, so there is nothing to measure",
          nextStep: "Deploy with `segue deploy`")
      }
      return facts
    }
  }

  private func facts(of controller: ServiceController) async throws(PortError) -> ServiceFacts? {
    guard let live = await controller.state.live else { return nil }
    var facts = ServiceFacts(
      key: controller.key, spec: live.spec,
      cost: catalogue.record(of: live.id)?.release?.spec.cost,
      traffic: await receipts.traffic(of: controller.key))
    var times = BootTimes()
    for record in try await world.journal.events(of: Streams.service(controller.key), after: 0) {
      try times.note(record)
    }
    facts.boot = times.boot
    facts.drain = times.drain
    return facts
  }
}

/// How long a service's instances took lately to boot and to drain, as its events say.
private struct BootTimes {
  /// How many of the latest count.
  static let limit = 20
  private var boots: [Milliseconds] = []
  private var drains: [Milliseconds] = []
  private var began: [InstanceID: Instant] = [:]

  var boot: Milliseconds? { Self.median(boots) }
  var drain: Milliseconds? { Self.median(drains) }

  mutating func note(_ record: RecordedEvent) throws(PortError) {
    // Most events are of other kinds and need not be decoded.
    guard ["instanceBecameReady", "drainBegan", "instanceDrained"].contains(record.kind) else {
      return
    }
    switch try TypedStream<RolloutEvent>.decode(record).event {
    case .instanceBecameReady(_, let booted): boots = (boots + [booted]).suffix(Self.limit)
    case .drainBegan(let instance, _): began[instance] = record.at
    case .instanceDrained(let instance, _):
      guard let since = began.removeValue(forKey: instance) else { return }
      drains = (drains + [record.at - since]).suffix(Self.limit)
    default: return
    }
  }

  private static func median(_ times: [Milliseconds]) -> Milliseconds? {
    times.isEmpty ? nil : times.sorted()[times.count / 2]
  }
}
