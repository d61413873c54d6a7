import HTTP2Translation
import TrafficRouting

enum HTTP2Invariants {
  /// Keeps what becomes of each stream, and answers every request that is complete.
  private final class Engine: HTTP2SessionDelegate {
    weak var session: HTTP2Session?
    var readers: [Int32: ConnectionReader] = [:]
    var order: [Int32] = []
    var ended: Set<Int32> = []
    var closed: Set<Int32> = []
    var broken: String?

    func http2Opened(_ stream: Int32) {
      if readers[stream] != nil { broken = "stream \(stream) was opened twice" }
      readers[stream] = ConnectionReader(.requests)
      order.append(stream)
    }

    func http2Received(_ octets: UnsafeRawBufferPointer, on stream: Int32) {
      expectOpen(stream)
      if ended.contains(stream) { broken = "octets after the end of stream \(stream)" }
      readers[stream]?.feed(Array(octets))
      session?.consumed(octets.count, on: stream)
    }

    func http2EndedInput(_ stream: Int32) {
      expectOpen(stream)
      ended.insert(stream)
      Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8).withUnsafeBytes {
        session?.send($0, on: stream)
      }
      session?.endOutput(stream, isWhole: true)
    }

    func http2Closed(_ stream: Int32) {
      expectOpen(stream)
      closed.insert(stream)
    }

    func http2MaySend(_ stream: Int32) {}

    private func expectOpen(_ stream: Int32) {
      if readers[stream] == nil { broken = "stream \(stream) was never opened" }
      if closed.contains(stream) { broken = "stream \(stream) is closed" }
    }
  }

  /// What came out of the octets of a client, which follow its preface.
  private struct Outcome: Equatable {
    var requests: [[WireMessage]] = []
    var fault: HTTP2Fault?
    var isOver = false
  }

  static func session(_ bytes: [UInt8]) throws(BrokenInvariant) {
    let whole = try run([bytes[...]])
    let ways = Pieces.ways(bytes)
    for way in [ways[0], ways[ways.count / 2]] {
      let pieces = try run(way)
      // What a client may still say of a stream depends on whether its response is out.
      guard whole.fault == nil, pieces.fault == nil else { continue }
      // Whoever said goodbye is hung up on as soon as nothing is open, and pieces may come to that first.
      guard !pieces.isOver else { continue }
      try require(
        pieces.requests == whole.requests,
        "other requests in pieces: \(pieces.requests.count), else \(whole.requests.count)")
    }
  }

  private static func run(_ pieces: [ArraySlice<UInt8>]) throws(BrokenInvariant) -> Outcome {
    let engine = Engine()
    let limits = HTTP2Limits()
    let session = HTTP2Session(limits: limits, delegate: engine)
    engine.session = session
    var outcome = Outcome()
    let opening = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
    for piece in [opening[...]] + pieces where outcome.fault == nil {
      Array(piece).withUnsafeBytes { octets in
        do throws(HTTP2Fault) { try session.receive(octets) } catch { outcome.fault = error }
      }
      try require(session.outputCount < limits.outputMark * 2, "\(session.outputCount) octets wait")
      while session.wantsWrite { session.withOutput { $0.count } }
    }
    if let broken = engine.broken { throw BrokenInvariant(description: broken) }
    outcome.isOver = session.isOver
    try require(
      outcome.fault == nil || session.openStreams == 0, "streams are open after the end")
    for stream in engine.order {
      guard let reader = engine.readers[stream] else { continue }
      // What the translation writes is read by our own machine, and means one request.
      try require(
        reader.fault == nil,
        "stream \(stream) became HTTP/1.1 that is refused: \(reader.fault?.reason ?? "")")
      try require(reader.messages.count <= 1, "stream \(stream) became several requests")
      if engine.ended.contains(stream) {
        try require(
          reader.messages.count == 1 && !reader.isInsideMessage,
          "stream \(stream) ended within a request")
      }
      // A request that is broken off, as one that is longer than it said, was passed on as far as it
      // had come.
      if engine.ended.contains(stream) { outcome.requests.append(reader.messages) }
    }
    return outcome
  }
}
