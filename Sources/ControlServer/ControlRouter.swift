internal import ControlProtocol
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import SegueModel

/// Maps paths to the API's methods.
struct ControlRouter: Sendable {
  let api: any ControlAPI
  let configuration: ControlServer.Configuration
  let streams: StreamSlots
  let logger: Logger

  init(api: any ControlAPI, configuration: ControlServer.Configuration, logger: Logger) {
    self.api = api
    self.configuration = configuration
    self.logger = logger
    streams = StreamSlots(limit: configuration.maximumStreams)
  }

  func build() -> Router<ControlContext> {
    let router = Router(context: ControlContext.self)
    router.add(middleware: ControlMiddleware(logger: logger))
    addQuestions(router)
    addCommands(router)
    addStreams(router)
    addPeople(router)
    return router
  }

  private func addQuestions(_ router: Router<ControlContext>) {
    router.get(RouterPath(ControlWire.Path.status)) { _, _ in
      try Self.json(try await api.status())
    }
    router.get(RouterPath(ControlWire.Path.history)) { request, _ in
      try Self.json(try await api.history(limit: Query(request).integer("limit", default: 20)))
    }
    router.get(RouterPath(ControlWire.Path.receipt)) { request, _ in
      let rollout = Query(request).text("rollout").map { RolloutID($0) }
      return try Self.json(try await api.receipt(rollout))
    }
    router.get(RouterPath(ControlWire.Path.explain)) { request, _ in
      try Self.json(try await api.explain(Query(request).text("subject")))
    }
    router.get(RouterPath(ControlWire.Path.gates)) { request, _ in
      try Self.json(try await api.gates(Query(request).text("subject")))
    }
    router.get(RouterPath(ControlWire.Path.experiment)) { request, _ in
      let query = Query(request)
      return try Self.json(
        try await api.experiment(
          ExperimentRequest(
            service: query.text("service").map { ServiceName($0) },
            environment: query.text("environment").map { EnvironmentName($0) })))
    }
    router.get(RouterPath(ControlWire.Path.tests)) { request, _ in
      let query = Query(request)
      let name = query.text("question") ?? ""
      guard let question = TestsRequest.Question(rawValue: name) else {
        throw ControlError(.invalid, "tests are not asked for by \"\(name)\"")
      }
      return try Self.json(
        try await api.tests(
          TestsRequest(question: question, limit: try query.integer("limit", default: 20))))
    }
    router.get(RouterPath(ControlWire.Path.testDurations)) { request, _ in
      try Self.json(
        try await api.testDurations(
          DurationsRequest(limit: try Query(request).integer("limit", default: 20))))
    }
    router.get(RouterPath(ControlWire.Path.testTimes)) { _, _ in
      try Self.json(try await api.testTimes())
    }
    router.get(RouterPath(ControlWire.Path.facts)) { request, _ in
      let query = Query(request)
      return try Self.json(
        try await api.facts(
          FactsRequest(
            service: query.text("service").map { ServiceName($0) },
            environment: query.text("environment").map { EnvironmentName($0) })))
    }
    router.get(RouterPath(ControlWire.Path.diagnose)) { _, _ in
      try Self.json(try await api.diagnose())
    }
  }

