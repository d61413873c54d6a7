internal import AsyncHTTPClient
public import ControlProtocol
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
public import SegueModel

/// The control API over the control plane's Unix socket.
///
/// Every call has a deadline. Streams have none: the server's heartbeats tell a quiet stream from a
/// dead one, and a stream that stops without its end mark is an error, never a quiet end.
public struct ControlClient: ControlAPI {
  private let socketPath: String
  private let http: HTTPClient
  private let deadline: Duration

  /// The longest path that fits into a Unix socket's address on Linux, with its final zero.
  public static let maximumPathLength = 107
  /// Bytes of one answer; a longer one is refused.
  static let maximumAnswer = 32 * 1024 * 1024

  /// - Parameters:
  ///   - deadline: How long one call may take, streams excepted.
  ///   - silence: How long a stream may be without a byte, heartbeats included, before it counts as
  ///     dead. More than twice the server's heartbeat.
  public init(
    socketPath: String, deadline: Duration = .seconds(30), silence: Duration = .seconds(45)
  ) {
    self.socketPath = socketPath
    self.deadline = deadline
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(5), read: TimeAmount(silence)))
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  /// Closes every connection. Required before the last copy goes.
  public func shutdown() async { try? await http.shutdown() }

  /// Runs `body` with a client that is shut down afterwards, whatever happens.
  public static func with<Result: Sendable>(
    socketPath: String, _ body: (ControlClient) async throws -> Result
  ) async throws -> Result {
    let client = ControlClient(socketPath: socketPath)
    do {
      let result = try await body(client)
      await client.shutdown()
      return result
    } catch {
      await client.shutdown()
      throw error
    }
  }

  public func status() async throws -> StatusReply { try await get(ControlWire.Path.status) }

  public func deploy(_ request: DeployRequest) async throws -> DeployReply {
    try await post(request, to: ControlWire.Path.deploy)
  }

  public func rollback(_ request: RollbackRequest) async throws -> RolloutReply {
    try await post(request, to: ControlWire.Path.rollback)
  }

  public func abort(_ request: AbortRequest) async throws -> RolloutReply {
    try await post(request, to: ControlWire.Path.abort)
  }

  public func pause(_ request: PauseRequest) async throws -> RolloutReply {
    try await post(request, to: ControlWire.Path.pause)
  }

  public func resume(_ request: ResumeRequest) async throws -> RolloutReply {
    try await post(request, to: ControlWire.Path.resume)
  }

  public func promote(_ request: PromoteRequest) async throws -> RolloutReply {
    try await post(request, to: ControlWire.Path.promote)
  }

  public func promoteRelease(_ request: PromoteReleaseRequest) async throws -> DeployReply {
    try await post(request, to: ControlWire.Path.promoteRelease)
  }

  public func pushed(_ request: PushedRequest) async throws -> DeployReply {
    try await post(request, to: ControlWire.Path.pushed)
  }

  public func history(limit: Int) async throws -> [HistoryEntry] {
    try await get(ControlWire.Path.history, ["limit": "\(limit)"])
  }

  public func receipt(_ rollout: RolloutID?) async throws -> Receipt {
    try await get(ControlWire.Path.receipt, ["rollout": rollout?.rawValue])
  }

  public func explain(_ subject: String?) async throws -> Explanation {
    try await get(ControlWire.Path.explain, ["subject": subject])
  }

  public func facts(_ request: FactsRequest) async throws -> [ServiceFacts] {
    try await get(
      ControlWire.Path.facts,
      [
        "service": request.service?.rawValue, "environment": request.environment?.rawValue,
      ])
  }

  public func freeze(_ request: FreezeRequest) async throws -> PeopleReply {
    try await post(request, to: ControlWire.Path.freeze)
  }

  public func lift(_ request: LiftRequest) async throws -> PeopleReply {
    try await post(request, to: ControlWire.Path.lift)
  }

  public func approve(_ request: ApproveRequest) async throws -> PeopleReply {
    try await post(request, to: ControlWire.Path.approve)
  }

  public func calendar(_ environment: EnvironmentName?) async throws -> CalendarReply {
    try await get(ControlWire.Path.calendar, ["environment": environment?.rawValue])
  }

  public func calendarFeed(_ environment: EnvironmentName?) async throws -> String {
    let octets = try await answer(
      to: request(ControlWire.Path.calendarFeed, ["environment": environment?.rawValue]))
    return String(decoding: octets, as: UTF8.self)
  }

  public func gates(_ subject: String?) async throws -> GateReply {
    try await get(ControlWire.Path.gates, ["subject": subject])
  }

  public func experiment(_ request: ExperimentRequest) async throws -> ExperimentReply {
    try await get(
      ControlWire.Path.experiment,
      ["service": request.service?.rawValue, "environment": request.environment?.rawValue])
  }

  public func reach(_ request: GoalRequest) async throws -> GoalReply {
    try await post(request, to: ControlWire.Path.goal)
  }

  public func tests(_ request: TestsRequest) async throws -> [TestStanding] {
    try await get(
      ControlWire.Path.tests,
      ["question": request.question.rawValue, "limit": "\(request.limit)"])
  }

  public func testDurations(_ request: DurationsRequest) async throws -> DurationsReply {
    try await get(ControlWire.Path.testDurations, ["limit": "\(request.limit)"])
  }

  public func testTimes() async throws -> TestTimesReply {
    try await get(ControlWire.Path.testTimes)
  }

  public func diagnose() async throws -> [Finding] { try await get(ControlWire.Path.diagnose) }

  public func feed(
    after sequence: Int64, follow: Bool, commit: CommitID?
  ) -> AsyncThrowingStream<FeedItem, any Error> {
    stream(
      ControlWire.Path.feed,
      ["after": "\(sequence)", "follow": "\(follow)", "commit": commit?.rawValue])
  }

  public func logs(_ request: LogsRequest) -> AsyncThrowingStream<LogLine, any Error> {
    stream(
      ControlWire.Path.logs,
      [
        "step": request.step?.rawValue, "commit": request.commit,
        "service": request.service?.rawValue, "environment": request.environment?.rawValue,
        "instance": request.instance?.rawValue,
        "tail": "\(request.tail)", "follow": "\(request.follow)",
      ])
  }
}

