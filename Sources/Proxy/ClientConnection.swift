import NIOCore
import SegueModel
import TrafficRouting

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One client's connection: reads a request at a time, finds it an instance, and gives the answer back.
final class ClientConnection: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

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
  private(set) var context: ChannelHandlerContext?
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
  var out: ByteBuffer?
  var responseBegan = false
  var responseStatus = 0
  /// The client takes the payload of a chunked body without its chunks (HTTP/1.0).
  var unwrapsChunks = false
  /// Only the end of the connection tells the client that the response is over.
  var endsByClose = false

  private var isProcessing = false
  private var withholdsRead = false
  private var watch = Watch.idle
  private var deadline: UInt64
  /// Octets that waited for the client when it was last seen not to read.
  private var stalledAt = 0
  private(set) var addressUnit = StickyUnit("")
  private(set) var forwarded: ByteBuffer

  init(worker: Worker) {
    self.worker = worker
    input = worker.empty
    head = worker.empty
    forwarded = worker.empty
    parser = RequestParser(limits: worker.headLimits)
    deadline = worker.now + worker.spans.clientIdle
  }

  // MARK: Beginning and end

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func channelActive(context: ChannelHandlerContext) {
    let address = context.remoteAddress?.ipAddress ?? "unknown"
    addressUnit = StickyUnit(address)
    forwarded.writeString("X-Forwarded-For: \(address)\r\nX-Forwarded-Proto: http\r\n")
    set(.idle, worker.spans.clientIdle)
    if !worker.add(self) { context.close(promise: nil) }
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    phase = .closed
    abandonAttempt()
    out = nil
    worker.remove(self)
    self.context = nil
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  /// Between requests, with nothing of the next one read.
  var isIdle: Bool { phase == .head && input.readableBytes == 0 }

  func closeIdle() { context?.close(promise: nil) }

  /// Closes whatever is going on. A response that only the end of the connection delimits is ended by
  /// a reset, so that its truncation can be seen.
  func cut() {
    if responseBegan, endsByClose, phase == .exchange,
      let provider = context?.channel as? any SocketOptionProvider
    {
      _ = provider.setSoLinger(linger(l_onoff: 1, l_linger: 0))
    }
    phase = .closed
    abandonAttempt()
    context?.close(promise: nil)
  }

  // MARK: Input

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var buffer = unwrapInboundIn(data)
    switch phase {
    case .lingering, .closed: return
    case .tunnel:
      set(.tunnel, worker.spans.tunnelIdle)
      upstream?.write(buffer)
      upstream?.flush()
    case .head:
      append(&buffer)
      processInput()
    case .exchange:
      append(&buffer)
      if hasSent { pumpBody() }
    }
  }

  private func append(_ buffer: inout ByteBuffer) {
    if input.readableBytes == 0 { input = buffer } else { input.writeBuffer(&buffer) }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed { endInput() }
    context.fireUserInboundEventTriggered(event)
  }

  /// The client will send no more. It may still be waiting for an answer (RFC 9112 section 9.6).
  private func endInput() {
    inputEnded = true
    switch phase {
    case .closed: break
    case .head: beginLingering()
    case .lingering: if outputEnded { context?.close(promise: nil) }
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
        guard try parser.parse(input.readableBytesUInt8Span) else {
          if watch == .idle { set(.readHead, worker.spans.readHead) }
          break
        }
      } catch {
        keepsAlive = false
        respondLocally(error.status, error.reason)
        break
      }
      beginExchange()
    }
    if phase == .head, inputEnded { beginLingering() }
  }

  /// Makes ready for the next request on this connection.
  func awaitNextRequest() {
    parser.reset()
    head = worker.empty
    if input.readableBytes == 0 { input = worker.empty }
    phase = .head
    set(.idle, worker.spans.clientIdle)
    resumeReading()
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

  func read(context: ChannelHandlerContext) {
    if mayRead { context.read() } else { withholdsRead = true }
  }

  func resumeReading() {
    guard withholdsRead, mayRead else { return }
    withholdsRead = false
    context?.read()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    let isWritable = context.channel.isWritable
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
    context.fireChannelWritabilityChanged()
  }

  /// Gives the client time to take what waits for it.
  func watchStall() {
    stalledAt = unsentOctets
    set(.clientStalled, worker.spans.bodyProgress)
  }

  private var unsentOctets: Int {
    (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
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
      let waiting = unsentOctets
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
