import CLinux
import Glibc
import NIOCore

/// A connected socket on a loop.
final class StreamSocket: ByteStream, LoopSource {
  /// Reads in one turn, so that one busy connection leaves room for others.
  private static let readsPerTurn = 4
  /// A buffer that grew beyond this is not kept once it is empty.
  private static let keptCapacity = 16_384

  private unowned let loop: SocketLoop
  private let descriptor: CInt
  private let mayBeHalfOpen: Bool
  private var slot: Int?
  private var pending: ByteBuffer
  private var connected: ((Bool) -> Void)?
  private var whenOutputEnds: (() -> Void)?
  private var isReading = true
  /// There may be more to read than has been.
  private var mayHaveInput = false
  /// The kernel said that the end, or an error, lies behind what can be read.
  private var endIsNear = false
  /// The kernel reported an error, which the next read gives once everything before it was read.
  private var isBroken = false
  private var inputHasEnded = false
  private var outputHasEnded = false
  private var isQueued = false

  /// - Parameters:
  ///   - descriptor: non-blocking; belongs to the stream from now on.
  ///   - mayBeHalfOpen: the peer may end its direction and still be sent to.
  init(_ descriptor: CInt, on loop: SocketLoop, mayBeHalfOpen: Bool) {
    self.descriptor = descriptor
    self.loop = loop
    self.mayBeHalfOpen = mayBeHalfOpen
    pending = ByteBuffer()
    super.init()
  }

  private static let interest =
    SEGUE_EPOLL_IN | SEGUE_EPOLL_OUT | SEGUE_EPOLL_PEER_CLOSED | SEGUE_EPOLL_EDGE

  /// Begins to serve its handler.
  ///
  /// - Returns: whether the kernel lets it.
  func open() -> Bool {
    slot = loop.add(self, descriptor: descriptor, events: Self.interest)
    if slot == nil { close() }
    return slot != nil
  }

  // MARK: Connecting

