import Ports
import SegueModel
import Synchronization
import Testing

@testable import Proxy

/// What goes to an instance and what comes back, octet for octet.
@Suite struct ForwardingTests {
  @Test func connectionsAreKeptAliveOnBothSides() async throws {
    let backend = try Backend.named("one")
    defer { backend.stop() }
    try await withProxy(threads: 1) { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<50 {
          let response = try client.get()
          #expect(response.status == 200 && response.text == "one" && !response.closes)
        }
      }
      #expect(backend.accepted == 1)
    }
  }

  @Test func theHeadIsEditedAndNotMore() async throws {
    let backend = try Backend.http { request, socket in
      try socket.answer(
        headers: "X-Kept: a  b\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop\r\n"
          + "X-Hop: 1\r\n", body: request.head)
    }
    defer { backend.stop() }
    var naming = RequestNaming()
    naming.ids = false
    try await withProxy(naming: naming) { proxy in
      try await proxy.route([backend.port])
      let response = try await onThread {
        try proxy.connect().ask(
          "GET /a?b=%20 HTTP/1.1\r\nhost: Shop.test:81\r\nX-Case:  Kept \r\n"
            + "Connection: X-Secret\r\nX-Secret: s\r\nX-Forwarded-For: 9.9.9.9\r\n"
            + "X-Forwarded-Host: evil\r\nForwarded: for=9.9.9.9\r\nCookie: a=b\r\n"
            + "Proxy-Connection: close\r\nTE: trailers, gzip\r\ntraceparent: 00-1-2-01\r\n\r\n")
      }
      #expect(
        response.text
          == "GET /a?b=%20 HTTP/1.1\r\nHost: Shop.test:81\r\nX-Case:  Kept \r\nCookie: a=b\r\n"
          + "traceparent: 00-1-2-01\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
          + "X-Forwarded-Host: Shop.test:81\r\nConnection: TE\r\nTE: trailers\r\n\r\n")
      #expect(response.header("x-kept") == "a  b")
      #expect(response.header("x-hop") == nil)
      #expect(response.header("keep-alive") == nil)
      #expect(response.header("connection") == nil)
    }
  }

  @Test func anAbsoluteTargetIsMadeOrdinary() async throws {
    let backend = try Backend.http { request, socket in try socket.answer(body: request.head) }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let response = try await onThread {
        try proxy.connect().ask("GET http://b.test?x HTTP/1.1\r\nHost: a.test\r\n\r\n")
      }
      #expect(response.text.hasPrefix("GET /?x HTTP/1.1\r\nHost: b.test\r\n"))
    }
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
    let ledger = Ledger()
    let backend = try Backend.http { request, socket in
      ledger.note(request.path)
      try socket.answer(body: "\(request.path)\(String(decoding: request.body, as: UTF8.self))")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        var all = ""
        for number in 0..<200 {
          all +=
            number % 3 == 0
            ? "POST /\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n:x"
            : "GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n"
        }
        let requests = all
        Threads.start { try? client.write(requests) }
        for number in 0..<200 {
          #expect(try client.readResponse().text == "/\(number)\(number % 3 == 0 ? ":x" : "")")
        }
        #expect(ledger.order == (0..<200).map { "/\($0)" })
      }
    }
  }

  @Test func chunksAndTrailersGoThroughUnchanged() async throws {
    let ledger = Ledger()
    let backend = try Backend.http { request, socket in
      ledger.note(request.path)
      try socket.write(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
          + request.rawBody)
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        let body = "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n"
        for number in 0..<2 {
          try client.write(
            "POST /\(number) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
          for byte in body.utf8 { try client.write([byte]) }
          let response = try client.readResponse()
          #expect(response.rawBody == body)
          #expect(response.text == "hello world")
          #expect(response.header("trailer") == "X-Sum")
        }
        ledger.expect(["/0", "/1"])
      }
    }
  }

  @Test func responsesWithoutABodyDoNotDesynchronise() async throws {
    let backend = try Backend.http { request, socket in
      switch request.path {
      case "/204": try socket.write("HTTP/1.1 204 No Content\r\n\r\n")
      case "/304": try socket.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n")
      case "/chunked":
        try socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if request.method != "HEAD" { try socket.write("1\r\nx\r\n0\r\n\r\n") }
      default:
        try socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        if request.method != "HEAD" { try socket.write("body") }
      }
    }
    defer { backend.stop() }
    try await withProxy(threads: 1) { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        for _ in 0..<3 {
          let head = try client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", method: "HEAD")
          #expect(head.header("content-length") == "4")
          let chunked = try client.ask("HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n", method: "HEAD")
          #expect(chunked.header("transfer-encoding") == "chunked")
          #expect(try client.get("/204").header("content-length") == nil)
          #expect(try client.get("/304").header("content-length") == "99")
          #expect(try client.get("/chunked").text == "x")
          #expect(try client.get("/").text == "body")
        }
      }
      #expect(backend.accepted == 1)
    }
  }

  @Test func interimResponsesGoAhead() async throws {
    let backend = try Backend.http { _, socket in
      try socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
      try socket.write(
        "HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 404 Not Found\r\n"
          + "Content-Length: 2\r\n\r\nno")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        let response = try client.get()
        #expect(response.status == 404 && response.text == "no")
        #expect(response.interim.count == 2)
        #expect(response.interim[1].contains("Link: </b>"))
        #expect(response.header("link") == nil)
        let old = try client.ask("GET / HTTP/1.0\r\n\r\n")
        #expect(old.status == 404 && old.interim.isEmpty)
      }
    }
  }

  @Test func expectationsAreAnsweredByTheInstance() async throws {
    let ledger = Ledger()
    let backend = try Backend { socket in
      while let head = try socket.read(through: "\r\n\r\n") {
        ledger.note(String(head.prefix { $0 != "\r\n" }))
        #expect(Messages.header("expect", in: head) == "100-continue")
        try socket.write("HTTP/1.1 100 Continue\r\n\r\n")
        let body = try socket.readExactly(5)
        try socket.answer(body: String(decoding: body, as: UTF8.self))
      }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        for number in 0..<3 {
          try client.write(
            "POST /\(number) HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
          )
          let interim = try client.read(through: "\r\n\r\n")
          #expect(interim?.hasPrefix("HTTP/1.1 100") == true)
          try client.write("hello")
          #expect(try client.readResponse().text == "hello")
        }
        ledger.expect((0..<3).map { "POST /\($0) HTTP/1.1" })
      }
    }
  }

  @Test func anEarlyAnswerEndsTheUpload() async throws {
    let ledger = Ledger()
    let backend = try Backend { socket in
      ledger.note("upload")
      guard try socket.read(through: "\r\n\r\n") != nil else { return }
      _ = try socket.readExactly(1_000)
      try socket.answer("413 Content Too Large", headers: "Connection: close\r\n", body: "no")
      socket.closeOutput()
      _ = try socket.readToEnd()
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        try client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        Threads.start {
          // Goes on sending for a while, as clients do that look at the answer only afterwards.
          for _ in 0..<64 { try? client.write([UInt8](repeating: 120, count: 16_384)) }
        }
        let response = try client.readResponse(to: "POST")
        #expect(response.status == 413 && response.text == "no" && response.closes)
        #expect(client.hasEnded())
      }
      #expect(ledger.order == ["upload"])
    }
  }

  @Test func aHalfClosedClientIsAnswered() async throws {
    let backend = try Backend.named("still here")
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        try client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.closeOutput()
        let response = try client.readResponse()
        #expect(response.text == "still here")
        #expect(client.hasEnded())
      }
    }
  }

  @Test func oldClientsAreServed() async throws {
    let backend = try Backend.http { request, socket in
      if request.path == "/chunked" {
        try socket.write(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
      } else {
        try socket.answer(body: request.header("host") ?? "none")
      }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        let kept = try client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(kept.text == "127.0.0.1" && kept.header("connection") == "keep-alive")
        let closed = try client.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        #expect(closed.text == "a" && closed.closes && client.hasEnded())
        let other = try proxy.connect()
        let chunked = try other.ask("GET /chunked HTTP/1.0\r\nHost: a\r\n\r\n")
        #expect(chunked.text == "abcdef" && chunked.header("transfer-encoding") == nil)
      }
    }
  }

  @Test func aBodyThatEndsWithItsConnectionIsPassedOn() async throws {
    let backend = try Backend { socket in
      guard try socket.readRequest() != nil else { return }
      try socket.write("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it")
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let response = try await onThread { try proxy.connect().get() }
      #expect(response.text == "all of it" && response.closes)
      #expect(response.head.hasPrefix("HTTP/1.1 200 OK\r\n"))
    }
  }

  @Test func aTruncatedResponseIsSeenToBeTruncated() async throws {
    let backend = try Backend { socket in
      guard let request = try socket.readRequest() else { return }
      switch request.path {
      case "/length": try socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
      case "/chunked":
        try socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
      default:
        try socket.write("HTTP/1.1 200 OK\r\n\r\nhalf")
        socket.reset()
      }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      for path in ["/length", "/chunked", "/reset"] {
        await #expect(throws: Socket.Failure.self, "\(path)") {
          try await onThread { _ = try proxy.connect().get(path) }
        }
      }
      try await eventually("three are counted as failed") {
        try await proxy.report().versions[0].failed == 3
      }
    }
  }

  @Test func upgradedConnectionsAreTunnelled() async throws {
    let backend = try Backend { socket in
      guard let request = try socket.readRequest() else { return }
      guard request.header("upgrade") == "websocket" else {
        return try socket.answer(headers: "Connection: close\r\n", body: "ordinary")
      }
      #expect(request.header("connection") == "Upgrade")
      try socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi:")
      while true {
        let bytes = try socket.readSome()
        guard !bytes.isEmpty else { return }
        try socket.write(bytes)
      }
    }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      try await onThread {
        let client = try proxy.connect()
        try client.write(
          "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
            + "Upgrade: websocket\r\n\r\nearly")
        let head = try client.read(through: "\r\n\r\n")
        #expect(head?.hasPrefix("HTTP/1.1 101") == true)
        #expect(head?.contains("Upgrade: websocket") == true)
        #expect(try client.readExactly(8) == Array("hi:early".utf8))
        let big = [UInt8](repeating: 7, count: 1_000_000)
        Threads.start { try? client.write(big) }
        #expect(try client.readExactly(big.count) == big)
        client.closeOutput()
        #expect(client.hasEnded())
      }
      try await eventually("the tunnel is no longer in flight") {
        try await proxy.report().inFlight.values.allSatisfy { $0 == 0 }
      }
    }
  }

  @Test func anUpgradeToHTTP2IsNotPassedOn() async throws {
    let backend = try Backend.http { request, socket in try socket.answer(body: request.head) }
    defer { backend.stop() }
    try await withProxy { proxy in
      try await proxy.route([backend.port])
      let response = try await onThread {
        try proxy.connect().get(
          headers: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n")
      }
      #expect(response.status == 200)
      #expect(!response.text.lowercased().contains("h2c"))
      #expect(!response.text.lowercased().contains("http2-settings"))
    }
  }
}
