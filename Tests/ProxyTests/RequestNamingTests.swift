import Foundation
import Glibc
import Ports
import SegueModel
import Testing
import TrafficRouting

@testable import Proxy

/// What instances and operators learn of a request.
@Suite struct RequestNamingTests {
  /// The head that an instance sees of `lines`.
  private static func seen(_ lines: [String], _ naming: RequestNaming) async throws -> String {
    let backend = try Backend.http { request, socket in try socket.answer(body: request.head) }
    defer { backend.stop() }
    var text = ""
    try await withProxy(naming: naming) { proxy in
      try await proxy.route([backend.port])
      text = try await onThread {
        let head = ["GET / HTTP/1.1", "Host: a.test"] + lines
        return try proxy.connect().ask(head.joined(separator: "\r\n") + "\r\n\r\n").text
      }
    }
    return text
  }

  private static func naming(_ change: (inout RequestNaming) -> Void) -> RequestNaming {
    var naming = RequestNaming()
    change(&naming)
    return naming
  }

  private static func trusting(_ network: String) throws -> RequestNaming {
    let peers = try TrustedPeers(parsing: [network])
    return naming { $0.trusted = peers }
  }

  @Test func everyRequestGetsANameThatNobodyChooses() async throws {
    let head = try await Self.seen(["X-Request-Id: mine", "x_request_id: mine"], RequestNaming())
    let id = try #require(Messages.header("x-request-id", in: head))
    #expect(id.count == 32 && id.allSatisfy { $0.isHexDigit })
    #expect(!head.contains("mine"))
  }

  @Test func withoutNamesTheClientsGoesOn() async throws {
    let head = try await Self.seen(["X-Request-Id: mine"], Self.naming { $0.ids = false })
    #expect(Messages.header("x-request-id", in: head) == "mine")
  }

  @Test func aTrustedPeersWordStandsAndIsContinued() async throws {
    let naming = try Self.trusting("127.0.0.0/8")
    let head = try await Self.seen(
      [
        "X-Request-Id: mine", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 198.51.100.2",
        "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test",
      ], naming)
    #expect(Messages.header("x-request-id", in: head) == "mine")
    #expect(
      Messages.header("x-forwarded-for", in: head) == "192.0.2.1, 198.51.100.2, 127.0.0.1")
    #expect(Messages.header("x-forwarded-proto", in: head) == "https")
    #expect(Messages.header("x-forwarded-host", in: head) == "shop.test")
    #expect(head.components(separatedBy: "X-Forwarded-Host").count == 2)
  }

  @Test func theWordOfAnybodyElseIsReplaced() async throws {
    let head = try await Self.seen(
      ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.test"],
      Self.trusting("10.0.0.0/8"))
    #expect(Messages.header("x-forwarded-for", in: head) == "127.0.0.1")
    #expect(Messages.header("x-forwarded-proto", in: head) == "http")
    #expect(Messages.header("x-forwarded-host", in: head) == "a.test")
  }

  @Test func aTraceBeginsWhereThereIsNone() async throws {
    let begins = Self.naming { $0.traces = .begin(isSampled: true) }
    let begun = try await Self.seen(["traceparent: nonsense", "tracestate: a=1"], begins)
    let trace = try #require(Messages.header("traceparent", in: begun))
    #expect(trace.count == 55 && trace.hasPrefix("00-") && trace.hasSuffix("-01"))
    #expect(Messages.header("tracestate", in: begun) == nil)
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    let continued = try await Self.seen(["traceparent: \(given)", "tracestate: a=1"], begins)
    #expect(Messages.header("traceparent", in: continued) == given)
    #expect(Messages.header("tracestate", in: continued) == "a=1")
  }

  @Test func forwardedIsWrittenWhenWanted() async throws {
    var naming = try Self.trusting("127.0.0.0/8")
    naming.forwarded = true
    let head = try await Self.seen(["Forwarded: for=192.0.2.1;proto=https"], naming)
    #expect(
      Messages.header("forwarded", in: head)
        == "for=192.0.2.1;proto=https, for=127.0.0.1;host=a.test;proto=http")
  }

  @Test(arguments: [
    ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", "<h1>404 Not Found"),
    ("application/json", "application/json", "{\"status\":404,\"error\":\"no service has"),
    ("application/problem+json", "application/json", "{\"status\":404"),
    ("*/*", "text/plain; charset=utf-8", "Segue: 404 Not Found: no service has"),
    ("image/png", "text/plain; charset=utf-8", "Segue: 404 Not Found: no service has"),
  ])
  func anErrorComesAsItIsAskedFor(_ accept: String, _ type: String, _ body: String) async throws {
    try await withProxy { proxy in
      let answer = try await onThread {
        try proxy.connect().ask("GET / HTTP/1.1\r\nHost: a.test\r\nAccept: \(accept)\r\n\r\n")
      }
      #expect(answer.status == 404 && answer.header("content-type") == type)
      #expect(answer.text.contains(body))
      let id = try #require(answer.header("x-request-id"))
      #expect(answer.text.contains(id))
    }
  }

  @Test func pagesOfOnesOwnAreShownAndReadAgain() async throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    func write(_ text: String, _ name: String) throws {
      try Data(text.utf8).write(to: URL(fileURLWithPath: directory + "/" + name), options: .atomic)
    }
    try write("<p>gone: {{reason}}", "4xx.html")
    try write("not a page", "notes.txt")
    try await withProxy(errorPages: directory) { proxy in
      let request = "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\n\r\n"
      let before = try await onThread { try proxy.connect().ask(request) }
      #expect(before.text == "<p>gone: no service has this host and path")
      try write("<p>{{status}} of {{request}}", "404.html")
      proxy.server.reopenFiles()
      try await eventually("the new page is shown") {
        let after = try await onThread { try proxy.connect().ask(request) }
        return after.text.hasPrefix("<p>404 of ") && after.text.count == 42
      }
    }
  }
}

