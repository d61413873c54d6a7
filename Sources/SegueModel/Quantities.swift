/// A length of time in whole milliseconds: what deadlines, timeouts and measurements are kept in.
///
/// An integer, because the journal's canonical JSON holds no floating point, and because two
/// replays must agree to the last bit.
public struct Milliseconds: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  public var count: Int64

  public init(_ count: Int64) { self.count = count }
  public static func seconds(_ seconds: Int64) -> Self { Self(seconds * 1_000) }
  public static func minutes(_ minutes: Int64) -> Self { Self(minutes * 60_000) }
  public static let zero = Self(0)

  public var duration: Duration { .milliseconds(count) }

  public init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    self.init(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
  }

  public static func < (left: Self, right: Self) -> Bool { left.count < right.count }
  public static func + (left: Self, right: Self) -> Self { Self(left.count + right.count) }
  public static func - (left: Self, right: Self) -> Self { Self(left.count - right.count) }
  public static func * (left: Self, right: Int64) -> Self { Self(left.count * right) }

  /// As a person would say it: `250 ms`, `1.5 s`, `30 s`, `10 m`, `1 h 5 m`.
  public var description: String {
    switch count {
    case ..<0: return "-" + Milliseconds(-count).description
    case ..<1_000: return "\(count) ms"
    case ..<60_000:
      let tenths = count % 1_000 / 100
      return tenths == 0 ? "\(count / 1_000) s" : "\(count / 1_000).\(tenths) s"
    case ..<3_600_000:
      let seconds = count % 60_000 / 1_000
      return seconds == 0 ? "\(count / 60_000) m" : "\(count / 60_000) m \(seconds) s"
    default:
      let minutes = count % 3_600_000 / 60_000
      return minutes == 0 ? "\(count / 3_600_000) h" : "\(count / 3_600_000) h \(minutes) m"
    }
  }

  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(Int64.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(count)
  }
}

/// A moment of the wall clock, in milliseconds since 1970-01-01T00:00:00Z. Stamped by the shell; the
/// core never asks for one.
public struct Instant: Hashable, Comparable, Codable, Sendable {
  public var milliseconds: Int64

  public init(milliseconds: Int64) { self.milliseconds = milliseconds }

  public static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }
  public static func + (left: Self, right: Milliseconds) -> Self {
    Self(milliseconds: left.milliseconds + right.count)
  }
  public static func - (left: Self, right: Self) -> Milliseconds {
    Milliseconds(left.milliseconds - right.milliseconds)
  }

  public init(from decoder: any Decoder) throws {
    self.init(milliseconds: try decoder.singleValueContainer().decode(Int64.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(milliseconds)
  }
}

/// A share in thousandths: 0 is nothing, 1000 is everything.
public struct Permille: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  public var value: Int

  /// Clamped to 0...1000: a share outside that range has no meaning.
  public init(_ value: Int) { self.value = min(max(value, 0), 1_000) }
  public static let none = Self(0)
  public static let all = Self(1_000)

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }

  /// What is left for the others.
  public var complement: Self { Self(1_000 - value) }

  /// `25%`, `0.5%`
  public var description: String {
    value % 10 == 0 ? "\(value / 10)%" : "\(value / 10).\(value % 10)%"
  }

  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(Int.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}

/// A number that only grows: which version of a service's routing table this is. A writer with an
/// older one is refused.
public struct Generation: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  public var number: UInt64

  public init(_ number: UInt64) { self.number = number }
  public static let zero = Self(0)
  public var next: Self { Self(number + 1) }

  public static func < (left: Self, right: Self) -> Bool { left.number < right.number }
  public var description: String { "\(number)" }

  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(UInt64.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(number)
  }
}
