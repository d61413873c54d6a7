import Glibc

/// One keep-alive connection and the request that is on it.
///
/// A class because a slot is changed in place by the one thread that owns it.
final class LoadConnection {
  enum State: Hashable {
    /// No request. The socket may be open.
    case idle
    case connecting
    /// The request is being sent, or its answer awaited.
    case exchanging
  }

  /// What a step on a socket came to.
  enum Progress {
    case pending
    case answered
    /// A websocket was closed in the way that clients expect: it is opened again.
    case closedPolitely
    case failed(LoadReport.FailureKind, String)
  }

  let number: Int
  private(set) var state = State.idle
  private(set) var descriptor: Int32 = -1
  private(set) var parser = ResponseParser()
  private(set) var kind = TrafficKind.get
  /// Of the POST, or of the message of a websocket; 0 for a GET.
  private(set) var requestNumber = 0
  /// What has arrived on a connection that became a websocket.
  var frames: WebsocketFrames?
  /// The message whose echo is awaited.
  var message: [UInt8] = []
  /// Requests sent on the open socket, the current one included.
  private(set) var requestsOnSocket = 0
  private(set) var startedAt: Int64 = 0
  /// When the request was due: where latency begins.
  private(set) var dueAt: Int64 = 0
  private(set) var deadline = Int64.max
  /// Whether bytes followed the last answer that belong to no request.
  private(set) var hasSurplus = false
  /// Idle until then, after a failure.
  var restsUntil: Int64 = 0
  /// When the next request is due, where the plan has a pace.
  var nextDue: Int64 = 0
  var output: [UInt8] = []
  private var sent = 0
  private var sendFailure: Int32?
  /// Whether the open socket has not been seen connected yet.
  private var isNew = false

  init(number: Int) { self.number = number }

  /// What to wait for; 0 for nothing.
  var pollEvents: Int16 {
    switch state {
    case .idle: 0
    case .connecting: Int16(POLLOUT)
    case .exchanging: Int16(POLLIN) | (sent < output.count ? Int16(POLLOUT) : 0)
    }
  }

  // MARK: Between requests

  enum Readiness { case closed, open, endedWhileIdle, unsolicited }

  /// Looks whether the open socket may be used for another request: the check without which an
  /// end of the connection would be the client's own fault.
  func checkBeforeReuse() -> Readiness {
    guard descriptor >= 0 else { return .closed }
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK))
    if count > 0 { return .unsolicited }
    if count < 0, errno == EAGAIN || errno == EINTR { return .open }
    return .endedWhileIdle
  }

  func closeSocket() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    requestsOnSocket = 0
    frames = nil
  }

  // MARK: A request

  /// Takes up a request. `write` fills the (emptied) output buffer.
  func begin(
    _ kind: TrafficKind, number: Int, at now: Int64, due: Int64, deadline: Int64,
    write: (inout [UInt8]) -> Void
  ) {
    self.kind = kind
    requestNumber = number
    startedAt = now
    dueAt = due
    self.deadline = deadline
    prepare(write)
  }

  /// Fills the (emptied) output buffer with what is to be sent next.
  func prepare(_ write: (inout [UInt8]) -> Void) {
    output.removeAll(keepingCapacity: true)
    write(&output)
    sent = 0
    sendFailure = nil
    parser.reset(keepsBody: kind.isPost, switchesProtocol: kind == .websocket)
    state = isNew || descriptor < 0 ? .connecting : .exchanging
  }

  func adopt(_ descriptor: Int32) {
    self.descriptor = descriptor
    requestsOnSocket = 0
    isNew = true
  }

  /// The request is over; `reusable` keeps the socket for the next one.
  func end(reusable: Bool) {
    state = .idle
    deadline = .max
    if !reusable || sent < output.count || sendFailure != nil { closeSocket() }
  }

  /// Does what can be done without waiting.
  func step(_ buffer: UnsafeMutableRawBufferPointer) -> Progress {
    switch state {
    case .idle: return .pending
    case .connecting:
      if let failure = connectFailure() {
        return .failed(failure.kind, "connecting: \(errnoText(failure.number))")
      }
      isNew = false
      state = .exchanging
      return send()
    case .exchanging:
      if sent < output.count, case .failed(let kind, let why) = send() {
        return .failed(kind, why)
      }
      return receive(buffer)
    }
  }

  private func connectFailure() -> SocketFailure? {
    var number: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &size) == 0 else {
      return SocketFailure(number: errno)
    }
    return number == 0 ? nil : SocketFailure(number: number)
  }

  /// Sends what the socket takes. A failed send is not the end: the answer may have come before
  /// the connection was cut, and reading tells.
  func send() -> Progress {
    if sent == 0 { requestsOnSocket += 1 }
    while sent < output.count {
      let count = output.withUnsafeBytes { bytes in
        let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
        return Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      }
      if count >= 0 {
        sent += count
      } else if errno == EAGAIN {
        return .pending
      } else if errno != EINTR {
        sendFailure = errno
        sent = output.count
      }
    }
    return .pending
  }

  private func receive(_ buffer: UnsafeMutableRawBufferPointer) -> Progress {
    while true {
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count == 0 { return ended() }
      if count < 0 {
        switch errno {
        case EINTR: continue
        case EAGAIN where sendFailure == nil: return .pending
        default:
          let failure = SocketFailure(number: errno == EAGAIN ? sendFailure ?? errno : errno)
          return .failed(failure.kind, errnoText(failure.number))
        }
      }
      do throws(ResponseParser.Failure) {
        let input = UnsafeRawBufferPointer(rebasing: buffer[..<count])
        let progress = frames == nil ? try takeAnswer(input) : try takeFrames(input)
        // A full buffer means that there may be more.
        if case .pending = progress, count == buffer.count { continue }
        return progress
      } catch {
        switch error {
        case .malformed(let why): return .failed(.malformed, why)
        }
      }
    }
  }

  private func takeAnswer(
    _ input: UnsafeRawBufferPointer
  ) throws(ResponseParser.Failure) -> Progress {
    let taken = try parser.consume(input)
    guard parser.isComplete else { return .pending }
    hasSurplus = taken < input.count
    guard kind == .websocket, parser.status == 101 else { return .answered }
    hasSurplus = false
    try becomeWebsocket(UnsafeRawBufferPointer(rebasing: input[taken...]))
    return .answered
  }

  private func ended() -> Progress {
    if frames != nil { return .failed(.eof, "the websocket was cut without a close frame") }
    if parser.endOfInput() {
      hasSurplus = false
      return .answered
    }
    if let sendFailure {
      return .failed(SocketFailure(number: sendFailure).kind, errnoText(sendFailure))
    }
    return .failed(.eof, "the connection ended")
  }
}
