import CNGHTTP2
import HTTP2Translation

/// A well-behaved HTTP/2 client in memory, and the wire between it and a session.
final class TestClient {
  struct Response: Hashable {
    /// Each block of fields as lines of `name: value`: interim heads, the head, trailers.
    var blocks: [[String]] = []
    var body: [UInt8] = []
    var hasEnded = false
    /// The code with which the stream closed.
    var code: UInt32?

    var text: String { String(decoding: body, as: UTF8.self) }
    var status: String { blocks.last { $0.first?.hasPrefix(":status") == true }?.first ?? "" }
  }

  private struct Upload {
    var octets: [UInt8]
    var hasEnded: Bool
    var trailers: [(String, String)]
    var isIdle = false
  }

  let session: HTTP2Session
  let engine: RecordingEngine
  var responses: [Int32: Response] = [:]
  /// Codes of the GOAWAY frames that came.
  var goaways: [UInt32] = []
  /// Whether what comes in is credited at once.
  var reads = true
  var fault: HTTP2Fault?
  private var uploads: [Int32: Upload] = [:]
  private var output: [UInt8] = []
  private let inner: OpaquePointer

  init(limits: HTTP2Limits = HTTP2Limits(), window: UInt32 = 65_535) {
    engine = RecordingEngine()
    session = HTTP2Session(limits: limits, delegate: engine)
    let own = segue_h2_limits(
      concurrent_streams: 0, stream_window: window, connection_window: 16_777_216, frame: 16_384,
      header_list: 1_000_000)
    var callbacks = Self.callbacks
    guard let inner = segue_h2_new(false, own, &callbacks) else { preconditionFailure("memory") }
    self.inner = inner
    segue_h2_set_context(inner, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit { segue_h2_free(inner) }

  static let get: [(String, String)] = [
    (":method", "GET"), (":scheme", "https"), (":path", "/a?b=c"), (":authority", "shop.example"),
  ]
  static let post: [(String, String)] = [(":method", "POST")] + get.dropFirst()

  /// - Parameter body: nil for a request that ends with its head.
  @discardableResult
  func request(
    _ fields: [(String, String)] = get, body: String? = nil, ends: Bool = true,
    trailers: [(String, String)] = []
  ) -> Int32 {
    let (octets, pairs) = Self.block(fields)
    let stream = segue_h2_submit_request(inner, octets, pairs, pairs.count, body != nil)
    precondition(stream > 0)
    if let body {
      uploads[stream] = Upload(octets: Array(body.utf8), hasEnded: ends, trailers: trailers)
    }
    responses[stream] = Response()
    return stream
  }

  func upload(_ octets: [UInt8], on stream: Int32, ends: Bool = false) {
    uploads[stream]?.octets += octets
    if ends { uploads[stream]?.hasEnded = true }
    segue_h2_resume(inner, stream)
  }

  /// Octets of an upload that have not left.
  func waiting(_ stream: Int32) -> Int { uploads[stream]?.octets.count ?? 0 }

  func reset(_ stream: Int32, _ code: HTTP2ErrorCode = .cancel) {
    segue_h2_reset(inner, stream, code.rawValue)
  }

  func ping() { segue_h2_ping(inner) }

  /// Gives credit for what came without it.
  func credit(_ count: Int, on stream: Int32) { segue_h2_consume(inner, stream, count) }

  /// Carries octets both ways until neither side has any.
  func exchange() {
    while true {
      let forth = takeOutput()
      if fault == nil, !forth.isEmpty {
        do throws(HTTP2Fault) { try session.receive(forth) } catch { fault = error }
      }
      let back = session.takeOutput()
      if !back.isEmpty { precondition(segue_h2_receive(inner, back, back.count) == 0) }
      if forth.isEmpty, back.isEmpty { return }
    }
  }

  /// What the client would write now.
  func takeOutput() -> [UInt8] {
    while true {
      var octets: UnsafePointer<UInt8>?
      let count = segue_h2_pull(inner, &octets)
      guard count > 0 else { break }
      output += UnsafeBufferPointer(start: octets, count: count)
    }
    defer { output = [] }
    return output
  }

  private static func block(_ fields: [(String, String)]) -> ([UInt8], [segue_h2_field]) {
    var octets: [UInt8] = []
    let pairs = fields.map { name, value in
      defer { octets += Array(name.utf8) + Array(value.utf8) }
      return segue_h2_field(
        name_start: UInt32(octets.count), name_length: UInt32(name.utf8.count),
        value_start: UInt32(octets.count + name.utf8.count), value_length: UInt32(value.utf8.count))
    }
    return (octets, pairs)
  }

  // MARK: What the frame layer calls

  private static func of(_ context: UnsafeMutableRawPointer) -> TestClient {
    Unmanaged.fromOpaque(context).takeUnretainedValue()
  }

  private func supply(_ stream: Int32, _ limit: Int) -> segue_h2_supply {
    guard let upload = uploads[stream] else {
      return segue_h2_supply(count: SEGUE_H2_LOST, is_last: false, has_trailers: false)
    }
    let count = min(upload.octets.count, limit)
    guard count > 0 || upload.hasEnded else {
      return segue_h2_supply(count: SEGUE_H2_LATER, is_last: false, has_trailers: false)
    }
    let isLast = upload.hasEnded && count == upload.octets.count
    if isLast, !upload.trailers.isEmpty {
      let (octets, pairs) = Self.block(upload.trailers)
      segue_h2_submit_trailers(inner, stream, octets, pairs, pairs.count)
    }
    return segue_h2_supply(
      count: count, is_last: isLast, has_trailers: isLast && !upload.trailers.isEmpty)
  }

  private func received(_ frame: segue_h2_frame) {
    if frame.type == 7 { goaways.append(frame.code) }
    if frame.type <= 1, frame.flags & 1 == 1 { responses[frame.stream]?.hasEnded = true }
  }

  private static let callbacks = segue_h2_callbacks(
    block_began: { context, stream, _ in of(context).responses[stream]?.blocks.append([]) },
    field: { context, stream, name, nameLength, value, valueLength in
      let name = String(
        decoding: UnsafeBufferPointer(start: name, count: nameLength), as: UTF8.self)
      let value = String(
        decoding: UnsafeBufferPointer(start: value, count: valueLength), as: UTF8.self)
      let client = of(context)
      guard let last = client.responses[stream]?.blocks.count else { return }
      client.responses[stream]?.blocks[last - 1].append("\(name): \(value)")
    },
    bad_field: { _, _ in preconditionFailure("the session sent a malformed field") },
    received: { context, frame in of(context).received(frame) },
    data: { context, stream, octets, count in
      let client = of(context)
      client.responses[stream]?.body += UnsafeBufferPointer(start: octets, count: count)
      if client.reads { segue_h2_consume(client.inner, stream, count) }
    },
    sent: { _, _ in },
    closed: { context, stream, code in of(context).responses[stream]?.code = code },
    supply: { context, stream, limit in of(context).supply(stream, limit) },
    payload: { context, stream, head, count in
      let client = of(context)
      client.output += UnsafeBufferPointer(start: head, count: 9)
      client.output += client.uploads[stream]?.octets.prefix(count) ?? []
      client.uploads[stream]?.octets.removeFirst(count)
      return true
    })
}