  private func addCommands(_ router: Router<ControlContext>) {
    router.post(RouterPath(ControlWire.Path.deploy)) { request, _ in
      try Self.json(try await api.deploy(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.rollback)) { request, _ in
      try Self.json(try await api.rollback(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.abort)) { request, _ in
      try Self.json(try await api.abort(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.pause)) { request, _ in
      try Self.json(try await api.pause(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.resume)) { request, _ in
      try Self.json(try await api.resume(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.promote)) { request, _ in
      try Self.json(try await api.promote(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.promoteRelease)) { request, _ in
      try Self.json(try await api.promoteRelease(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.goal)) { request, _ in
      try Self.json(try await api.reach(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.pushed)) { request, _ in
      try Self.json(try await api.pushed(try await body(of: request)))
    }
  }

  private func addPeople(_ router: Router<ControlContext>) {
    router.post(RouterPath(ControlWire.Path.freeze)) { request, _ in
      try Self.json(try await api.freeze(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.lift)) { request, _ in
      try Self.json(try await api.lift(try await body(of: request)))
    }
    router.post(RouterPath(ControlWire.Path.approve)) { request, _ in
      try Self.json(try await api.approve(try await body(of: request)))
    }
    router.get(RouterPath(ControlWire.Path.calendar)) { request, _ in
      let environment = Query(request).text("environment").map { EnvironmentName($0) }
      return try Self.json(try await api.calendar(environment))
    }
    router.get(RouterPath(ControlWire.Path.calendarFeed)) { request, _ in
      let environment = Query(request).text("environment").map { EnvironmentName($0) }
      let text = try await api.calendarFeed(environment)
      return Response(
        status: .ok, headers: [.contentType: "text/calendar; charset=utf-8"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
  }

  private func addStreams(_ router: Router<ControlContext>) {
    router.get(RouterPath(ControlWire.Path.feed)) { request, context in
      let query = Query(request)
      let after = try Int64(query.integer("after", default: 0))
      let follow = try query.flag("follow")
      let commit = query.text("commit").map { CommitID($0) }
      return try stream(on: context.channel, id: { "\($0.sequence)" }) {
        api.feed(after: after, follow: follow, commit: commit)
      }
    }
    router.get(RouterPath(ControlWire.Path.logs)) { request, context in
      let query = Query(request)
      let wanted = LogsRequest(
        step: query.text("step").map { StepName($0) }, commit: query.text("commit"),
        service: query.text("service").map { ServiceName($0) },
        environment: query.text("environment").map { EnvironmentName($0) },
        instance: query.text("instance").map { InstanceID($0) },
        tail: try query.integer("tail", default: 100), follow: try query.flag("follow"))
      return try stream(on: context.channel, id: { _ in nil }) { api.logs(wanted) }
    }
  }

  private func stream<Element: Encodable & Sendable>(
    on channel: any Channel,
    id: @escaping @Sendable (Element) -> String?,
    source: @escaping @Sendable () -> AsyncThrowingStream<Element, any Error>
  ) throws -> Response {
    let slot = try streams.take()
    let pump = EventPump(
      heartbeat: configuration.heartbeat, window: configuration.window,
      patience: configuration.patience, id: id, source: source)
    let body = ResponseBody { writer in
      // The closure owns the slot: it is free again when the stream ends, or is never begun.
      defer { withExtendedLifetime(slot) {} }
      try await pump.run(into: &writer) { channel.close(promise: nil) }
    }
    return Response(
      status: .ok,
      headers: [.contentType: "text/event-stream", .cacheControl: "no-store"], body: body)
  }

  private func body<Value: Decodable>(of request: Request) async throws -> Value {
    var request = request
    let buffer: ByteBuffer
    do {
      buffer = try await request.collectBody(upTo: configuration.maximumBody)
    } catch let error as any HTTPResponseError where error.status == .contentTooLarge {
      throw ControlError(
        .invalid, "the request is larger than \(configuration.maximumBody) bytes")
    }
    do {
      return try JSONDecoder().decode(Value.self, from: Data(buffer.readableBytesView))
    } catch let error as DecodingError {
      throw ControlError(.invalid, "the request is not as expected", causes: ["\(error)"])
    }
  }

  /// Sorted keys: the same answer is the same bytes.
  static func encode(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
  }

  static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: try encode(value))))
  }
}

/// What a request's handler knows beside the request.
struct ControlContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  /// The connection, to end it under a reader that takes nothing.
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
  }
}

/// The parameters of a request's address.
private struct Query {
  let parameters: FlatDictionary<Substring, Substring>

  init(_ request: Request) { parameters = request.uri.queryParameters }

  /// `nil` also for an empty value: no name in the API is empty.
  func text(_ name: String) -> String? {
    guard let value = parameters[Substring(name)], !value.isEmpty else { return nil }
    return String(value)
  }

  func integer(_ name: String, default standard: Int) throws(ControlError) -> Int {
    guard let text = text(name) else { return standard }
    guard let number = Int(text), number >= 0 else {
      throw ControlError(.invalid, "\(name) must be a whole number from 0, not \"\(text)\"")
    }
    return number
  }

  func flag(_ name: String) throws(ControlError) -> Bool {
    switch text(name) {
    case nil, "false": return false
    case "true": return true
    case .some(let text):
      throw ControlError(.invalid, "\(name) must be true or false, not \"\(text)\"")
    }
  }
}
