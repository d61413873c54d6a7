public import SegueModel

/// What is known of a request once its answer is over. Ranges are those of its head.
public struct AccessEntry: Sendable {
  public enum Version: Hashable, Sendable {
    case http10, http11, http2
  }

  /// What came of the last attempt at an instance.
  public enum Upstream: Hashable, Sendable {
    /// No instance was asked.
    case none
    case answered(Int)
    /// One constant sentence, such as `the instance did not answer in time`.
    case failed(String)
  }

  public var id: RequestID
  /// The literal address, written once for each connection.
  public var client: [UInt8]
  public var method: Range<Int> = 0..<0
  public var host: Range<Int> = 0..<0
  /// May have its query; the line never does, because queries hold secrets.
  public var path: Range<Int> = 0..<0
  /// What the client was told; 0: nothing, because the connection ended before.
  public var status = 0
  /// Octets written to the client for this answer, the head included.
  public var octetsOut: UInt64 = 0
  /// From the request's head to the answer's last octet, in microseconds.
  public var duration: UInt64 = 0
  /// The part of it that the request waited for an instance, in microseconds.
  public var held: UInt64 = 0
  public var service: ServiceKey?
  public var release: ReleaseID?
  public var instance: InstanceID?
  /// Attempts in which something was sent to an instance.
  public var attempts = 0
  public var upstream = Upstream.none
  public var version = Version.http11
  public var isTLS = false

  public init(id: RequestID, client: [UInt8]) {
    self.id = id
    self.client = client
  }
}

/// Writes the access log's lines: one JSON object each, with a line feed behind it.
///
/// Nothing a client sends can begin a line of its own, end a string early, or reach a terminal as a
/// control character.
public enum AccessLogLine {
  /// Octets of a client's text that a line shows; what is longer ends in an ellipsis.
  public static let fieldLimit = 2_048

  /// - Parameters:
  ///   - head: what the entry's ranges are in.
  ///   - time: the end of the answer, in milliseconds since 1970.
  public static func write(
    _ entry: borrowing AccessEntry, head: Span<UInt8>, time: Int64, to out: inout [UInt8]
  ) {
    append("{\"time\":\"", &out)
    Timestamp.write(milliseconds: time, to: &out)
    append("\",\"id\":\"", &out)
    writeID(entry.id, head, to: &out)
    append("\",\"client\":\"", &out)
    JSONText.write(entry.client.span, to: &out)
    append("\",\"method\":\"", &out)
    writeText(head, entry.method, to: &out)
    append("\",\"host\":\"", &out)
    writeText(head, entry.host, to: &out)
    append("\",\"path\":\"", &out)
    writeText(head, withoutQuery(head, entry.path), to: &out)
    append("\",\"status\":", &out)
    Decimal.write(UInt64(max(entry.status, 0)), to: &out)
    append(",\"bytes\":", &out)
    Decimal.write(entry.octetsOut, to: &out)
    append(",\"duration_us\":", &out)
    Decimal.write(entry.duration, to: &out)
    append(",\"held_us\":", &out)
    Decimal.write(entry.held, to: &out)
    writeWay(entry, to: &out)
    append(",\"attempts\":", &out)
    Decimal.write(UInt64(max(entry.attempts, 0)), to: &out)
    writeUpstream(entry.upstream, to: &out)
    switch entry.version {
    case .http10: append(",\"protocol\":\"HTTP/1.0\"", &out)
    case .http11: append(",\"protocol\":\"HTTP/1.1\"", &out)
    case .http2: append(",\"protocol\":\"HTTP/2\"", &out)
    }
    append(entry.isTLS ? ",\"tls\":true}\n" : ",\"tls\":false}\n", &out)
  }

  /// Tells how many lines are missing before this one.
  public static func writeDropped(_ count: UInt64, time: Int64, to out: inout [UInt8]) {
    append("{\"time\":\"", &out)
    Timestamp.write(milliseconds: time, to: &out)
    append("\",\"dropped\":", &out)
    Decimal.write(count, to: &out)
    append("}\n", &out)
  }

  private static func writeID(_ id: RequestID, _ head: Span<UInt8>, to out: inout [UInt8]) {
    switch id {
    case .given(let range): writeText(head, range, to: &out)
    case .made: id.write(head, to: &out)
    }
  }

  private static func writeWay(_ entry: borrowing AccessEntry, to out: inout [UInt8]) {
    if let service = entry.service {
      writeName(",\"service\":\"", service.service.rawValue, to: &out)
      writeName(",\"environment\":\"", service.environment.rawValue, to: &out)
    }
    if let release = entry.release { writeName(",\"release\":\"", release.rawValue, to: &out) }
    if let instance = entry.instance { writeName(",\"instance\":\"", instance.rawValue, to: &out) }
  }

  private static func writeUpstream(_ upstream: AccessEntry.Upstream, to out: inout [UInt8]) {
    switch upstream {
    case .none: break
    case .answered(let status):
      append(",\"upstream_status\":", &out)
      Decimal.write(UInt64(max(status, 0)), to: &out)
    case .failed(let reason): writeName(",\"upstream_failure\":\"", reason, to: &out)
    }
  }

