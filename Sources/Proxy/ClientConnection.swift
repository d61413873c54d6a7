import HTTP2Translation
import NIOCore
import SegueModel
import TrafficRouting

/// One client's connection: reads a request at a time, finds it an instance, and gives the answer back.
final class ClientConnection: StreamHandler {
  enum Phase {
    /// Between requests, or in the middle of a head.
    case head
    /// A request has been read and its answer is not yet over.
    case exchange
    case tunnel
    /// The last response is written; input is read and thrown away until the client closes.
    case lingering
    case closed
  }

  /// What happens when the deadline passes.
  enum Watch {
    case nothing
    case idle
    case readHead
    case upload
    case responseHead
    case response
    case clientStalled
    case linger
    case tunnel
    case held
  }

  let worker: Worker
  /// The place in the worker's list; -1: not in it.
  var slot = -1
  let stream: ByteStream
  var phase = Phase.head

  // The request.
  var input: ByteBuffer
  var parser: RequestParser
  var head: ByteBuffer
  var framing = BodyFraming.none
  var framer = BodyFramer(.none)
  var inputEnded = false
  var outputEnded = false
  var keepsAlive = true
  var upgrades = false
  /// Octets of the body sent so far, while they may have to be sent again.
  var replay: ByteBuffer?
  var startedAt: UInt64 = 0
  var requestID = RequestID.made(0, 0)

  // What the access log tells.
  /// Octets for the client, of this answer.
  var octetsOut: UInt64 = 0
  /// Nanoseconds spent waiting for an instance.
  var heldTotal: UInt64 = 0
  var lastFailure: AttemptFailure?
  var isNoted = false

  // The attempt.
  var service: ServiceLane?
  var tally: VersionTally?
  var instance: Instance?
  var upstream: UpstreamConnection?
  var tried: [Instance] = []
  /// Tells the result of an attempt that was given up from that of the present one.
  var attempt: UInt64 = 0
  var sentAttempts = 0
  var hasSent = false
  /// Lasts as long as somebody wants: a tunnel or an event stream.
  var isLasting = false

  /// Where the frames end that an instance sends through a tunnel, if it is a websocket.
  var frames: WebSocketFrames?
  /// The tunnel is to end as soon as a frame does.
  var leavesTunnel = false

  // What only some tables ask for.
  var way = RequestWay.versions
  /// Who the request comes from; only of account when there are several versions.
  var unit = StickyUnit("")
  /// The line that gives the client its cookie.
  var issued: ByteBuffer?
  /// Gets a copy of the request once it is whole.
  var mirror: MirrorLane?
  var copy: MirroredRequest?
  var isHeld = false
  var heldSince: UInt64 = 0
  /// Has just come out of a hold, and goes only where there is room.
  var needsRoom = false
  var wasHeld = false
  /// The instance on whose account of requests out of a hold this one stands.
  var room: Instance?
  var releasedAt: UInt64 = 0

  // The response.
  /// What goes out with the next flush; only of account while ``hasOut``.
  var out: ByteBuffer
  var hasOut = false
  var responseBegan = false
  var responseStatus = 0
  /// The client takes the payload of a chunked body without its chunks (HTTP/1.0).
  var unwrapsChunks = false
  /// Only the end of the connection tells the client that the response is over.
  var endsByClose = false

  private var isProcessing = false
  private var hasServed = false
  private var watch = Watch.idle
  private var deadline: UInt64
  /// Octets that waited for the client when it was last seen not to read.
  private var stalledAt = 0
  let peer: PeerFacts

  init(worker: Worker, stream: ByteStream, peer: PeerFacts) {
    self.worker = worker
    self.stream = stream
    input = worker.empty
    head = worker.empty
    out = worker.empty
    self.peer = peer
    parser = RequestParser(limits: worker.headLimits)
    deadline = worker.now + worker.spans.clientIdle
  }

  // MARK: End

  func streamClosed(hasFailed: Bool) {
    noteCut()
    phase = .closed
    abandonAttempt()
    dropOut()
    worker.remove(self)
  }

  /// Between requests, with nothing of the next one read.
  var isIdle: Bool { phase == .head && input.readableBytes == 0 }

  func closeIdle() { stream.close() }

  /// Closes whatever is going on. A response that only the end of the connection delimits is ended by
  /// a reset, so that its truncation can be seen.
  func cut() {
    if responseBegan, endsByClose, phase == .exchange { stream.breakOnClose() }
    noteCut()
    phase = .closed
    abandonAttempt()
    stream.close()
  }

  /// Whatever is under way ends without its end.
  private func noteCut() {
    switch phase {
    case .exchange: noteAccess(status: responseBegan ? responseStatus : 0)
    case .tunnel: noteAccess(status: responseStatus)
    case .head, .lingering, .closed: break
    }
  }

  // MARK: Input

  func streamRead(_ octets: inout ByteBuffer) {
    switch phase {
    case .lingering, .closed: return
    case .tunnel:
      set(.tunnel, worker.spans.tunnelIdle)
      upstream?.write(octets)
    case .head:
      append(octets)
      processInput()
    case .exchange:
      if hasSent, input.readableBytes == 0, !framer.isComplete {
        // A body on its way need not be kept here first.
        pumpBody(&octets)
        if phase == .exchange || phase == .head { append(octets) }
        if phase == .head { processInput() }
      } else {
        append(octets)
        if hasSent { pumpInput() }
      }
    }
    // What goes on as something else is no longer ours to steer.
    if phase != .closed { updateReading() }
  }

