import Glibc

/// Reads one HTTP/1.1 response after another from bytes as they come (RFC 9112).
///
/// Stricter than a browser, on purpose: what a proxy must not produce is an error here. Buffers are
/// kept from one response to the next, so that reading allocates nothing in the steady state.
struct ResponseParser {
  enum Failure: Error, Hashable {
    case malformed(String)
  }

  private enum Phase: Hashable {
    case statusLine
    case fields
    case fixed(remaining: Int)
    case chunkSize
    case chunk(remaining: Int)
    case chunkEnd
    case trailers
    case untilClose
    case complete
  }

  static let longestLine = 16_384
  static let longestHead = 65_536
  static let longestKeptBody = 2_097_152

  private var phase = Phase.statusLine
  /// A line of which the end has not come yet.
  private var partial: [UInt8] = []
  private var headBytes = 0
  private var contentLength: Int?
  private var isChunked = false
  private var isVersion10 = false
  private var saidKeepAlive = false

  private(set) var status = 0
  /// Whether the connection must not be used again after this response.
  private(set) var closes = false
  /// The value of `X-Version`; empty when there is none.
  private(set) var version: [UInt8] = []
  /// The body, when it is kept.
  private(set) var body: [UInt8] = []
  /// Bytes of this response so far.
  private(set) var received = 0
  private var keepsBody = false
  private var switchesProtocol = false
  /// The value of `Sec-WebSocket-Accept`; empty when there is none.
  private(set) var accept: [UInt8] = []

  var isComplete: Bool { phase == .complete }

  /// Makes ready for the next response.
  ///
  /// - Parameter switchesProtocol: whether 101 is an answer, after which there is no more HTTP.
  mutating func reset(keepsBody: Bool, switchesProtocol: Bool = false) {
    self.switchesProtocol = switchesProtocol
    accept.removeAll(keepingCapacity: true)
    phase = .statusLine
    partial.removeAll(keepingCapacity: true)
    received = 0
    closes = false
    self.keepsBody = keepsBody
    body.removeAll(keepingCapacity: true)
    version.removeAll(keepingCapacity: true)
    status = 0
    resetHead()
  }

  private mutating func resetHead() {
    headBytes = 0
    contentLength = nil
    isChunked = false
    isVersion10 = false
    saidKeepAlive = false
  }

  /// Takes bytes up to the end of this response and returns how many it took.
  mutating func consume(_ input: UnsafeRawBufferPointer) throws(Failure) -> Int {
    var offset = 0
    while offset < input.count, phase != .complete {
      let rest = UnsafeRawBufferPointer(rebasing: input[offset...])
      let taken: Int
      switch phase {
      case .statusLine, .fields, .chunkSize, .chunkEnd, .trailers: taken = try takeLine(rest)
      case .fixed(let remaining):
        taken = min(remaining, rest.count)
        try keep(rest, taken)
        phase = taken == remaining ? .complete : .fixed(remaining: remaining - taken)
      case .chunk(let remaining):
        taken = min(remaining, rest.count)
        try keep(rest, taken)
        phase = taken == remaining ? .chunkEnd : .chunk(remaining: remaining - taken)
      case .untilClose:
        taken = rest.count
        try keep(rest, taken)
      case .complete: taken = 0
      }
      offset += taken
      received += taken
    }
    return offset
  }

  /// The connection has ended. True when that completes the response.
  mutating func endOfInput() -> Bool {
    guard phase == .untilClose else { return false }
    phase = .complete
    return true
  }

  private mutating func keep(_ bytes: UnsafeRawBufferPointer, _ count: Int) throws(Failure) {
    guard keepsBody else { return }
    guard body.count + count <= Self.longestKeptBody else {
      throw .malformed("the answer to a POST is longer than \(Self.longestKeptBody) bytes")
    }
    body.append(contentsOf: bytes.prefix(count))
  }

  // MARK: Lines

  private mutating func takeLine(_ input: UnsafeRawBufferPointer) throws(Failure) -> Int {
    let end = input.firstIndex(of: 0x0a)
    let taken = end.map { $0 + 1 } ?? input.count
    guard partial.count + taken <= Self.longestLine else { throw .malformed("a line is too long") }
    headBytes += taken
    guard headBytes <= Self.longestHead else { throw .malformed("the head is too long") }
    guard end != nil else {
      partial.append(contentsOf: input)
      return taken
    }
    if partial.isEmpty {
      try take(line: UnsafeRawBufferPointer(rebasing: input[..<taken]))
    } else {
      partial.append(contentsOf: input[..<taken])
      var line: [UInt8] = []
      swap(&line, &partial)
      let result = line.withUnsafeBytes { bytes in
        Result { () throws(Failure) in try take(line: bytes) }
      }
      line.removeAll(keepingCapacity: true)
      swap(&line, &partial)
      try result.get()
    }
    return taken
  }

