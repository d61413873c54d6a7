public import ControlProtocol
import Ports
import RolloutEngine
public import SegueModel

extension ControlPlane {
  private static let pageSize = 500

  public nonisolated func feed(after sequence: Int64, follow: Bool, commit: CommitID?)
    -> AsyncThrowingStream<FeedItem, any Error>
  {
    Self.stream { yield in
      // Watch first and read afterwards: nothing can fall between the two.
      let live = try await self.feed.subscribe()
      var last = sequence
      var rolling: [ServiceKey: ReleaseID] = [:]
      func pass(_ item: FeedItem) async throws -> Bool {
        guard commit == nil || item.commit == commit else { return false }
        try await yield(item)
        return commit != nil && item.final
      }
      while true {
        let page = try await self.world.journal.events(after: last, limit: Self.pageSize)
        for record in page {
          last = record.sequence
          if let item = try self.item(for: record, rolling: &rolling), try await pass(item) {
            return
          }
        }
        if page.count < Self.pageSize { break }
      }
      guard follow else { return }
      for await item in live where item.level == .output || item.sequence > last {
        if try await pass(item) { return }
      }
    }
  }

  /// What a reader may have before it that it has not read.
  private static let window = 256

  /// A stream fed by a task of its own, which ends when nobody reads any more and waits when the
  /// reader does not keep up.
  private static func stream<Element: Sendable>(
    _ produce:
      @escaping @Sendable (@escaping @Sendable (Element) async throws -> Void) async throws -> Void
  ) -> AsyncThrowingStream<Element, any Error> {
    AsyncThrowingStream(bufferingPolicy: .bufferingOldest(window)) { continuation in
      // unstructured: it ends with its stream, whose end cancels it.
      let task = Task {
        do {
          try await produce { element in
            while case .dropped = continuation.yield(element) {
              try await Task.sleep(for: .milliseconds(5))
            }
          }
          continuation.finish()
        } catch let error as PortError {
          continuation.finish(
            throwing: ControlError(
              .failed, error.what, causes: error.causes, nextStep: error.nextStep))
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  private nonisolated func item(
    for record: RecordedEvent, rolling: inout [ServiceKey: ReleaseID]
  ) throws(PortError) -> FeedItem? {
    let parts = record.stream.rawValue.split(separator: "/").map(String.init)
    switch (parts.first, parts.count) {
    case ("service", 3):
      let key = ServiceKey(environment: .init(parts[1]), service: .init(parts[2]))
      let event = try TypedStream<RolloutEvent>.decode(record)
      if case .rolloutStarted(let start) = event.event { rolling[key] = start.to.id }
      defer { if case .rolloutEnded = event.event { rolling[key] = nil } }
      return FeedText.item(for: event, key: key, during: rolling[key], catalogue: catalogue)
    case ("pipeline", 2):
      let event = try TypedStream<PipelineEvent>.decode(record)
      guard let known = catalogue.record(PipelineID(parts[1])) else { return nil }
      return FeedText.item(for: event, commit: known.acceptance.commit.id)
    case ("target", 2):
      let event = try TypedStream<TargetEvent>.decode(record)
      return FeedText.item(for: event, environment: .init(parts[1]))
    case ("drift", 1):
      return FeedText.item(for: try TypedStream<DriftEvent>.decode(record))
    case ("people", 1):
      return FeedText.item(for: try TypedStream<PeopleEvent>.decode(record), catalogue: catalogue)
    case ("machine", 1):
      return FeedText.item(for: try TypedStream<MachineEvent>.decode(record))
    default:
      return nil
    }
  }

  // MARK: Logs

  public nonisolated func logs(_ request: LogsRequest) -> AsyncThrowingStream<LogLine, any Error> {
    Self.stream { yield in
      if request.step != nil || request.commit != nil {
        try await self.stepLogs(request, yield)
      } else {
        try await self.instanceLogs(request, yield)
      }
    }
  }

  private func stepLogs(_ request: LogsRequest, _ yield: @Sendable (LogLine) async throws -> Void)
    async throws
  {
    guard let record = request.commit.map({ catalogue.find($0) }) ?? catalogue.last else {
      throw ControlError(.notFound, "there is no such commit", nextStep: "See `segue history`")
    }
    let known = record.status.steps.map(\.name)
    if let step = request.step, !known.contains(step) {
      throw ControlError(
        .notFound, "\(record.acceptance.commit.id.short) has no step \(step)",
        nextStep: "Its steps are: \(known.map(\.rawValue).joined(separator: ", "))")
    }
    let live = try await feed.subscribe()
    let directory = "\(settings.stateDirectory)/builds/\(record.acceptance.pipeline)/logs"
    for step in known where request.step == nil || request.step == step {
      let lines = try await LogFile.tail("\(directory)/\(step).log", limit: request.tail)
      for line in lines { try await yield(LogLine(source: step.rawValue, text: line)) }
    }
    guard request.follow, catalogue.record(record.acceptance.pipeline)?.status.state == .running
    else { return }
    let commit = record.acceptance.commit.id
    for await item in live where item.commit == commit {
      if item.level == .output {
        let step = String(item.subject.dropFirst("step ".count))
        if request.step == nil || request.step?.rawValue == step {
          try await yield(LogLine(source: step, text: item.text))
        }
      }
      if catalogue.record(record.acceptance.pipeline)?.status.state != .running { return }
    }
  }

  private func instanceLogs(
    _ request: LogsRequest, _ yield: @Sendable (LogLine) async throws -> Void
  )
    async throws
  {
    var seen: [InstanceID: [String]] = [:]
    var isFirst = true
    repeat {
      for (id, key) in await chosenInstances(request) {
        let limit = isFirst ? request.tail : Self.pageSize
        let lines = try await world.platform.output(of: id, key: key, limit: limit)
        let new = seen[id].map { LogFile.newLines(in: lines, after: $0) } ?? lines
        for line in new { try await yield(LogLine(source: id.rawValue, text: line)) }
        seen[id] = lines.isEmpty ? seen[id] : lines
      }
      isFirst = false
      if request.follow { try await world.time.sleep(for: Milliseconds(300)) }
    } while request.follow && !Task.isCancelled
  }

  private func chosenInstances(_ request: LogsRequest) async -> [(InstanceID, ServiceKey)] {
    var chosen: [(InstanceID, ServiceKey)] = []
    for controller in controllers.values.sorted(by: { $0.key < $1.key })
    where (request.service == nil || controller.key.service == request.service)
      && (request.environment == nil || controller.key.environment == request.environment)
    {
      for instance in await controller.state.orderedInstances
      where request.instance == nil || instance.id == request.instance {
        chosen.append((instance.id, controller.key))
      }
    }
    if chosen.isEmpty, let instance = request.instance {
      // It has stopped; its output is kept for a while, under its own name.
      let key = ServiceKey(
        environment: request.environment ?? "", service: request.service ?? "")
      chosen.append((instance, key))
    }
    return chosen
  }
}
