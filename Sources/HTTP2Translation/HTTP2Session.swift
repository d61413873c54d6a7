import CNGHTTP2

/// The proxy's engine, as an HTTP/2 connection sees it.
///
/// Calls come only from within ``HTTP2Session/receive(_:)`` and ``HTTP2Session/withOutput(_:)``,
/// and everything but those two may be called from within them. After ``http2Closed(_:)``, or after
/// the engine has called ``HTTP2Session/endOutput(_:isWhole:)`` or ``HTTP2Session/reset(_:_:)``,
/// nothing more is said about a stream.
public protocol HTTP2SessionDelegate: AnyObject {
  /// A new client connection with one request, whose octets follow.
  func http2Opened(_ stream: Int32)
  /// Octets of the request as HTTP/1.1 writes it, valid during the call: first the head in one
  /// piece, then the body in the framing that the head declares.
  func http2Received(_ octets: UnsafeRawBufferPointer, on stream: Int32)
  /// The client is done: the request is complete, and no other follows.
  func http2EndedInput(_ stream: Int32)
  /// The client has reset the stream, or the response is out, or the session has ended: forget it.
  func http2Closed(_ stream: Int32)
  /// What was pending of the response has drained to the low-water mark: more may be sent.
  func http2MaySend(_ stream: Int32)
}

/// The server's side of one HTTP/2 connection, as a machine in memory that speaks HTTP/1.1 with the
/// engine: each stream is a client connection with exactly one request (RFC 9113 section 8).
///
/// Octets from the wire go into ``receive(_:)``. Whenever something was called and ``wantsWrite``
/// is true, ``withOutput(_:)`` has frames for the wire. There is no thread, no clock and no socket
/// in it, and it is for one thread at a time.
public final class HTTP2Session {
  let limits: HTTP2Limits
  weak var delegate: (any HTTP2SessionDelegate)?
  let inner: OpaquePointer
  var streams: [Int32: HTTP2Stream] = [:]
  var output = OctetQueue()
  var budget: CheapFrameBudget
  /// Streams whose pending octets have drained; the engine is yet to be told.
  var drained: [Int32] = []
  /// Within ``receive(_:)`` or the making of frames.
  var isBusy = false
  /// Why the connection cannot go on, once it cannot.
  public internal(set) var fault: HTTP2Fault?

  public init(limits: HTTP2Limits = HTTP2Limits(), delegate: any HTTP2SessionDelegate) {
    self.limits = limits
    self.delegate = delegate
    budget = CheapFrameBudget(limit: limits.cheapFrames, perSecond: limits.cheapFramesPerSecond)
    let raw = segue_h2_limits(
      concurrent_streams: limits.concurrentStreams, stream_window: limits.streamWindow,
      connection_window: limits.connectionWindow, frame: limits.frameOctets,
      header_list: UInt32(clamping: limits.headerListOctets))
    var callbacks = Self.callbacks
    guard let inner = segue_h2_new(true, raw, &callbacks) else {
      preconditionFailure("no memory for an HTTP/2 session")
    }
    self.inner = inner
    segue_h2_set_context(inner, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit { segue_h2_free(inner) }

  /// Whether a connection that begins with these octets speaks HTTP/2 (RFC 9113 section 3.4).
  public static func isPreface(_ prefix: UnsafeRawBufferPointer) -> HTTP2PrefaceMatch {
    let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for (index, octet) in prefix.prefix(preface.utf8CodeUnitCount).enumerated()
    where octet != preface.utf8Start[index] {
      return .no
    }
    return prefix.count < preface.utf8CodeUnitCount ? .needMore : .yes
  }

  // MARK: The wire

  /// Takes octets from the wire.
  ///
  /// - Throws: the reason why the connection is over. What ``withOutput(_:)`` still has tells the
  ///   client, and should be written before the connection is closed; every stream has been closed.
  public func receive(_ octets: UnsafeRawBufferPointer) throws(HTTP2Fault) {
    precondition(!isBusy, "receive(_:) within a call to the delegate")
    if let fault { throw fault }
    isBusy = true
    let result = segue_h2_receive(
      inner, octets.assumingMemoryBound(to: UInt8.self).baseAddress, octets.count)
    isBusy = false
    if result != 0 { fail(Self.fault(of: result)) }
    makeFrames()
    if let fault { throw fault }
  }

  /// Octets of frames that are ready. There may be more to make: see ``wantsWrite``.
  public var outputCount: Int { output.count }

  /// Whether ``withOutput(_:)`` would have something for the wire.
  public var wantsWrite: Bool {
    !output.isEmpty || (fault == nil && segue_h2_wants_write(inner))
  }

  /// Makes frames up to the output mark, and hands out what is ready.
  ///
  /// - Parameter body: writes, and says how many octets it has written. It is not called when there
  ///   is nothing to write, and must not call ``receive(_:)`` or this.
  public func withOutput(_ body: (UnsafeRawBufferPointer) -> Int) {
    makeFrames()
    guard !output.isEmpty else { return }
    let written = output.withOctets(body)
    output.removeFirst(written)
  }

  /// Lets the allowance for cheap frames grow back; to be called about once a second.
  ///
  /// - Parameter now: any clock that does not go back.
  public func tick(now: Duration) { budget.refill(now: now) }

  // MARK: The end

  /// Tells the client to open no more streams, and goes on to serve those that it opens before it
  /// hears of that (RFC 9113 section 6.8).
  public func beginShutdown() {
    guard fault == nil else { return }
    segue_h2_announce_shutdown(inner)
  }

  /// Takes no more streams. To be called a round trip after ``beginShutdown()``; what the client
  /// opens later was never looked at, and it may send that again elsewhere.
  public func finishShutdown() {
    guard fault == nil else { return }
    segue_h2_shut_down(inner)
  }

  /// Requests that are not finished in both directions.
  public var openStreams: Int { streams.count }

  /// Whether there is nothing more to read or to write: the connection can be closed.
  public var isOver: Bool {
    guard output.isEmpty else { return false }
    return fault != nil || !(segue_h2_wants_read(inner) || segue_h2_wants_write(inner))
  }
}
