/// Writes requests: all that is the same for each of them is made once.
struct RequestWriter: Sendable {
  let postIDPrefix: String
  private let get: [UInt8]
  private let postHead: [UInt8]
  private let prefix: [UInt8]
  private let padding: Int
  let getPath: String
  let postPath: String

  init(plan: LoadPlan, target: LoadTarget, postIDPrefix: String) throws(LoadError) {
    let host = plan.host ?? target.authority
    guard host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw .invalid("\(host) cannot be sent as a host")
    }
    postPath = plan.postPath ?? target.path
    try LoadTarget.checkPath(postPath)
    getPath = target.path
    self.postIDPrefix = postIDPrefix
    prefix = Array(postIDPrefix.utf8)
    padding = plan.postPadding
    let common = "Host: \(host)\r\nUser-Agent: segue-load\r\nAccept: */*\r\n"
    get = Array("GET \(getPath) HTTP/1.1\r\n\(common)\r\n".utf8)
    postHead = Array(
      "POST \(postPath) HTTP/1.1\r\n\(common)Content-Type: application/json\r\nContent-Length: "
        .utf8)
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
