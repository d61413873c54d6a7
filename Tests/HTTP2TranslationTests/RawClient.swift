import HTTP2Translation

/// A client that writes whatever frames it likes.
final class RawClient {
  /// A frame as it stands on the wire.
  struct Frame: Hashable {
    var type: UInt8
    var flags: UInt8 = 0
    var stream: Int32 = 0
    var payload: [UInt8] = []

    var octets: [UInt8] {
      let count = payload.count
      return [UInt8(count >> 16), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags]
        + RawClient.word(UInt32(bitPattern: stream)) + payload
    }

    /// The error code of RST_STREAM or GOAWAY.
    var code: UInt32 {
      payload.dropFirst(type == 7 ? 4 : 0).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    static func headers(
      _ fields: [(String, String)], on stream: Int32 = 1, ends: Bool = true, ready: Bool = true
    ) -> Frame {
      Frame(
        type: 1, flags: (ends ? 1 : 0) | (ready ? 4 : 0), stream: stream,
        payload: RawClient.compress(fields))
    }

    static func data(_ text: String, on stream: Int32 = 1, ends: Bool = false) -> Frame {
      Frame(type: 0, flags: ends ? 1 : 0, stream: stream, payload: Array(text.utf8))
    }

    static func reset(_ stream: Int32, _ code: UInt32 = 8) -> Frame {
      Frame(type: 3, stream: stream, payload: RawClient.word(code))
    }

    static let settings = Frame(type: 4)
    static let ping = Frame(type: 6, payload: [1, 2, 3, 4, 5, 6, 7, 8])
  }

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  let session: HTTP2Session
  let engine = RecordingEngine()
  var frames: [Frame] = []
  var fault: HTTP2Fault?

  init(
    limits: HTTP2Limits = HTTP2Limits(), opening: [UInt8] = preface + Frame.settings.octets
  ) {
    session = HTTP2Session(limits: limits, delegate: engine)
    write(opening)
  }

  func write(_ frames: Frame...) { write(frames.flatMap(\.octets)) }

  /// Writes octets, and reads what comes back.
  func write(_ octets: [UInt8]) {
    do throws(HTTP2Fault) { try session.receive(octets) } catch { fault = error }
    read()
  }

  func read() {
    var left = session.takeOutput()[...]
    while left.count >= 9 {
      let head = Array(left.prefix(9))
      let count = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
      let stream = head[5...8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      frames.append(
        Frame(
          type: head[3], flags: head[4], stream: Int32(stream & 0x7FFF_FFFF),
          payload: Array(left.dropFirst(9).prefix(count))))
      left = left.dropFirst(9 + count)
    }
    precondition(left.isEmpty, "half a frame")
  }

  func resetCode(_ stream: Int32 = 1) -> UInt32? {
    frames.first { $0.type == 3 && $0.stream == stream }?.code
  }

  var goawayCode: UInt32? { frames.last { $0.type == 7 }?.code }

  static func word(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  /// Literals without indexing and without Huffman coding (RFC 7541 section 6.2.2).
  static func compress(_ fields: [(String, String)]) -> [UInt8] {
    fields.flatMap { name, value in
      [0] + literal(Array(name.utf8)) + literal(Array(value.utf8))
    }
  }

  private static func literal(_ octets: [UInt8]) -> [UInt8] {
    guard octets.count >= 127 else { return [UInt8(octets.count)] + octets }
    var prefix: [UInt8] = [127]
    var left = octets.count - 127
    while left >= 128 {
      prefix.append(UInt8(left & 127 | 128))
      left >>= 7
    }
    return prefix + [UInt8(left)] + octets
  }
}