  /// `line` ends with a line feed.
  private mutating func take(line: UnsafeRawBufferPointer) throws(Failure) {
    guard line.count >= 2, line[line.count - 2] == 0x0d else {
      throw .malformed("a line ends without a carriage return")
    }
    let text = UnsafeRawBufferPointer(rebasing: line[..<(line.count - 2)])
    switch phase {
    case .statusLine: try takeStatusLine(text)
    case .fields: text.isEmpty ? try endHead() : try takeField(text)
    case .chunkSize: try takeChunkSize(text)
    case .chunkEnd:
      guard text.isEmpty else { throw .malformed("a chunk is longer than it said") }
      headBytes = 0
      phase = .chunkSize
    case .trailers: if text.isEmpty { phase = .complete }
    case .fixed, .chunk, .untilClose, .complete:
      preconditionFailure("no line is expected in a body")
    }
  }

  private mutating func takeStatusLine(_ text: UnsafeRawBufferPointer) throws(Failure) {
    // HTTP/1.1 200 OK
    guard text.count >= 12, text.starts(with: "HTTP/1.".utf8), text[8] == 0x20,
      text[7] == 0x30 || text[7] == 0x31, text.count == 12 || text[12] == 0x20
    else { throw .malformed("no status line, but \(quote(text))") }
    var number = 0
    for index in 9..<12 {
      guard let digit = decimalDigit(text[index]) else {
        throw .malformed("no status in \(quote(text))")
      }
      number = number * 10 + digit
    }
    guard number >= 100 else { throw .malformed("no status in \(quote(text))") }
    status = number
    isVersion10 = text[7] == 0x30
    phase = .fields
  }

  private mutating func takeField(_ text: UnsafeRawBufferPointer) throws(Failure) {
    guard let colon = text.firstIndex(of: 0x3a), colon > 0, text[0] != 0x20, text[0] != 0x09,
      text[colon - 1] != 0x20, text[colon - 1] != 0x09
    else { throw .malformed("no field, but \(quote(text))") }
    // The length of the name tells these four apart from nearly all others.
    switch colon {
    case 9 where hasName(text, "x-version"):
      version.removeAll(keepingCapacity: true)
      version.append(contentsOf: trimmed(text, from: colon + 1))
    case 10 where hasName(text, "connection"):
      let value = trimmed(text, from: colon + 1)
      if containsToken(value, "close") { closes = true }
      if containsToken(value, "keep-alive") { saidKeepAlive = true }
    case 14 where hasName(text, "content-length"):
      let value = trimmed(text, from: colon + 1)
      guard let length = decimal(value), contentLength == nil || contentLength == length else {
        throw .malformed("the length is \(quote(value))")
      }
      contentLength = length
    case 20 where hasName(text, "sec-websocket-accept"):
      accept = Array(trimmed(text, from: colon + 1))
    case 17 where hasName(text, "transfer-encoding"):
      let value = trimmed(text, from: colon + 1)
      guard equalsIgnoringCase(value, "chunked"), !isChunked else {
        throw .malformed("the transfer encoding is \(quote(value))")
      }
      isChunked = true
    default: break
    }
  }

  /// Decides where the body ends (RFC 9112 section 6.3).
  private mutating func endHead() throws(Failure) {
    if status == 101, switchesProtocol {
      phase = .complete
      return
    }
    if status < 200 {
      guard status != 101 else { throw .malformed("switched to a protocol nobody asked for") }
      // An interim response (RFC 9110 section 15.2): the final one follows.
      resetHead()
      closes = false
      version.removeAll(keepingCapacity: true)
      phase = .statusLine
      return
    }
    guard !(isChunked && contentLength != nil) else {
      throw .malformed("both a length and a transfer encoding")
    }
    if isVersion10, !saidKeepAlive { closes = true }
    headBytes = 0
    if status == 204 || status == 304 {
      phase = .complete
    } else if isChunked {
      phase = .chunkSize
    } else if let contentLength {
      phase = contentLength == 0 ? .complete : .fixed(remaining: contentLength)
    } else {
      closes = true
      phase = .untilClose
    }
  }

  private mutating func takeChunkSize(_ text: UnsafeRawBufferPointer) throws(Failure) {
    let digits = text.prefix { $0 != 0x3b }
    guard !digits.isEmpty, digits.count <= 8 else {
      throw .malformed("the size of a chunk is \(quote(text))")
    }
    var size = 0
    for byte in digits {
      guard let digit = hexadecimalDigit(byte) else {
        throw .malformed("the size of a chunk is \(quote(text))")
      }
      size = size << 4 | digit
    }
    headBytes = 0
    phase = size == 0 ? .trailers : .chunk(remaining: size)
  }
}