  /// Opens a connection.
  ///
  /// - Parameter body: called once, perhaps at once: with the stream, or with `nil` when there was
  ///   nobody. It is up to the caller to close one that takes too long.
  /// - Returns: the stream that is being connected; `nil`: `body` has been called already.
  static func connect(
    to address: SocketAddress, on loop: SocketLoop, then body: @escaping (StreamSocket?) -> Void
  ) -> StreamSocket? {
    let type = Int32(SOCK_STREAM.rawValue) | SEGUE_SOCK_NONBLOCK | SEGUE_SOCK_CLOEXEC
    let descriptor = socket(Int32(address.protocol.rawValue), type, 0)
    guard descriptor >= 0 else {
      body(nil)
      return nil
    }
    if address.protocol != .unix {
      var on: Int32 = 1
      setsockopt(
        descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    let result = address.withSockAddr { Glibc.connect(descriptor, $0, socklen_t($1)) }
    let code = result == 0 ? 0 : errno
    let stream = StreamSocket(descriptor, on: loop, mayBeHalfOpen: false)
    if code == EAGAIN, address.protocol == .unix {
      stream.connected = { isConnected in body(isConnected ? stream : nil) }
      stream.connectLater(to: address)
      return stream
    }
    guard code == 0 || code == EINPROGRESS, stream.open() else {
      stream.close()
      body(nil)
      return nil
    }
    if result == 0 {
      body(stream)
      return nil
    }
    stream.connected = { isConnected in body(isConnected ? stream : nil) }
    return stream
  }

  /// Nanoseconds until a Unix socket whose queue is full is tried again.
  private static let queuePatience: UInt64 = 1_000_000

  /// TCP waits by itself until there is room in a listener's queue; a Unix socket says that there is
  /// none (unix(7), EAGAIN) and leaves the waiting to us. It ends when the caller gives up.
  private func connectLater(to address: SocketAddress) {
    _ = loop.schedule(after: Self.queuePatience) { [self] in
      guard isOpen, let body = connected else { return }
      if address.withSockAddr({ Glibc.connect(descriptor, $0, socklen_t($1)) }) == 0 {
        // The loop's first word of it tells that it is connected.
        if open() { return }
      } else if errno == EAGAIN {
        return connectLater(to: address)
      }
      connected = nil
      close()
      body(false)
    }
  }

  private func finishConnecting(_ body: (Bool) -> Void) {
    connected = nil
    var code: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0, code == 0 else {
      close()
      return body(false)
    }
    body(true)
  }

  /// Gives up a connection that is not there yet; its body is called.
  func abandonConnecting() {
    guard let body = connected else { return }
    connected = nil
    close()
    body(false)
  }

  // MARK: Reading

  func ready(_ events: UInt32) {
    if let connected {
      finishConnecting(connected)
      guard isOpen else { return }
    }
    if events & SEGUE_EPOLL_OUT != 0, pending.readableBytes > 0 || whenOutputEnds != nil {
      flush()
      guard isOpen else { return }
    }
    let ends = SEGUE_EPOLL_PEER_CLOSED | SEGUE_EPOLL_HANGUP | SEGUE_EPOLL_ERROR
    if events & ends != 0 { endIsNear = true }
    if events & SEGUE_EPOLL_ERROR != 0 { isBroken = true }
    if events & (SEGUE_EPOLL_IN | ends) != 0 {
      mayHaveInput = true
      // A client that has gone is not answered, whatever it said before.
      if isBroken, !isReading, mayBeHalfOpen { return end(hasFailed: true) }
      read()
    }
  }

  func readAgain() {
    isQueued = false
    if mayHaveInput { read() }
  }

  private func queue() {
    guard !isQueued else { return }
    isQueued = true
    loop.readAgain(self)
  }

  override func setReading(_ isReading: Bool) {
    guard isReading != self.isReading else { return }
    self.isReading = isReading
    if isReading, mayHaveInput { queue() }
  }

  private func read() {
    if inputHasEnded {
      if isBroken { end(hasFailed: true) }
      return
    }
    var reads = 0
    while isOpen, isReading, !inputHasEnded, reads < Self.readsPerTurn {
      loop.scratch.clear()
      var count = 0
      var room = 0
      loop.scratch.writeWithUnsafeMutableBytes(minimumWritableBytes: 1) { space in
        room = space.count
        count = recv(descriptor, space.baseAddress, room, 0)
        return max(count, 0)
      }
      if count > 0 {
        reads += 1
        let mayBeAll = count < room && !endIsNear
        handler?.streamRead(&loop.scratch)
        guard mayBeAll else { continue }
        mayHaveInput = false
        break
      }
      if count == 0 { return endInput(reads) }
      if errno == EINTR { continue }
      guard errno == EAGAIN else { return end(hasFailed: true) }
      mayHaveInput = false
      break
    }
    guard isOpen else { return }
    if reads > 0 { handler?.streamReadComplete() }
    if isOpen, isReading, mayHaveInput { queue() }
  }

  private func endInput(_ reads: Int) {
    inputHasEnded = true
    mayHaveInput = false
    if reads > 0 { handler?.streamReadComplete() }
    guard isOpen else { return }
    if mayBeHalfOpen { handler?.streamInputEnded() } else { end(hasFailed: false) }
  }

  override func isQuiet() -> Bool {
    guard isOpen else { return false }
    var octet: UInt8 = 0
    let count = recv(descriptor, &octet, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    return count < 0 && errno == EAGAIN
  }

  // MARK: Writing

  override var pendingOctets: Int { pending.readableBytes }

  override func write(_ octets: ByteBuffer) {
    guard isOpen, !outputHasEnded, octets.readableBytes > 0 else { return }
    guard pending.readableBytes == 0, connected == nil else { return append(octets, from: 0) }
    let sent = send(octets)
    if sent < octets.readableBytes, !outputHasEnded { append(octets, from: sent) }
  }

  /// - Returns: how many octets the kernel took.
  private func send(_ octets: ByteBuffer) -> Int {
    let count = octets.withUnsafeReadableBytes { bytes -> Int in
      guard let start = bytes.baseAddress else { return 0 }
      return segue_send(descriptor, start, bytes.count)
    }
    if count >= 0 { return count }
    if errno != EAGAIN { breakOutput() }
    return 0
  }

  /// The peer takes nothing any more. It may have said something before, which the next read finds,
  /// and behind it the end or the error.
  private func breakOutput() {
    outputHasEnded = true
    pending = ByteBuffer()
    isBroken = true
    mayHaveInput = true
    endIsNear = true
    isReading = true
    queue()
  }

  private func append(_ octets: ByteBuffer, from offset: Int) {
    octets.withUnsafeReadableBytes { bytes in
      _ = pending.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    }
    guard isWritable, pending.readableBytes > Self.highWater else { return }
    isWritable = false
    handler?.streamWritabilityChanged()
  }

  private func flush() {
    while pending.readableBytes > 0 {
      let sent = send(pending)
      guard !outputHasEnded else { return }
      guard sent > 0 else { break }
      pending.moveReaderIndex(forwardBy: sent)
    }
    if pending.readableBytes == 0 {
      if pending.capacity > Self.keptCapacity { pending = ByteBuffer() } else { pending.clear() }
      if let body = whenOutputEnds { endOutput(body) }
    } else if pending.readerIndex > Self.highWater {
      pending.discardReadBytes()
    }
    guard isOpen, !isWritable, pending.readableBytes <= Self.lowWater else { return }
    isWritable = true
    handler?.streamWritabilityChanged()
  }

  override func closeOutput(then body: @escaping () -> Void) {
    guard isOpen else { return }
    if pending.readableBytes == 0, connected == nil {
      endOutput(body)
    } else {
      whenOutputEnds = body
    }
  }

  private func endOutput(_ body: () -> Void) {
    whenOutputEnds = nil
    outputHasEnded = true
    shutdown(descriptor, Int32(SHUT_WR))
    body()
  }

  // MARK: Closing

  override func breakOnClose() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
  }

  override func close() { end(hasFailed: false) }

  private func end(hasFailed: Bool) {
    guard isOpen else { return }
    isOpen = false
    isWritable = false
    pending = ByteBuffer()
    whenOutputEnds = nil
    if let slot { loop.remove(slot, descriptor: descriptor) }
    slot = nil
    Glibc.close(descriptor)
    let handler = handler
    self.handler = nil
    handler?.streamClosed(hasFailed: hasFailed)
  }
}