/// The access log of a proxy that serves.
@Suite struct AccessLogServingTests {
  private struct Line: Decodable, Equatable {
    var method: String
    var path: String
    var status: Int
    var client: String
    var bytes: Int
    var attempts: Int
    var release: String?
  }

  private static func lines(_ path: String) throws -> [Line] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
      .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
  }

  @Test func everyEndOfARequestIsALine() async throws {
    let backend = try Backend.http { request, socket in
      switch request.path {
      case "/cut?secret=1": throw Socket.Failure.ended
      case "/tunnel":
        try socket.write("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        _ = try socket.readToEnd()
      default: try socket.answer(body: "body")
      }
    }
    defer { backend.stop() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let path = directory + "/access.log"
    // One event loop, so that the lines come in the order of the requests.
    try await withProxy(threads: 1, accessLog: path) { proxy in
      try await proxy.route([backend.port])
      let received = try await onThread {
        let client = try proxy.connect()
        let answer = try client.get("/good")
        _ = try client.ask("POST /cut?secret=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        let broken = try proxy.connect()
        try broken.write("nonsense\r\n\r\n")
        _ = try broken.readToEnd()
        let tunnel = try proxy.connect()
        try tunnel.write(
          "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        _ = try tunnel.read(through: "\r\n\r\n")
        tunnel.closeOutput()
        _ = try tunnel.readToEnd()
        return answer.head.utf8.count + answer.body.count
      }
      try await eventually("each has its line") { try Self.lines(path).count == 4 }
      let lines = try Self.lines(path)
      #expect(lines.map(\.method) == ["GET", "POST", "", "GET"])
      #expect(lines.map(\.path) == ["/good", "/cut", "", "/tunnel"])
      #expect(lines.map(\.status) == [200, 502, 400, 101])
      #expect(lines.map(\.attempts) == [1, 1, 0, 1])
      #expect(lines[0].bytes == received && lines[0].release == "r-1")
      #expect(lines[1].release == "r-1")
      #expect(lines.allSatisfy { $0.client == "127.0.0.1" })
    }
  }
}