  private static func writeName(
    _ key: StaticString, _ value: String, to out: inout [UInt8]
  ) {
    append(key, &out)
    JSONText.write(value.utf8.span, to: &out)
    out.append(34)
  }

  private static func writeText(
    _ head: Span<UInt8>, _ range: Range<Int>, to out: inout [UInt8]
  ) {
    let whole = range.clamped(to: 0..<head.count)
    guard whole.count > fieldLimit else {
      return JSONText.write(head.extracting(whole), to: &out)
    }
    var end = whole.lowerBound + fieldLimit
    // Not in the middle of a character.
    while end > whole.lowerBound, head[end] & 0xC0 == 0x80 { end -= 1 }
    JSONText.write(head.extracting(whole.lowerBound..<end), to: &out)
    append("\u{2026}", &out)
  }

  private static func withoutQuery(_ head: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    let range = range.clamped(to: 0..<head.count)
    for index in range where head[index] == 63 { return range.lowerBound..<index }
    return range
  }

  @inline(__always)
  private static func append(_ text: StaticString, _ out: inout [UInt8]) {
    out.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}

/// The inside of a JSON string (RFC 8259 section 7).
enum JSONText {
  /// Octets that are not UTF-8 become U+FFFD, one for each: what they were meant to be is unknown.
  static func write(_ bytes: Span<UInt8>, to out: inout [UInt8]) {
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte >= 0x80 {
        let length = UTF8Sequence.length(bytes, at: index)
        if length == 0 {
          out.append(contentsOf: [0xEF, 0xBF, 0xBD])
          index += 1
        } else if byte == 0xC2, bytes[index + 1] < 0xA0 {
          // U+0080 to U+009F steer terminals, too.
          escape(bytes[index + 1], to: &out)
          index += 2
        } else {
          for offset in 0..<length { out.append(bytes[index + offset]) }
          index += length
        }
        continue
      }
      if byte == 34 || byte == 92 {
        out.append(92)
        out.append(byte)
      } else if byte < 32 || byte == 127 {
        escape(byte, to: &out)
      } else {
        out.append(byte)
      }
      index += 1
    }
  }

  private static func escape(_ byte: UInt8, to out: inout [UInt8]) {
    out.append(contentsOf: [92, 117, 48, 48])
    out.append(Hexadecimal.digit(byte >> 4))
    out.append(Hexadecimal.digit(byte & 15))
  }
}

/// Well-formed UTF-8 as table 3-7 of the Unicode Standard has it.
enum UTF8Sequence {
  /// Octets of the character at `index`, which is not ASCII; 0 when there is none.
  static func length(_ bytes: Span<UInt8>, at index: Int) -> Int {
    let lead = bytes[index]
    let length: Int
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF: length = 3
    case 0xF0...0xF4: length = 4
    default: return 0
    }
    guard index + length <= bytes.count else { return 0 }
    let second: ClosedRange<UInt8>
    switch lead {
    case 0xE0: second = 0xA0...0xBF
    case 0xED: second = 0x80...0x9F
    case 0xF0: second = 0x90...0xBF
    case 0xF4: second = 0x80...0x8F
    default: second = 0x80...0xBF
    }
    guard second.contains(bytes[index + 1]) else { return 0 }
    for offset in 2..<max(length, 2) where bytes[index + offset] & 0xC0 != 0x80 { return 0 }
    return length
  }
}

enum Decimal {
  static func write(_ value: UInt64, to out: inout [UInt8]) {
    let start = out.count
    var rest = value
    repeat {
      out.append(48 + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    out[start...].reverse()
  }

  static func write(_ value: Int, digits: Int, to out: inout [UInt8]) {
    var scale = 1
    for _ in 1..<digits { scale *= 10 }
    while scale > 0 {
      out.append(48 + UInt8(value / scale % 10))
      scale /= 10
    }
  }
}

/// RFC 3339 in UTC, to the millisecond.
enum Timestamp {
  static func write(milliseconds: Int64, to out: inout [UInt8]) {
    let seconds = Int(milliseconds >= 0 ? milliseconds / 1_000 : (milliseconds - 999) / 1_000)
    let fraction = Int(milliseconds) - seconds * 1_000
    let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
    let ofDay = seconds - days * 86_400
    let (year, month, day) = date(days)
    Decimal.write(year, digits: 4, to: &out)
    out.append(45)
    Decimal.write(month, digits: 2, to: &out)
    out.append(45)
    Decimal.write(day, digits: 2, to: &out)
    out.append(84)
    Decimal.write(ofDay / 3_600, digits: 2, to: &out)
    out.append(.colon)
    Decimal.write(ofDay / 60 % 60, digits: 2, to: &out)
    out.append(.colon)
    Decimal.write(ofDay % 60, digits: 2, to: &out)
    out.append(46)
    Decimal.write(fraction, digits: 3, to: &out)
    out.append(90)
  }

  /// The Gregorian date `days` after the first of January 1970. Years are counted from March, so that
  /// the day that is sometimes missing comes last (Richards, Explanatory Supplement to the Astronomical
  /// Almanac, 2013, section 15.11).
  private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let ofEra = shifted - era * 146_097
    let yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * ofYear + 2) / 153
    let day = ofYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
  }
}
