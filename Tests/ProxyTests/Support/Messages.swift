import Glibc

/// A request as a backend saw it.
struct SeenRequest: Sendable {
  var head: String
  var body: [UInt8]
  /// The body with its chunks and trailers, as it came.
  var rawBody: String

  var line: String { String(head.prefix { $0 != "\r\n" }) }
  var method: String { String(line.split(separator: " ").first ?? "") }
  var path: String { line.split(separator: " ").dropFirst().first.map(String.init) ?? "" }
  func header(_ name: String) -> String? { Messages.header(name, in: head) }
}

/// A response as a client saw it.
struct SeenResponse: Sendable {
  var head: String
  var body: [UInt8]
  var rawBody: String
  /// Interim heads that came before.
  var interim: [String] = []

  var status: Int { Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0 }
  var text: String { String(decoding: body, as: UTF8.self) }
  func header(_ name: String) -> String? { Messages.header(name, in: head) }
  var closes: Bool { header("connection")?.lowercased() == "close" }
}

enum Messages {
  static func header(_ name: String, in head: String) -> String? {
    for line in head.split(separator: "\r\n").dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      guard line[..<colon].lowercased() == name.lowercased() else { continue }
      return line[line.index(after: colon)...].trimmingPrefix { $0 == " " }.description
    }
    return nil
  }

  /// Reads a body as a head describes it.
  static func body(
    of head: String, from socket: Socket, untilCloseAllowed: Bool
  ) throws -> (payload: [UInt8], raw: String) {
    if header("transfer-encoding", in: head)?.lowercased() == "chunked" {
      return try chunkedBody(from: socket)
    }
    if let length = header("content-length", in: head).flatMap(Int.init) {
      let bytes = try socket.readExactly(length)
      return (bytes, length < 100_000 ? String(decoding: bytes, as: UTF8.self) : "")
    }
    guard untilCloseAllowed else { return ([], "") }
    let bytes = try socket.readToEnd()
    return (bytes, String(decoding: bytes, as: UTF8.self))
  }

  private static func chunkedBody(from socket: Socket) throws -> (payload: [UInt8], raw: String) {
    var payload: [UInt8] = []
    var raw = ""
    while true {
      guard let line = try socket.read(through: "\r\n") else { throw Socket.Failure.ended }
      raw += line
      let size = Int(line.prefix { $0.isHexDigit }, radix: 16) ?? 0
      if size == 0 { break }
      let chunk = try socket.readExactly(size + 2)
      payload += chunk.dropLast(2)
      if raw.utf8.count < 100_000 { raw += String(decoding: chunk, as: UTF8.self) }
    }
    while true {
      guard let line = try socket.read(through: "\r\n") else { throw Socket.Failure.ended }
      raw += line
      if line == "\r\n" { return (payload, raw) }
    }
  }
}

extension Socket {
  /// `nil` when the peer closed between requests.
  func readRequest() throws -> SeenRequest? {
    guard let head = try read(through: "\r\n\r\n") else { return nil }
    let (body, raw) = try Messages.body(of: head, from: self, untilCloseAllowed: false)
    return SeenRequest(head: head, body: body, rawBody: raw)
  }

  func readResponse(to method: String = "GET") throws -> SeenResponse {
    var interim: [String] = []
    while true {
      guard let head = try read(through: "\r\n\r\n") else { throw Failure.ended }
      var response = SeenResponse(head: head, body: [], rawBody: "", interim: interim)
      if response.status < 200, response.status != 101 {
        interim.append(head)
        continue
      }
      if method == "HEAD" || [101, 204, 304].contains(response.status) { return response }
      let (body, raw) = try Messages.body(of: head, from: self, untilCloseAllowed: true)
      response.body = body
      response.rawBody = raw
      return response
    }
  }

  func ask(_ text: String, method: String = "GET") throws -> SeenResponse {
    try write(text)
    return try readResponse(to: method)
  }

  func get(_ path: String = "/", headers: String = "") throws -> SeenResponse {
    try ask("GET \(path) HTTP/1.1\r\nHost: shop.test\r\n\(headers)\r\n")
  }

  func post(_ path: String = "/", body: String) throws -> SeenResponse {
    try ask(
      "POST \(path) HTTP/1.1\r\nHost: shop.test\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        + body, method: "POST")
  }

  func answer(_ status: String = "200 OK", headers: String = "", body: String = "") throws {
    try write(
      "HTTP/1.1 \(status)\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
  }
}
