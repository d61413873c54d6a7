import SegueModel
import Testing

@testable import TrafficRouting

/// A parsed head and its octets.
private struct Head {
  var bytes: [UInt8]
  var parser = RequestParser()

  init(_ lines: [String]) throws {
    bytes = Array(
      ("GET / HTTP/1.1\r\nHost: a.test\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
    let octets = bytes
    let isWhole = try parser.parse(octets.span)
    #expect(isWhole)
  }
}

@Suite struct RequestIDTests {
  private static func written(_ lines: [String], isTrusted: Bool) throws -> String {
    let head = try Head(lines)
    let id = RequestID.choose(
      head.bytes.span, head.parser.block, isTrusted: isTrusted,
      words: (0x0123_4567_89AB_CDEF, 0xF0))
    var out: [UInt8] = []
    id.write(head.bytes.span, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  static let made = "0123456789abcdef00000000000000f0"

  @Test(
    arguments: [
      (["X-Request-Id: abc-1"], true, "abc-1"), (["x-REQUEST-id:  a=b  "], true, "a=b"),
      (["X-Request-Id: abc-1"], false, made), ([], true, made), (["X-Request-Id:"], true, made),
      (["X-Request-Id: a b"], true, made), (["X-Request-Id: \u{e4}"], true, made),
      (["X-Request-Id: a", "X-Request-Id: b"], true, made),
      (
        ["X-Request-Id: " + String(repeating: "x", count: 128)], true,
        String(repeating: "x", count: 128)
      ),
      (["X-Request-Id: " + String(repeating: "x", count: 129)], true, made),
    ] as [([String], Bool, String)])
  func isTheClientsOnlyIfItMayBe(_ lines: [String], _ isTrusted: Bool, _ expected: String) throws {
    #expect(try Self.written(lines, isTrusted: isTrusted) == expected)
  }
}

@Suite struct TraceContextTests {
  private static func written(
    _ lines: [String], words: (UInt64, UInt64, UInt64) = (1, 2, 3), samples: Bool = false
  ) throws -> String {
    let head = try Head(lines)
    let context = TraceContext.choose(
      head.bytes.span, head.parser.block, words: words, samples: samples)
    var out: [UInt8] = []
    context.write(head.bytes.span, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  // The example of W3C Trace Context, section 3.2.3.
  static let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  static let begun = "00-00000000000000010000000000000002-0000000000000003-00"

  @Test(arguments: [
    example, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    "cc-12345678901234567890123456789012-1234567890123456-01",
    "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-brings",
    "00-12345678901234567890123456789012-1234567890123456-ff",
  ])
  func isPassedOn(_ value: String) throws {
    #expect(try Self.written(["Traceparent: " + value]) == value)
  }

  @Test(arguments: [
    "", "00", "ff-12345678901234567890123456789012-1234567890123456-01",
    "00-00000000000000000000000000000000-1234567890123456-01",
    "00-12345678901234567890123456789012-0000000000000000-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    "00-1234567890123456789012345678901-1234567890123456-01",
    "00-12345678901234567890123456789012-1234567890123456-01-more",
    "cc-12345678901234567890123456789012-1234567890123456-01.more",
    "00_12345678901234567890123456789012-1234567890123456-01",
    "00-12345678901234567890123456789012_1234567890123456-01",
    "00-12345678901234567890123456789012-1234567890123456_01",
    "00-1234567890123456789012345678901.-1234567890123456-01",
    "00-12345678901234567890123456789012-123456789012345X-01",
    "00-12345678901234567890123456789012-1234567890123456-0g",
  ])
  func beginsAnewInsteadOf(_ value: String) throws {
    #expect(try Self.written(["Traceparent: " + value]) == Self.begun)
  }

  @Test func ofTwoNeitherIsBelieved() throws {
    #expect(
      try Self.written(["traceparent: " + Self.example, "traceparent: " + Self.example])
        == Self.begun)
  }

  @Test func isNeverZero() throws {
    #expect(
      try Self.written([], words: (0, 0, 0))
        == "00-00000000000000000000000000000001-0000000000000001-00")
  }

  @Test func saysThatItIsSampledWhenAsked() throws {
    #expect(try Self.written([], samples: true).hasSuffix("-01"))
  }
}

@Suite struct ForwardedElementTests {
  // Addresses from RFC 7239, section 4.
  @Test(
    arguments: [
      ("192.0.2.43", "", false, "for=192.0.2.43;proto=http"),
      ("192.0.2.60", "example.com", false, "for=192.0.2.60;host=example.com;proto=http"),
      ("2001:db8:cafe::17", "", true, #"for="[2001:db8:cafe::17]";proto=https"#),
      ("fe80::1%eth0", "", false, #"for="[fe80::1]";proto=http"#),
      ("192.0.2.60", "a.test:80", false, #"for=192.0.2.60;host="a.test:80";proto=http"#),
      ("192.0.2.60", "[::1]:80", false, #"for=192.0.2.60;host="[::1]:80";proto=http"#),
      ("192.0.2.60", "a\";b", false, "for=192.0.2.60;proto=http"),
      ("192.0.2.60", "a b", false, "for=192.0.2.60;proto=http"),
      (nil, "", false, "for=unknown;proto=http"),
    ] as [(String?, String, Bool, String)])
  func says(_ client: String?, _ host: String, _ isTLS: Bool, _ expected: String) {
    var out: [UInt8] = []
    let host = Array(host.utf8)
    ForwardedElement.write(
      client: client.map { Array($0.utf8) }, host: host.span, isTLS: isTLS, to: &out)
    #expect(String(decoding: out, as: UTF8.self) == expected)
  }
}

@Suite struct TrustedPeersTests {
  static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]

  @Test(
    arguments: [
      ("10.0.0.0/8", [10, 255, 0, 1], true), ("10.0.0.0/8", [11, 0, 0, 1], false),
      ("10.0.0.0/8", mapped + [10, 1, 2, 3], true), ("192.0.2.7", [192, 0, 2, 7], true),
      ("192.0.2.7", [192, 0, 2, 6], false), ("0.0.0.0/0", [8, 8, 8, 8], true),
      ("0.0.0.0/0", [UInt8](repeating: 1, count: 16), false),
      ("172.16.0.0/12", [172, 31, 255, 255], true), ("172.16.0.0/12", [172, 32, 0, 0], false),
      ("::1/128", [UInt8](repeating: 0, count: 15) + [1], true),
      ("::1/128", [UInt8](repeating: 0, count: 16), false), ("::/0", [8, 8, 8, 8], true),
      ("2001:db8::/32", [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 9, count: 12), true),
      ("2001:db8::/32", [0x20, 1, 0x0D, 0xB9] + [UInt8](repeating: 9, count: 12), false),
      ("::ffff:10.0.0.0/104", [10, 9, 9, 9], true), ("10.0.0.0/8", [10, 0, 0], false),
      ("1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8], true),
    ] as [(String, [UInt8], Bool)])
  func contains(_ network: String, _ address: [UInt8], _ expected: Bool) throws {
    let isTrusted = try TrustedPeers(parsing: [network]).contains(address.span)
    #expect(isTrusted == expected)
  }

  @Test(arguments: [
    "", "/", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8",
    "10.0.0.256", "010.0.0.1", "10.0.0.1/8", "::1/127", "::1/129", "1::2::3", ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1.2.3", "1.2.3.4::", "a.test", "fe80::1%eth0",
    "1:2:3:4:5:6:7::8", ":1::", "1:", "+1.0.0.0",
  ])
  func refuses(_ text: String) {
    #expect(throws: NetworkFault.self) { try TrustedPeers(parsing: [text]) }
  }

  @Test func nobodyIsTrustedByDefault() {
    let address: [UInt8] = [127, 0, 0, 1]
    let isTrusted = TrustedPeers.none.contains(address.span)
    #expect(!isTrusted)
  }
}