// MARK: Calls

extension ControlClient {
  private func get<Answer: Decodable>(
    _ path: String, _ query: KeyValuePairs<String, String?> = [:]
  ) async throws -> Answer {
    try await call(request(path, query))
  }

  private func post<Answer: Decodable>(
    _ body: some Encodable, to path: String
  ) async throws -> Answer {
    var request = try request(path)
    request.method = .POST
    request.headers.add(name: "content-type", value: "application/json")
    request.body = .bytes(try JSONEncoder().encode(body))
    return try await call(request)
  }

  private func call<Answer: Decodable>(_ request: HTTPClientRequest) async throws -> Answer {
    try decode(Answer.self, from: try await answer(to: request))
  }

  private func answer(to request: HTTPClientRequest) async throws -> Data {
    do {
      let response = try await http.execute(request, timeout: TimeAmount(deadline))
      let body = try await response.body.collect(upTo: Self.maximumAnswer)
      try check(response, body: body)
      return Data(body.readableBytesView)
    } catch {
      throw explained(error)
    }
  }

  private func stream<Element: Decodable & Sendable>(
    _ path: String, _ query: KeyValuePairs<String, String?>
  ) -> AsyncThrowingStream<Element, any Error> {
    let reader = EventReader<Element>(
      open: {
        let response = try await http.execute(request(path, query), deadline: .distantFuture)
        guard response.status == .ok else {
          try check(response, body: try await response.body.collect(upTo: Self.maximumAnswer))
          throw unexpected("it answered \(response.status.code) to \(path)")
        }
        try checkVersion(response)
        return response.body
      }, decode: { try decode(Element.self, from: $0) })
    return AsyncThrowingStream {
      do {
        return try await reader.next()
      } catch {
        throw explained(error)
      }
    }
  }

  private func request(
    _ path: String, _ query: KeyValuePairs<String, String?> = [:]
  ) throws -> HTTPClientRequest {
    guard socketPath.utf8.count <= Self.maximumPathLength else {
      throw ControlError(
        .invalid,
        "the control socket's path is too long (\(socketPath.utf8.count) bytes; "
          + "the system allows \(Self.maximumPathLength)): \(socketPath)",
        nextStep: "Choose a shorter directory with --state or SEGUE_STATE")
    }
    var components = URLComponents()
    components.queryItems = query.compactMap { name, value in
      value.map { URLQueryItem(name: name, value: $0) }
    }
    // `+` is legal in a query and would stay as it is; some readers take it for a space.
    let suffix = components.percentEncodedQuery?.replacingOccurrences(of: "+", with: "%2B") ?? ""
    guard let url = URL(httpURLWithSocketPath: socketPath, uri: path + "?" + suffix) else {
      throw ControlError(.invalid, "this is no path for a socket: \(socketPath)")
    }
    var request = HTTPClientRequest(url: url.absoluteString)
    request.headers.add(name: ControlWire.versionHeader, value: "\(controlProtocolVersion)")
    return request
  }
}

// MARK: Answers

extension ControlClient {
  private func check(_ response: HTTPClientResponse, body: ByteBuffer) throws {
    guard response.status != .ok else { return try checkVersion(response) }
    let data = Data(body.readableBytesView)
    guard let error = try? JSONDecoder().decode(ControlError.self, from: data) else {
      throw unexpected("it answered \(response.status.code) with no reason")
    }
    throw error
  }

  private func checkVersion(_ response: HTTPClientResponse) throws {
    let version = response.headers.first(name: ControlWire.versionHeader)
    guard version == "\(controlProtocolVersion)" else {
      throw ControlError(
        .failed,
        "the control plane speaks another version of the control protocol "
          + "(\(version ?? "none"); this is \(controlProtocolVersion))",
        nextStep: "Stop the control plane and start it with this binary: `segue up`")
    }
  }

  private func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch {
      throw unexpected("\(error)")
    }
  }

  private func unexpected(_ cause: String) -> ControlError {
    ControlError(.failed, "the control plane's answer makes no sense", causes: [cause])
  }

  /// Everything the connection can do to us, in the API's words.
  private func explained(_ error: any Error) -> any Error {
    switch error {
    case is ControlError, is CancellationError: return error
    case let error as HTTPClientError where error == .cancelled: return CancellationError()
    case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
      return ControlError(
        .unreachable, "the control plane does not answer (\(socketPath))",
        nextStep: "See what it does: `segue doctor`")
    case let error as IOError where error.errnoCode == ENOENT || error.errnoCode == ECONNREFUSED:
      return ControlError(
        .unreachable, "the control plane is not running (nobody listens at \(socketPath))",
        nextStep: "Start it with `segue up` in the project's repository")
    default:
      return ControlError(
        .unreachable, "the connection to the control plane broke off", causes: ["\(error)"],
        nextStep: "Start it with `segue up` if it is not running")
    }
  }
}
