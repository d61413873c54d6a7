import Ports
import SegueModel
import Testing

@testable import Proxy

/// Who gets which of several versions, and gets it again.
@Suite struct StickyTests {
  @Test func aHeaderSaysWhoItIs() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(first.port, second.port, share: 500, sticky: .header("x-user")))
      let answers = try await onThread {
        let clients = try (0..<4).map { _ in try proxy.connect() }
        return try (0..<60).map { user in
          let texts = try clients.map { try $0.get(headers: "X-User: \(user)\r\n").text }
          #expect(Set(texts).count == 1, "user \(user) was given both")
          return texts[0]
        }
      }
      #expect(Set(answers) == ["a", "b"])
    }
  }

  @Test func aCookieSaysWhoItIs() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(
          first.port, second.port, share: 500, sticky: .cookie("user", isIssued: false)))
      let answers = try await onThread {
        let clients = try (0..<4).map { _ in try proxy.connect() }
        return try (0..<60).map { user in
          let responses = try clients.map { try $0.get(headers: "Cookie: x=1; user=\(user)\r\n") }
          #expect(Set(responses.map(\.text)).count == 1, "user \(user) was given both")
          #expect(responses.allSatisfy { $0.header("set-cookie") == nil })
          return responses[0].text
        }
      }
      #expect(Set(answers) == ["a", "b"])
    }
  }

  @Test(
    arguments: [
      nil, .address, .header("x-user"), .cookie("user", isIssued: false),
    ] as [StickySpec?])
  func whoNamesNobodyIsHisAddress(_ sticky: StickySpec?) async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(first.port, second.port, share: 500, sticky: sticky))
      try await onThread {
        let texts = try ["", "X-User:\r\n", "Cookie: user=\r\n", "X-Other: 3\r\n"].map {
          try proxy.connect().get(headers: $0).text
        }
        #expect(Set(texts).count == 1)
      }
    }
  }

  @Test func aClientWithoutACookieIsGivenOne() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(
          first.port, second.port, share: 500, sticky: .cookie("segue", isIssued: true)))
      let (values, answers) = try await onThread {
        var values: Set<String> = []
        var answers: Set<String> = []
        for _ in 0..<40 {
          let response = try proxy.connect().get()
          let line = try #require(response.header("set-cookie"))
          let cookie = try #require(
            line.wholeMatch(of: #/(segue=[0-9a-f]{32}); Path=/; HttpOnly; SameSite=Lax/#))
          let next = try proxy.connect().get(headers: "Cookie: \(cookie.1)\r\n")
          #expect(next.text == response.text, "the value counts from the first request on")
          #expect(next.header("set-cookie") == nil)
          values.insert(String(cookie.1))
          answers.insert(response.text)
        }
        return (values, answers)
      }
      #expect(values.count == 40)
      #expect(answers == ["a", "b"])
    }
  }

  @Test func oneVersionNeedsNoCookie() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(first.port, second.port, sticky: .cookie("segue", isIssued: true)))
      let response = try await onThread { try proxy.connect().get() }
      #expect(response.text == "a" && response.header("set-cookie") == nil)
    }
  }

  @Test func onePercentIsOnePercentAndNobodyGoesBack() async throws {
    try await withPair { proxy, first, second in
      var before: Set<Int> = []
      for (generation, share) in [(1 as UInt64, 10), (2, 50), (3, 250)] {
        try await proxy.director.apply(
          Fixture.pair(
            first.port, second.port, share: share, sticky: .header("x-user"),
            generation: generation))
        let now = try await onThread {
          let client = try proxy.connect()
          return Set(
            try (1...1_000).filter { try client.get(headers: "X-User: \($0)\r\n").text == "b" })
        }
        #expect(before.isSubset(of: now))
        if share == 10 { #expect((1...20).contains(now.count), "1 % within a point") }
        before = now
      }
      let counters = try await proxy.counters("r-b")
      #expect(counters?.responses[1] ?? 0 >= UInt64(before.count))
    }
  }

  /// Rows 22 and 23 of the catalogue of losses: what belongs to one page comes from one version, and
  /// a user whose version goes is given the other one for good.
  @Test func aUserSeesOneVersionAndChangesOnceWhenItGoes() async throws {
    try await withPair { proxy, first, second in
      try await proxy.director.apply(
        Fixture.pair(first.port, second.port, share: 500, sticky: .header("x-user")))
      let seen: @Sendable (Int) throws -> Set<String> = { user in
        Set(
          try ["/page", "/style.css", "/script.js"].map {
            try proxy.connect().get($0, headers: "X-User: \(user)\r\n").text
          })
      }
      let before = try await onThread { try (0..<60).map(seen) }
      #expect(Set(before) == [["a"], ["b"]])
      try await proxy.director.apply(
        Fixture.pair(first.port, second.port, sticky: .header("x-user"), generation: 2))
      let after = try await onThread { try (0..<60).map(seen) }
      #expect(after.allSatisfy { $0 == ["a"] })
      #expect(try await proxy.report().unavailable == 0)
    }
  }
}
