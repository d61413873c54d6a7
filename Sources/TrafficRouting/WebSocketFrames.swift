/// Follows the frames of a websocket (RFC 6455 section 5.2) through the octets that carry them, so far
/// as to know where one ends: only there can the router say a word of its own.
public struct WebSocketFrames: Hashable, Sendable {
  private enum State: Hashable {
    case start
    case length
    /// Octets of the extended length that are still to come, and its value so far.
    case extended(left: Int, value: UInt64, isMasked: Bool)
    /// Octets of mask and payload that are still to come.
    case payload(left: UInt64)
  }

  private var state = State.start

  public init() {}

  /// Between two frames.
  public var isAtBoundary: Bool { state == .start }

  /// Passes over octets.
  public mutating func advance(over bytes: Span<UInt8>) {
    var offset = 0
    while offset < bytes.count {
      switch state {
      case .start:
        state = .length
        offset += 1
      case .length:
        let byte = bytes[offset]
        offset += 1
        begin(length: byte & 0x7F, isMasked: byte & 0x80 != 0)
      case .extended(let left, let value, let isMasked):
        let next = value << 8 | UInt64(bytes[offset])
        offset += 1
        if left == 1 {
          expect(next, isMasked: isMasked)
        } else {
          state = .extended(left: left - 1, value: next, isMasked: isMasked)
        }
      case .payload(let left):
        let count = min(left, UInt64(bytes.count - offset))
        offset += Int(count)
        state = left == count ? .start : .payload(left: left - count)
      }
    }
  }

  private mutating func begin(length: UInt8, isMasked: Bool) {
    switch length {
    case 126: state = .extended(left: 2, value: 0, isMasked: isMasked)
    case 127: state = .extended(left: 8, value: 0, isMasked: isMasked)
    default: expect(UInt64(length), isMasked: isMasked)
    }
  }

  private mutating func expect(_ length: UInt64, isMasked: Bool) {
    let (sum, overflow) = length.addingReportingOverflow(isMasked ? 4 : 0)
    let left = overflow ? UInt64.max : sum
    state = left == 0 ? .start : .payload(left: left)
  }

  /// A server's Close frame: 1001, it is going away (RFC 6455 section 7.4.1).
  public static let goingAway: [UInt8] = [0x88, 0x02, 0x03, 0xE9]
}
