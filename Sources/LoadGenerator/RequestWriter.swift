/// Writes requests: all that is the same for each of them is made once.
struct RequestWriter: Sendable {
  let postIDPrefix: String
  private let get: [UInt8]
  private let postHead: [UInt8]
  private let chunkedHead: [UInt8]
  private let upgrade: [UInt8]
  private let prefix: [UInt8]
  private let padding: Int
  let getPath: String
  let postPath: String
  let websocketPath: String

  init(plan: LoadPlan, target: LoadTarget, postIDPrefix: String) throws(LoadError) {
    let host = plan.host ?? target.authority
    guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw .invalid("\(host) cannot be sent as a host")
    }
    postPath = plan.postPath ?? target.path
    try LoadTarget.checkPath(postPath)
    getPath = target.path
    websocketPath = plan.websocketPath ?? target.path
    try LoadTarget.checkPath(websocketPath)
    self.postIDPrefix = postIDPrefix
    prefix = Array(postIDPrefix.utf8)
    padding = plan.postPadding
    let common = "Host: \(host)\r\nUser-Agent: segue-load\r\nAccept: */*\r\n"
    get = Array("GET \(getPath) HTTP/1.1\r\n\(common)\r\n".utf8)
    let post = "POST \(postPath) HTTP/1.1\r\n\(common)Content-Type: application/json\r\n"
    postHead = Array("\(post)Content-Length: ".utf8)
    chunkedHead = Array("\(post)Transfer-Encoding: chunked\r\n\r\n".utf8)
    upgrade = Array(
      ("GET \(websocketPath) HTTP/1.1\r\n\(common)Connection: Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \(WebsocketFrames.key)\r\n\r\n").utf8)
  }

  func writeGet(into output: inout [UInt8]) {
    output.append(contentsOf: get)
  }

  /// `{"id":"<prefix><number>"}`, followed by spaces up to the padding asked for.
  func writePost(_ number: Int, into output: inout [UInt8]) {
    let digits = Array(String(number).utf8)
    output.append(contentsOf: postHead)
    output.append(contentsOf: String(9 + prefix.count + digits.count + padding).utf8)
    output.append(contentsOf: "\r\n\r\n{\"id\":\"".utf8)
    output.append(contentsOf: prefix)
    output.append(contentsOf: digits)
    output.append(contentsOf: "\"}".utf8)
    output.append(contentsOf: repeatElement(0x20, count: padding))
  }

  /// The same body in three chunks, the id cut in the middle.
  func writeChunkedPost(_ number: Int, into output: inout [UInt8]) {
    let body = Array("{\"id\":\"\(postIDPrefix)\(number)\"}".utf8)
    output.append(contentsOf: chunkedHead)
    let cut = 7 + prefix.count / 2
    for chunk in [body[..<cut], body[cut...], Array(repeating: 0x20, count: padding)[...]]
    where !chunk.isEmpty {
      output.append(contentsOf: "\(String(chunk.count, radix: 16))\r\n".utf8)
      output.append(contentsOf: chunk)
      output.append(contentsOf: "\r\n".utf8)
    }
    output.append(contentsOf: "0\r\n\r\n".utf8)
  }

  /// Asks for a websocket (RFC 6455 section 4.1).
  func writeUpgrade(into output: inout [UInt8]) {
    output.append(contentsOf: upgrade)
  }

  /// What message `number` of the websockets says.
  func message(_ number: Int) -> [UInt8] { prefix + Array("message-\(number)".utf8) }

  /// Why the answer to POST `number` is not an echo of it, or `nil`.
  func findFault(in body: [UInt8], ofPost number: Int, echo: Bool) -> LoadReport.FailureKind? {
    if contains(body, "duplicate".utf8Bytes) { return .duplicate }
    guard echo else { return nil }
    // The quotation mark keeps 12 from passing for 123.
    let id = prefix + Array(String(number).utf8) + [0x22]
    return contains(body, id) ? nil : .echo
  }
}

extension String {
  fileprivate var utf8Bytes: [UInt8] { Array(utf8) }
}
