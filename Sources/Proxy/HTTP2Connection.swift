import HTTP2Translation
import NIOCore
import SegueModel

/// One client's HTTP/2 connection: translates between the octets of the wire and as many HTTP/1.1
/// clients as it has requests, so that there is one engine for both (ADR 7).
final class HTTP2Connection: StreamHandler, HTTP2SessionDelegate {
  let worker: Worker
  /// What all requests of this connection say of their client.
  private let peer: PeerFacts
  private let wire: ByteStream
  private var session: HTTP2Session?
  private var streams: [Int32: HTTP2Stream] = [:]
  private var isFlushDue = false
  /// Nothing is read any more but what the client sends until it hears of the end, for an unread
  /// octet would make the kernel reset the connection, and the client lose what it was told last.
  private var isEnding = false
  private var discarded = 0
  private var inputHasEnded = false
  private var outputHasEnded = false
  /// When that has gone on for long enough. Nanoseconds.
  private var cutAt = UInt64.max
  /// When the last request ended, for a connection that has none. Nanoseconds.
  private var idleSince: UInt64

  init(worker: Worker, wire: ByteStream, peer: PeerFacts) {
    self.worker = worker
    self.wire = wire
    self.peer = peer
    idleSince = worker.now
    session = HTTP2Session(limits: worker.http2Limits, delegate: self)
    if worker.isDraining { session?.beginShutdown() }
    scheduleFlush()
  }

  // MARK: The wire

  func streamRead(_ octets: inout ByteBuffer) {
    guard !isEnding else { return discard(octets.readableBytes) }
    worker.readClock()
    octets.withUnsafeReadableBytes { bytes in
      // The reason is on its way to the client as GOAWAY.
      do { try session?.receive(bytes) } catch { end() }
    }
    scheduleFlush()
  }

  /// What is on its way when a client hears of the end fits the window that it has.
  private func discard(_ count: Int) {
    discarded += count
    if discarded > Int(worker.http2Limits.connectionWindow) { cut() }
  }

  func streamInputEnded() {
    inputHasEnded = true
    if isEnding { closeIfDone() } else { end() }
  }

  func streamWritabilityChanged() { if wire.isWritable { flush() } }

  func streamClosed(hasFailed: Bool) {
    session = nil
    let orphans = Array(streams.values)
    streams = [:]
    for stream in orphans { stream.finish() }
    worker.remove(self)
  }

  /// Writes what there is at the end of the turn: frames of several requests go in one piece.
  func scheduleFlush() {
    guard !isFlushDue else { return }
    isFlushDue = true
    worker.loop.later { [self] in
      isFlushDue = false
      flush()
    }
  }

  private func flush() {
    while wire.isWritable, let session, session.wantsWrite {
      var frames = worker.borrowBuffer()
      session.withOutput { bytes in
        frames.writeBytes(bytes)
        return bytes.count
      }
      let isDone = frames.readableBytes == 0
      wire.write(frames)
      worker.giveBack(&frames)
      if isDone { break }
    }
    if session?.isOver ?? false { end() }
  }

  /// Closes once everything is written, and the client has had time to read it.
  private func end() {
    guard !isEnding else { return }
    isEnding = true
    cutAt = worker.now + worker.spans.linger
    worker.loop.later { [self] in
      flush()
      wire.closeOutput { [self] in
        outputHasEnded = true
        closeIfDone()
      }
    }
  }

  private func closeIfDone() { if inputHasEnded, outputHasEnded { wire.close() } }

  // MARK: Requests

  func http2Opened(_ stream: Int32) {
    let virtual = HTTP2Stream(stream, of: self)
    streams[stream] = virtual
    let client = ClientConnection(worker: worker, stream: virtual, peer: peer)
    virtual.handler = client
    worker.add(client)
  }

  func http2Received(_ octets: UnsafeRawBufferPointer, on stream: Int32) {
    streams[stream]?.receive(octets)
  }

  /// The body's own framing says so, too.
  func http2EndedInput(_ stream: Int32) {}

  func http2Closed(_ stream: Int32) { forget(stream)?.finish() }

  func http2MaySend(_ stream: Int32) { streams[stream]?.maySend() }

