import NIOCore
import SegueModel
import TrafficRouting

/// A name that the router makes for a request: 128 random bits.
struct RequestWords {
  var high: UInt64
  var low: UInt64
}

/// What instances and operators are told of a request: its name, where it came from, how it ended.
extension ClientConnection {
  /// Names the request whose head has just been read.
  func nameRequest() {
    let head = head
    requestID =
      peer.isTrusted
      ? RequestID.choose(
        head.readableBytesUInt8Span, parser.block, isTrusted: true, words: worker.randomWords())
      : .made(worker.random.word(), worker.random.word())
    octetsOut = 0
    heldTotal = 0
    lastFailure = nil
    isNoted = false
  }

  /// The request's name as text; `nil` while there is none.
  var requestName: String? {
    guard worker.naming.ids, phase != .head else { return nil }
    let head = head
    var octets: [UInt8] = []
    requestID.write(head.readableBytesUInt8Span, to: &octets)
    return String(decoding: octets, as: UTF8.self)
  }

  /// What ``MessageWriter`` is told of them.
  struct OwnLines {
    var lines: ByteBuffer
    var name: RequestWords?
    var replaced: ReplacedFields = []
    var saysHost = false
  }

  /// The lines of the router's own in a request's head, and which of the client's they replace.
  func ownLines() -> OwnLines {
    let naming = worker.naming
    guard naming.traces != .passOn || naming.forwarded || peer.isTrusted else {
      guard naming.ids, case .made(let high, let low) = requestID else {
        return OwnLines(lines: peer.forwarded)
      }
      return OwnLines(
        lines: peer.forwarded, name: RequestWords(high: high, low: low), replaced: .requestID)
    }
    let head = head
    let bytes = head.readableBytesUInt8Span
    var replaced: ReplacedFields = []
    var saysHost = false
    worker.lines.removeAll(keepingCapacity: true)
    if peer.isTrusted {
      ForwardedChain.write(
        bytes, parser.block, client: peer.octets, isTLS: peer.isSecure, to: &worker.lines)
      saysHost = ForwardedChain.saysHost(bytes, parser.block)
    }
    if naming.ids {
      replaced.insert(.requestID)
      worker.lines.append(contentsOf: Self.requestIDName)
      requestID.write(bytes, to: &worker.lines)
      worker.lines.append(contentsOf: Self.lineEnd)
    }
    if case .begin(let isSampled) = naming.traces { writeTrace(isSampled, &replaced) }
    if naming.forwarded { writeForwarded() }
    worker.stamp.clear()
    if !peer.isTrusted { worker.stamp.writeImmutableBuffer(peer.forwarded) }
    worker.stamp.writeBytes(worker.lines)
    return OwnLines(lines: worker.stamp, replaced: replaced, saysHost: saysHost)
  }

  private static let requestIDName = Array("X-Request-Id: ".utf8)
  private static let lineEnd = Array("\r\n".utf8)

  private func writeTrace(_ isSampled: Bool, _ replaced: inout ReplacedFields) {
    let head = head
    let bytes = head.readableBytesUInt8Span
    let random = worker.randomWords()
    let trace = TraceContext.choose(
      bytes, parser.block, words: (random.0, random.1, worker.random.word()), samples: isSampled)
    guard case .begun = trace else { return }
    replaced.insert(.trace)
    worker.lines.append(contentsOf: "traceparent: ".utf8)
    trace.write(bytes, to: &worker.lines)
    worker.lines.append(contentsOf: Self.lineEnd)
  }

  private func writeForwarded() {
    let head = head
    let bytes = head.readableBytesUInt8Span
    worker.lines.append(contentsOf: "Forwarded: ".utf8)
    if peer.isTrusted {
      for field in parser.block.fields where field.kind == .forwarded && field.name.count == 9 {
        guard isForwarded(bytes, field.name) else { continue }
        for index in field.value { worker.lines.append(bytes[index]) }
        worker.lines.append(contentsOf: ", ".utf8)
      }
    }
    ForwardedElement.write(
      client: peer.octets, host: bytes.extracting(parser.authority), isTLS: peer.isSecure,
      to: &worker.lines)
    worker.lines.append(contentsOf: Self.lineEnd)
  }

  /// `X-Real-IP` has as many octets.
  private func isForwarded(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
    bytes[name.lowerBound] | 0x20 == UInt8(ascii: "f")
  }

  // MARK: The access log

  /// Notes how the request ended, once.
  ///
  /// - Parameter status: what the client was told; 0: nothing.
  func noteAccess(status: Int) {
    guard let lane = worker.accessLane, !isNoted else { return }
    isNoted = true
    let head = phase == .head ? worker.empty : head
    let bytes = head.readableBytesUInt8Span
    var entry = AccessEntry(id: requestID, client: peer.octets)
    if phase != .head {
      entry.method = parser.methodRange
      entry.host = parser.authority
      entry.path = parser.path
      let now = worker.readClock()
      entry.duration = now > startedAt ? (now - startedAt) / 1_000 : 0
      entry.held = (heldTotal + (isHeld ? heldSpan : 0)) / 1_000
      entry.service = service?.key
      entry.attempts = sentAttempts
      if peer.isTrusted,
        let said = ForwardedChain.client(bytes, parser.block, trusted: worker.naming.trusted)
      {
        entry.client.removeAll()
        for index in said { entry.client.append(bytes[index]) }
      }
    }
    entry.status = status
    entry.octetsOut = octetsOut
    entry.release = tally?.release
    entry.instance = instance?.endpoint.instance
    if responseStatus != 0 {
      entry.upstream = .answered(responseStatus)
    } else if let lastFailure {
      entry.upstream = .failed(lastFailure.reason)
    }
    entry.version = stream.isVirtual ? .http2 : parser.minorVersion == 0 ? .http10 : .http11
    entry.isTLS = peer.isSecure
    lane.note(entry, head: bytes)
  }
}
