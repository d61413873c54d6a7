internal import ControlProtocol
internal import Foundation

/// Server-sent events, piece by piece as they come off the wire
/// (WHATWG HTML, section 9.2.6 "Interpreting an event stream").
struct EventParser {
  struct Event: Equatable {
    var id: String?
    var name: String
    var data: Data
  }

  /// Bytes of one event; more is no stream of ours.
  static let maximumEvent = 4 * 1024 * 1024

  private let limit: Int
  private var line: [UInt8] = []
  private var id: String?
  private var name = "message"
  private var data: [UInt8]?
  private var size = 0
  /// A line may end in CR, LF, or CR LF: after a CR, an LF belongs to the line that is over.
  private var sawCarriageReturn = false

  init(limit: Int = maximumEvent) { self.limit = limit }

  /// The events that `bytes` complete, in order.
  mutating func parse(_ bytes: some Sequence<UInt8>) throws(ControlError) -> [Event] {
    var events: [Event] = []
    for byte in bytes {
      let isSecondHalf = byte == UInt8(ascii: "\n") && sawCarriageReturn
      sawCarriageReturn = byte == UInt8(ascii: "\r")
      if isSecondHalf { continue }
      if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
        if let event = endLine() { events.append(event) }
        continue
      }
      size += 1
      guard size <= limit else {
        throw ControlError(.failed, "the control plane sent an event without an end")
      }
      line.append(byte)
    }
    return events
  }

  private mutating func endLine() -> Event? {
    defer { line.removeAll(keepingCapacity: true) }
    guard !line.isEmpty else { return dispatch() }
    let parts = line.split(
      separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
    var value = parts.count > 1 ? parts[1] : []
    if value.first == UInt8(ascii: " ") { value.removeFirst() }
    switch String(decoding: parts[0], as: UTF8.self) {
    case "id": id = String(decoding: value, as: UTF8.self)
    case "event": name = String(decoding: value, as: UTF8.self)
    case "data":
      if data != nil { data?.append(UInt8(ascii: "\n")) }
      data = (data ?? []) + value
    default:
      // An empty field name is a comment: the heartbeat. Unknown fields are to be ignored.
      size -= data == nil ? line.count : 0
    }
    return nil
  }

  private mutating func dispatch() -> Event? {
    defer {
      name = "message"
      data = nil
      size = 0
    }
    guard let data else { return nil }
    return Event(id: id, name: name, data: Data(data))
  }
}
