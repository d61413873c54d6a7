import HTTP2Translation

/// The engine's side of the virtual connections: it keeps what it is told, and answers as it is
/// told.
final class RecordingEngine: HTTP2SessionDelegate {
  struct Connection: Hashable {
    var input = ""
    var hasEnded = false
    var isClosed = false
    var maySend = 0
  }

  var connections: [Int32: Connection] = [:]
  /// In the order in which it heard of them.
  var opened: [Int32] = []
  /// Called at once, from within the session.
  var onOpened: (Int32) -> Void = { _ in }
  var onReceived: (Int32) -> Void = { _ in }
  var onEnded: (Int32) -> Void = { _ in }
  var onMaySend: (Int32) -> Void = { _ in }

  func http2Opened(_ stream: Int32) {
    opened.append(stream)
    connections[stream] = Connection()
    onOpened(stream)
  }

  func http2Received(_ octets: UnsafeRawBufferPointer, on stream: Int32) {
    connections[stream, default: Connection()].input += String(decoding: octets, as: UTF8.self)
    onReceived(stream)
  }

  func http2EndedInput(_ stream: Int32) {
    connections[stream, default: Connection()].hasEnded = true
    onEnded(stream)
  }

  func http2Closed(_ stream: Int32) {
    connections[stream, default: Connection()].isClosed = true
  }

  func http2MaySend(_ stream: Int32) {
    connections[stream, default: Connection()].maySend += 1
    onMaySend(stream)
  }

  /// Streams that it believes to be open.
  var openConnections: [Int32] { connections.filter { !$0.value.isClosed }.keys.sorted() }

  func input(_ stream: Int32) -> String { connections[stream]?.input ?? "" }
}

extension HTTP2Session {
  func send(_ text: String, on stream: Int32) {
    Array(text.utf8).withUnsafeBytes { send($0, on: stream) }
  }

  func receive(_ octets: [UInt8]) throws(HTTP2Fault) {
    var problem: HTTP2Fault?
    octets.withUnsafeBytes { buffer in
      do throws(HTTP2Fault) { try receive(buffer) } catch { problem = error }
    }
    if let problem { throw problem }
  }

  /// Everything for the wire.
  func takeOutput() -> [UInt8] {
    var taken: [UInt8] = []
    while wantsWrite {
      withOutput {
        taken += $0
        return $0.count
      }
    }
    return taken
  }
}
