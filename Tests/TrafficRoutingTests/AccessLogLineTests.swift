import SegueModel
import Testing

@testable import TrafficRouting

@Suite struct AccessLogLineTests {
  static func line(
    method: String = "GET", host: String = "a.test", path: [UInt8] = Array("/".utf8),
    _ change: (inout AccessEntry) -> Void = { _ in }
  ) -> String {
    let head = Array(method.utf8) + Array(host.utf8) + path
    var entry = AccessEntry(id: .made(0, 1), client: Array("192.0.2.1".utf8))
    entry.method = 0..<method.utf8.count
    entry.host = entry.method.upperBound..<entry.method.upperBound + host.utf8.count
    entry.path = entry.host.upperBound..<head.count
    change(&entry)
    var out: [UInt8] = []
    AccessLogLine.write(entry, head: head.span, time: 1_700_000_000_123, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  @Test func aWholeLine() {
    let line = Self.line(path: Array("/cart?token=secret".utf8)) { entry in
      entry.status = 200
      entry.octetsOut = 1_234
      entry.duration = 5_678
      entry.held = 9
      entry.service = ServiceKey(environment: "production", service: "web")
      entry.release = "r-1"
      entry.instance = "i-1"
      entry.attempts = 2
      entry.upstream = .answered(200)
      entry.isTLS = true
      entry.version = .http2
    }
    #expect(
      line == #"""
        {"time":"2023-11-14T22:13:20.123Z","id":"00000000000000000000000000000001",\#
        "client":"192.0.2.1","method":"GET","host":"a.test","path":"/cart","status":200,\#
        "bytes":1234,"duration_us":5678,"held_us":9,"service":"web",\#
        "environment":"production","release":"r-1","instance":"i-1","attempts":2,\#
        "upstream_status":200,"protocol":"HTTP/2","tls":true}

        """#)
  }

  @Test func withoutAService() {
    #expect(
      Self.line { $0.status = 404 }.hasSuffix(
        #""held_us":0,"attempts":0,"protocol":"HTTP/1.1","tls":false}"# + "\n"))
  }

  @Test func aFailureSaysWhy() {
    let line = Self.line { $0.upstream = .failed("it \"hung\"") }
    #expect(line.contains(#","upstream_failure":"it \"hung\"","#))
  }

  @Test(
    arguments: [
      ([0x22], #"\""#), ([0x5C], #"\\"#), ([0x0A], #"\u000a"#), ([0x0D], #"\u000d"#),
      ([0x00], #"\u0000"#), ([0x1B], #"\u001b"#), ([0x7F], #"\u007f"#), ([0xC2, 0x9B], #"\u009b"#),
      ([0xC2, 0xA0], "\u{A0}"), ([0xC3, 0xA4], "\u{e4}"), ([0xF0, 0x9F, 0x98, 0x80], "\u{1F600}"),
      ([0xFF], "\u{FFFD}"), ([0x80], "\u{FFFD}"), ([0xC3], "\u{FFFD}"),
      ([0xC3, 0x22], "\u{FFFD}\\\""),
      ([0xC0, 0xAF], "\u{FFFD}\u{FFFD}"), ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
      ([0xE0, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
      (
        [0xF4, 0x90, 0x80, 0x80],
        "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"
      ), ([0xE2, 0x82], "\u{FFFD}\u{FFFD}"),
      ([0xF0, 0x9F, 0x98, 0x22], "\u{FFFD}\u{FFFD}\u{FFFD}\\\""),
    ] as [([UInt8], String)])
  func textCannotLeaveItsString(_ octets: [UInt8], _ expected: String) {
    #expect(Self.line(path: octets).contains(#""path":"\#(expected)","status""#))
  }

  /// The library's own decoder is the judge of what is UTF-8.
  @Test func agreesWithTheDecoderAboutEveryPair() {
    for first: UInt8 in 0x80...0xFF {
      for second: UInt8 in 0x80...0xFF {
        for rest: [UInt8] in [[], [0x80], [0x80, 0x80]] {
          let octets = [first, second] + rest
          let whole = UTF8Sequence.length(octets.span, at: 0) == octets.count
          #expect(whole == (String(validating: octets, as: UTF8.self)?.unicodeScalars.count == 1))
        }
      }
    }
  }

  @Test func aLongPathIsCutBetweenCharacters() {
    let path = Array("/".utf8) + Array(String(repeating: "\u{e4}", count: 2_000).utf8)
    let line = Self.line(path: path)
    let shown = "/" + String(repeating: "\u{e4}", count: 1_023) + "\u{2026}"
    #expect(line.contains("\"path\":\"\(shown)\""))
  }

  @Test func aGivenIdIsQuotedAsWell() {
    let line = Self.line(path: Array(#"a"b"#.utf8)) { $0.id = .given($0.path) }
    #expect(line.contains(#""id":"a\"b""#))
  }

  @Test func rangesBeyondTheHeadDoNoHarm() {
    #expect(Self.line { $0.path = 5..<9_999 }.hasSuffix("}\n"))
  }

  @Test func aGapIsTold() {
    var out: [UInt8] = []
    AccessLogLine.writeDropped(17, time: 0, to: &out)
    #expect(
      String(decoding: out, as: UTF8.self)
        == #"{"time":"1970-01-01T00:00:00.000Z","dropped":17}"# + "\n")
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
      (951_782_400_000, "2000-02-29T00:00:00.000Z"), (951_868_799_999, "2000-02-29T23:59:59.999Z"),
      (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
      (1_798_761_599_001, "2026-12-31T23:59:59.001Z"),
    ] as [(Int64, String)])
  func timesAreWrittenInUTC(_ milliseconds: Int64, _ expected: String) {
    var out: [UInt8] = []
    Timestamp.write(milliseconds: milliseconds, to: &out)
    #expect(String(decoding: out, as: UTF8.self) == expected)
  }
}