  private func append(_ octets: ByteBuffer) {
    guard octets.readableBytes > 0 else { return }
    if input.readableBytes == 0 { input.clear() }
    input.writeImmutableBuffer(octets)
  }

  /// Takes octets off the input, whose storage serves the next request.
  func consumeInput(_ count: Int) {
    input.moveReaderIndex(forwardBy: count)
    if input.readableBytes == 0 { releaseInput() }
  }

  func releaseInput() {
    if input.capacity > Self.keptCapacity { input = worker.empty } else { input.clear() }
  }

  /// A buffer that grew beyond this is not kept from request to request.
  static let keptCapacity = 4_096

  func streamInputEnded() { endInput() }

  /// The client will send no more. It may still be waiting for an answer (RFC 9112 section 9.6).
  private func endInput() {
    inputEnded = true
    switch phase {
    case .closed: break
    case .head: beginLingering()
    case .lingering: if outputEnded { stream.close() }
    case .tunnel: upstream?.closeOutput()
    case .exchange:
      if bodyIsCutShort { cut() } else if isHeld { probeClient() }
    }
  }

  /// The client ended its side before the end of the body it announced.
  private var bodyIsCutShort: Bool {
    guard !framer.isComplete else { return false }
    var rest = framer
    let bytes = input
    _ = try? rest.advance(over: bytes.readableBytesUInt8Span)
    return !rest.isComplete
  }

  /// Reads heads as long as there are whole ones and nothing is under way.
  func processInput() {
    guard !isProcessing else { return }
    isProcessing = true
    defer { isProcessing = false }
    while phase == .head, input.readableBytes > 0 {
      do {
        let octets = input
        guard try parser.parse(octets.readableBytesUInt8Span) else {
          if watch == .idle { set(.readHead, worker.spans.readHead) }
          break
        }
      } catch {
        switch preface {
        case .yes: return becomeHTTP2()
        case .needMore:
          if watch == .idle { set(.readHead, worker.spans.readHead) }
          return
        case .no: break
        }
        keepsAlive = false
        respondLocally(error.status, error.reason)
        break
      }
      hasServed = true
      beginExchange()
    }
    if phase == .head, inputEnded { beginLingering() }
  }

  /// Whether the connection begins as one of HTTP/2 does, with what no HTTP/1.1 server takes for a
  /// request (RFC 9113 section 3.4).
  private var preface: HTTP2PrefaceMatch {
    guard !hasServed, !stream.isVirtual else { return .no }
    return input.withUnsafeReadableBytes { HTTP2Session.isPreface($0) }
  }

  /// The client has known beforehand that HTTP/2 is spoken here.
  private func becomeHTTP2() {
    phase = .closed
    worker.remove(self)
    var octets = input
    input = worker.empty
    worker.serveHTTP2(on: stream, peer: peer).streamRead(&octets)
  }

  /// Makes ready for the next request on this connection.
  func awaitNextRequest() {
    parser.reset()
    if head.capacity > Self.keptCapacity { head = worker.empty }
    phase = .head
    set(.idle, worker.spans.clientIdle)
    updateReading()
    processInput()
  }

  // MARK: Back-pressure

  private var mayRead: Bool {
    switch phase {
    case .head, .lingering: true
    case .closed: false
    case .tunnel: upstream?.isWritable ?? true
    case .exchange:
      if !framer.isComplete, hasSent, let upstream {
        upstream.isWritable
      } else {
        input.readableBytes < worker.limits.heldInput
      }
    }
  }

  /// Reads on as long as there is somewhere to put what comes.
  func updateReading() { stream.setReading(mayRead) }

  func streamWritabilityChanged() {
    let isWritable = stream.isWritable
    upstream?.setPaused(!isWritable)
    switch phase {
    case .exchange where responseBegan:
      if isWritable {
        set(.response, worker.spans.responseSilence)
      } else {
        watchStall()
      }
    case .head, .exchange, .tunnel, .lingering, .closed: break
    }
  }

  /// Gives the client time to take what waits for it.
  func watchStall() {
    stalledAt = stream.pendingOctets
    set(.clientStalled, worker.spans.bodyProgress)
  }

  // MARK: Deadlines

  func set(_ watch: Watch, _ span: UInt64) {
    self.watch = watch
    deadline = worker.now + span
  }

  func check(now: UInt64) {
    guard now >= deadline else { return }
    switch watch {
    case .nothing: break
    case .idle, .linger, .tunnel: cut()
    case .clientStalled:
      // A slow client is not a stalled one: only if it took nothing at all since the last look.
      let waiting = stream.pendingOctets
      if waiting < stalledAt { watchStall() } else { cut() }
    case .readHead:
      keepsAlive = false
      respondLocally(408, "the request head took too long")
    case .upload:
      keepsAlive = false
      if let upstream, !upstream.isWritable {
        failExchange(504, "the instance stopped reading the request", blame: true)
      } else {
        failExchange(408, "the request body stopped", blame: false)
      }
    case .responseHead:
      failExchange(504, "the instance did not answer in time", blame: true)
    case .response:
      tally?.failed += 1
      cut()
    case .held:
      service?.noteExpired(after: heldSpan)
      respondLocally(503, "no instance became ready in time")
    }
  }
}
