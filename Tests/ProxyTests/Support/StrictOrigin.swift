import Synchronization

/// An instance that reads requests by the letter of RFC 9112 and by nothing else: a reader of its
/// own, which shares no code with the router's. What no well-behaved sender would send it records as
/// an objection, and hangs up.
final class StrictOrigin: Sendable {
  private final class Books: Sendable {
    let whole = Mutex<[String]>([])
    let heads = Mutex<[String]>([])
    let objections = Mutex<[String]>([])
  }

  private let books: Books
  private let backend: Backend

  var port: Int { backend.port }
  /// The whole requests: method, target and payload of each, with blanks between.
  var requests: [String] { books.whole.withLock { $0 } }
  /// Every head that came whole, also of a request whose body did not.
  var heads: [String] { books.heads.withLock { $0 } }
  var objections: [String] { books.objections.withLock { $0 } }

  init() throws {
    let books = Books()
    self.books = books
    backend = try Backend { socket in
      do {
        var reader = StrictReader(socket)
        while let head = try reader.readHead() {
          books.heads.withLock { $0.append(head.text) }
          let payload = try reader.readBody(of: head)
          let request = "\(head.method) \(head.target) \(payload)"
          books.whole.withLock { $0.append(request) }
          let isHead = head.method == "HEAD"
          try socket.write(
            "HTTP/1.1 200 OK\r\nContent-Length: \(request.utf8.count)\r\n\r\n"
              + (isHead ? "" : request))
        }
      } catch let objection as StrictReader.Objection {
        books.objections.withLock { $0.append(objection.reason) }
      }
    }
  }

  func stop() { backend.stop() }
}

/// Octet by octet, slowly, and without mercy.
struct StrictReader {
  struct Objection: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  struct Head {
    var method = ""
    var target = ""
    var text = ""
    var length: Int?
    var isChunked = false
  }

  private let socket: Socket
  private var buffer: [UInt8] = []
  private var position = 0

  init(_ socket: Socket) { self.socket = socket }

  /// `nil` at the end of the stream.
  private mutating func next() throws -> UInt8? {
    if position == buffer.count {
      buffer = try socket.readSome()
      position = 0
      if buffer.isEmpty { return nil }
    }
    defer { position += 1 }
    return buffer[position]
  }

  /// A line without its CRLF; `nil` at the end of the stream before its first octet.
  private mutating func line(_ where: String) throws -> [UInt8]? {
    var line: [UInt8] = []
    while let octet = try next() {
      switch octet {
      case 10: throw Objection("bare LF in \(`where`)")
      case 13:
        guard let after = try next() else { throw Socket.Failure.ended }
        guard after == 10 else { throw Objection("bare CR in \(`where`)") }
        return line
      default: line.append(octet)
      }
      if line.count > 100_000 { throw Objection("endless \(`where`)") }
    }
    if line.isEmpty { return nil }
    throw Socket.Failure.ended
  }

  private static let tokenMarks = Set("!#$%&'*+-.^_`|~".utf8)

  private static func isToken(_ octets: some Collection<UInt8>) -> Bool {
    !octets.isEmpty
      && octets.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
          || tokenMarks.contains($0)
      }
  }

  mutating func readHead() throws -> Head? {
    guard let first = try line("a request line") else { return nil }
    let parts = first.split(separator: 32, omittingEmptySubsequences: false)
    guard parts.count == 3, Self.isToken(parts[0]) else {
      throw Objection("request line \(String(decoding: first, as: UTF8.self))")
    }
    guard !parts[1].isEmpty, parts[1].allSatisfy({ $0 > 32 && $0 != 127 }) else {
      throw Objection("control character in the target")
    }
    guard parts[2].elementsEqual("HTTP/1.1".utf8) else { throw Objection("not HTTP/1.1") }
    var head = Head(
      method: String(decoding: parts[0], as: UTF8.self),
      target: String(decoding: parts[1], as: UTF8.self))
    if head.method == "CONNECT" { throw Objection("CONNECT") }
    var hosts = 0
    while true {
      guard let field = try line("a head") else { throw Socket.Failure.ended }
      if field.isEmpty { break }
      head.text += String(decoding: field, as: UTF8.self) + "\n"
      let (name, value) = try Self.split(field)
      if name == "host" { hosts += 1 }
      try Self.note(name, value, in: &head)
    }
    guard hosts == 1 else { throw Objection("\(hosts) Host fields") }
    if head.length != nil, head.isChunked {
      throw Objection("Content-Length and Transfer-Encoding")
    }
    return head
  }

  private static func split(_ field: [UInt8]) throws -> (name: String, value: String) {
    guard let colon = field.firstIndex(of: 58), isToken(field[..<colon]) else {
      throw Objection("field \(String(decoding: field, as: UTF8.self))")
    }
    let value = field[(colon + 1)...]
    guard value.allSatisfy({ $0 == 9 || ($0 >= 32 && $0 != 127) }) else {
      throw Objection("control character in a value")
    }
    let text = String(decoding: value, as: UTF8.self)
    return (
      String(decoding: field[..<colon], as: UTF8.self).lowercased(),
      String(text.trimmingPrefix { $0 == " " || $0 == "\t" })
    )
  }

  private static func note(_ name: String, _ value: String, in head: inout Head) throws {
    switch name {
    case "content-length":
      guard head.length == nil, !value.isEmpty, value.utf8.allSatisfy({ (48...57).contains($0) }),
        let length = Int(value)
      else { throw Objection("Content-Length \(value)") }
      head.length = length
    case "transfer-encoding":
      guard !head.isChunked, value == "chunked" else {
        throw Objection("Transfer-Encoding \(value)")
      }
      head.isChunked = true
    case "content_length", "transfer_encoding", "proxy-connection", "keep-alive":
      throw Objection("\(name) was passed on")
    default: break
    }
  }

  mutating func readBody(of head: Head) throws -> String {
    var payload: [UInt8] = []
    if let length = head.length { try take(length, into: &payload) }
    while head.isChunked {
      let size = try chunkSize()
      if size == 0 {
        try readTrailers()
        break
      }
      try take(size, into: &payload)
      guard let end = try line("the end of a chunk") else { throw Socket.Failure.ended }
      guard end.isEmpty else { throw Objection("a chunk longer than its size") }
    }
    return String(decoding: payload, as: UTF8.self)
  }

  private mutating func take(_ count: Int, into payload: inout [UInt8]) throws {
    for _ in 0..<count {
      guard let octet = try next() else { throw Socket.Failure.ended }
      payload.append(octet)
    }
  }

  private mutating func chunkSize() throws -> Int {
    guard let line = try line("a chunk size") else { throw Socket.Failure.ended }
    let digits = line.prefix {
      (48...57).contains($0) || (65...70).contains($0) || (97...102).contains($0)
    }
    let rest = line[digits.endIndex...].drop { $0 == 32 || $0 == 9 }
    guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
      rest.first == 59 || line.count == digits.count,
      rest.allSatisfy({ $0 == 9 || ($0 >= 32 && $0 != 127) })
    else { throw Objection("chunk size \(String(decoding: line, as: UTF8.self))") }
    return size
  }

  private mutating func readTrailers() throws {
    while let trailer = try line("the trailers") {
      if trailer.isEmpty { return }
      let (name, _) = try Self.split(trailer)
      guard !["content-length", "transfer-encoding", "host", "connection"].contains(name) else {
        throw Objection("trailer \(name)")
      }
    }
    throw Socket.Failure.ended
  }
}