  @discardableResult
  func forget(_ stream: Int32) -> HTTP2Stream? {
    defer { if streams.isEmpty { idleSince = worker.now } }
    return streams.removeValue(forKey: stream)
  }

  // MARK: What its streams ask for

  func send(_ octets: ByteBuffer, on stream: Int32) {
    octets.withUnsafeReadableBytes { session?.send($0, on: stream) }
    scheduleFlush()
  }

  func pendingOctets(_ stream: Int32) -> Int { session?.pendingOctets(stream) ?? 0 }

  func consumed(_ count: Int, on stream: Int32) {
    session?.consumed(count, on: stream)
    scheduleFlush()
  }

  func endOutput(_ stream: Int32, isWhole: Bool) {
    session?.endOutput(stream, isWhole: isWhole)
    forget(stream)
    scheduleFlush()
  }

  // MARK: The end of the proxy, and of patience

  /// The first step of going away: no new requests, except those that are on their way already
  /// (RFC 9113 section 6.8).
  func beginShutdown() {
    session?.beginShutdown()
    scheduleFlush()
  }

  /// The second step: a round trip has passed.
  func finishShutdown() {
    session?.finishShutdown()
    scheduleFlush()
  }

  func cut() { wire.close() }

  func check(now: UInt64) {
    session?.tick(now: .nanoseconds(Int64(clamping: now)))
    if now >= cutAt { return cut() }
    guard streams.isEmpty, now >= idleSince + worker.spans.clientIdle else { return }
    finishShutdown()
    if now >= idleSince + worker.spans.clientIdle + worker.spans.linger { cut() }
  }
}

/// One request of an HTTP/2 connection, as its client's connection.
final class HTTP2Stream: ByteStream {
  private let id: Int32
  private let connection: HTTP2Connection
  private var isReading = true
  /// What came while nobody read; bounded by the window that the client has.
  private var waiting = ByteBuffer()
  private var isBroken = false

  init(_ id: Int32, of connection: HTTP2Connection) {
    self.id = id
    self.connection = connection
    super.init()
  }

  func receive(_ octets: UnsafeRawBufferPointer) {
    guard isReading, waiting.readableBytes == 0 else {
      waiting.writeBytes(octets)
      return
    }
    var buffer = connection.worker.borrowBuffer()
    buffer.writeBytes(octets)
    deliver(&buffer)
    connection.worker.giveBack(&buffer)
  }

  private func deliver(_ octets: inout ByteBuffer) {
    let count = octets.readableBytes
    handler?.streamRead(&octets)
    if isOpen { connection.consumed(count, on: id) }
    handler?.streamReadComplete()
  }

  override func setReading(_ isReading: Bool) {
    guard isReading != self.isReading else { return }
    self.isReading = isReading
    guard isReading, waiting.readableBytes > 0 else { return }
    connection.worker.loop.later { [self] in
      guard isOpen, self.isReading, waiting.readableBytes > 0 else { return }
      var octets = ByteBuffer()
      swap(&octets, &waiting)
      deliver(&octets)
    }
  }

  override var isVirtual: Bool { true }

  override var pendingOctets: Int { connection.pendingOctets(id) }

  override func write(_ octets: ByteBuffer) {
    guard isOpen else { return }
    connection.send(octets, on: id)
    guard isWritable, pendingOctets > Self.highWater else { return }
    isWritable = false
    handler?.streamWritabilityChanged()
  }

  func maySend() {
    guard isOpen, !isWritable else { return }
    isWritable = true
    handler?.streamWritabilityChanged()
  }

  override func breakOnClose() { isBroken = true }

  /// The response is whole; whatever the client still sends, nobody will read.
  override func closeOutput(then body: @escaping () -> Void) {
    guard isOpen else { return }
    connection.endOutput(id, isWhole: true)
    connection.worker.loop.later { [self] in
      body()
      finish()
    }
  }

  override func close() {
    guard isOpen else { return }
    connection.endOutput(id, isWhole: !isBroken)
    finish()
  }

  /// There is nobody at the other end any more.
  func finish() {
    guard isOpen else { return }
    isOpen = false
    isWritable = false
    let handler = handler
    self.handler = nil
    handler?.streamClosed(hasFailed: false)
  }
}
