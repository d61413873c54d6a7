/// Frames of a websocket as a client sends and receives them (RFC 6455 section 5), unfragmented and
/// without extensions.
struct WebsocketFrames {
  enum Frame: Hashable {
    case text([UInt8])
    case ping([UInt8])
    case pong
    /// With its status (section 7.4), when there is one.
    case close(Int?)
  }

  enum Opcode: UInt8 {
    case text = 0x1
    case close = 0x8
    case ping = 0x9
    case pong = 0xa
  }

  /// The key of the example in section 1.3, and what it has to be answered with: so that the answer
  /// can be checked without SHA-1.
  static let key = "dGhlIHNhbXBsZSBub25jZQ=="
  static let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
  static let longestPayload = 65_535
  /// A server that goes away, or starts again: the closes that a client expects (section 7.4.1).
  static let politeCloses: Set = [1001, 1012]

  private var pending: [UInt8] = []

  mutating func append(_ bytes: UnsafeRawBufferPointer) { pending.append(contentsOf: bytes) }

  /// The next whole frame.
  mutating func next() throws(ResponseParser.Failure) -> Frame? {
    guard pending.count >= 2 else { return nil }
    guard pending[0] & 0xf0 == 0x80, let opcode = Opcode(rawValue: pending[0] & 0x0f) else {
      throw .malformed("a frame begins with \(pending[0])")
    }
    guard pending[1] & 0x80 == 0 else { throw .malformed("a frame from the server is masked") }
    var start = 2
    var length = Int(pending[1])
    if length == 126 {
      guard pending.count >= 4 else { return nil }
      start = 4
      length = Int(pending[2]) << 8 | Int(pending[3])
    }
    guard length <= Self.longestPayload, pending[1] != 127 else {
      throw .malformed("a frame is longer than \(Self.longestPayload) bytes")
    }
    guard pending.count >= start + length else { return nil }
    let payload = Array(pending[start..<(start + length)])
    pending.removeFirst(start + length)
    switch opcode {
    case .text: return .text(payload)
    case .ping: return .ping(payload)
    case .pong: return .pong
    case .close:
      return .close(payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : nil)
    }
  }

  /// Appends a masked frame with at most 65,535 bytes of payload (section 5.3).
  static func write(_ opcode: Opcode, _ payload: [UInt8], mask: UInt32, into output: inout [UInt8])
  {
    precondition(payload.count <= longestPayload, "a message of ours is short")
    output.append(0x80 | opcode.rawValue)
    if payload.count < 126 {
      output.append(0x80 | UInt8(payload.count))
    } else {
      output.append(0x80 | 126)
      output.append(UInt8(payload.count >> 8))
      output.append(UInt8(payload.count & 0xff))
    }
    let key = (0..<4).map { UInt8(truncatingIfNeeded: mask >> (24 - 8 * $0)) }
    output.append(contentsOf: key)
    for (index, byte) in payload.enumerated() { output.append(byte ^ key[index % 4]) }
  }
}
