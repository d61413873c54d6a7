import Foundation
import Ports
import TrafficRouting

/// The bodies of answers that the router gives in its own name.
///
/// A client gets what it asks for in `Accept`: a page, JSON, or a line of text. Pages may be somebody's
/// own, and then they say what those say.
struct ErrorPages: Sendable {
  enum Form {
    case text, html, json
  }

  /// Octets of a page of one's own.
  static let limit = 65_536
  /// By what their names say: `502`, or `5xx` for all of a class.
  private var own: [String: String] = [:]

  init() {}

  /// Reads `502.html`, `5xx.html` and the like from a directory; other files are left alone.
  ///
  /// - Throws: `PortError` when the directory or a page cannot be read, or a page is too large.
  init(directory: String) throws(PortError) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: directory)
    } catch {
      throw Self.fault("The error pages in \(directory) cannot be read", "\(error)")
    }
    for name in names.sorted() where name.hasSuffix(".html") {
      let status = String(name.dropLast(5))
      guard Self.isStatus(status) else { continue }
      let path = directory + "/" + name
      let page: Data
      do {
        page = try Data(contentsOf: URL(fileURLWithPath: path))
      } catch {
        throw Self.fault("The error page \(path) cannot be read", "\(error)")
      }
      guard page.count <= Self.limit else {
        throw Self.fault(
          "The error page \(path) is too large",
          "it has \(page.count) octets, \(Self.limit) at most")
      }
      own[status] = String(decoding: page, as: UTF8.self)
    }
  }

  private static func fault(_ what: String, _ cause: String) -> PortError {
    PortError(
      what, fault: .user, retry: .never, causes: [cause],
      nextStep: "Give a directory with pages such as 502.html or 5xx.html")
  }

  private static func isStatus(_ text: String) -> Bool {
    let digits = Array(text.utf8)
    guard digits.count == 3, digits[0] == 52 || digits[0] == 53 else { return false }
    return text.hasSuffix("xx") || digits.allSatisfy { (48...57).contains($0) }
  }

  /// What the client would rather have. The first of the forms that it names counts; weights would say
  /// the same of any browser and any tool.
  static func form(_ head: Span<UInt8>, _ fields: FieldBlock) -> Form {
    guard let accept = fields.value(of: Array("accept".utf8), in: head) else { return .text }
    let value = String(decoding: accept.prefix(1_024).map { head[$0] }, as: UTF8.self).lowercased()
    for part in value.split(separator: ",") {
      let type = part.prefix { $0 != ";" }.filter { $0 != " " }
      if type == "text/html" { return .html }
      if type == "application/json" || type.hasSuffix("+json") { return .json }
      if type == "text/plain" { return .text }
    }
    return .text
  }

  /// - Parameter id: the request's, if it has one.
  func body(
    _ status: Int, _ phrase: String, reason: String, id: String?, form: Form
  ) -> (type: String, octets: String) {
    switch form {
    case .text:
      let name = id.map { "Request: \($0)\n" } ?? ""
      return ("text/plain; charset=utf-8", "Segue: \(status) \(phrase): \(reason)\n\(name)")
    case .json:
      let name = id.map { ",\"request\":\"\($0)\"" } ?? ""
      // Reasons are sentences of ours, and ids visible ASCII.
      let quoted = reason.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      return (
        "application/json", "{\"status\":\(status),\"error\":\"\(quoted)\"\(name)}\n"
      )
    case .html:
      let page = own["\(status)"] ?? own["\(status / 100)xx"] ?? Self.page
      return (
        "text/html; charset=utf-8",
        page.replacing("{{status}}", with: "\(status)").replacing("{{phrase}}", with: phrase)
          .replacing("{{reason}}", with: Self.escaped(reason))
          .replacing("{{request}}", with: Self.escaped(id ?? ""))
      )
    }
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }

  private static let page = """
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>{{status}} {{phrase}}</title>
    <style>
    body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 20vh auto; padding: 0 1rem }
    h1 { font-size: 1.5rem } small { color: #667 }
    @media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } }
    </style>
    <h1>{{status}} {{phrase}}</h1>
    <p>{{reason}}.</p>
    <p><small>{{request}}</small></p>

    """
}
