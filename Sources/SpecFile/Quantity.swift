import SegueModel

/// A value that could not be read: what is wrong with it and what to write instead.
struct Misreading: Error, Equatable {
  var message: String
  var hint: String
}

/// `250ms`, `30s`, `10m`, `1h`, `1h30m`, `14d`. A day is 24 hours.
enum DurationText {
  static let pattern =
    "^(?=[0-9])([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$"
  private static let units: [(name: String, factor: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
  ]

  static func parse(_ text: String) throws(Misreading) -> Milliseconds {
    var rest = Substring(text)
    var total: Int64 = 0
    var nextUnit = 0
    repeat {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      let name = rest.prefix { $0.isASCII && $0.isLetter }
      rest = rest.dropFirst(name.count)
      guard digits.count <= 9, let number = Int64(digits),
        let unit = units.firstIndex(where: { $0.name == name }), unit >= nextUnit
      else { throw misreading(text) }
      total += number * units[unit].factor
      nextUnit = unit + 1
    } while !rest.isEmpty
    return Milliseconds(total)
  }

  private static func misreading(_ text: String) -> Misreading {
    let message = "\(Printable.quoted(text)) is not a length of time"
    if let number = Int64(text), number >= 0 {
      return Misreading(message: message + ": the unit is missing", hint: "write `\(number)s`?")
    }
    if text.hasSuffix("s"), !text.hasSuffix("ms"), let seconds = Double(text.dropLast()),
      seconds >= 0, seconds < 86_400
    {
      let milliseconds = Int64((seconds * 1_000).rounded())
      return Misreading(
        message: message + ": it takes whole numbers", hint: "write `\(milliseconds)ms`")
    }
    return Misreading(
      message: message, hint: "write it like `250ms`, `30s`, `10m` or `1h30m`")
  }

  /// A short form that reads back as the same length: `1h30m`, `250ms`. Up to two days are said in
  /// hours, as people do.
  static func render(_ duration: Milliseconds) -> String {
    var rest = duration.count
    var text = ""
    let usable = units.drop { $0.name == "d" && rest < 2 * $0.factor }
    for unit in usable where rest >= unit.factor {
      text += "\(rest / unit.factor)\(unit.name)"
      rest %= unit.factor
    }
    return text.isEmpty ? "0s" : text
  }
}

/// `512MiB`, `1GiB`, `500MB`: bytes with a binary or a decimal unit.
enum SizeText {
  static let pattern = "^[0-9]{1,9}(KiB|MiB|GiB|TiB|KB|MB|GB|TB)$"
  private static let units: [(name: String, factor: Int64)] = [
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
    ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000),
  ]

  static func parse(_ text: String) throws(Misreading) -> Int64 {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let name = text.dropFirst(digits.count)
    guard digits.count <= 9, let number = Int64(digits) else { throw misreading(text) }
    guard let unit = units.first(where: { $0.name == name }) else {
      throw misreading(text, number: number, unit: name)
    }
    let (bytes, isOverflow) = number.multipliedReportingOverflow(by: unit.factor)
    guard !isOverflow else { throw misreading(text) }
    return bytes
  }

  private static func misreading(
    _ text: String, number: Int64? = nil, unit: Substring = ""
  ) -> Misreading {
    let message = "\(Printable.quoted(text)) is not a size"
    guard let number else {
      return Misreading(message: message, hint: "write it like `512MiB`, `1GiB` or `500MB`")
    }
    if unit.isEmpty {
      return Misreading(message: message + ": the unit is missing", hint: "write `\(number)MiB`?")
    }
    let letter = unit.drop { $0 == " " }.first.map { String($0).uppercased() } ?? ""
    guard ["K", "M", "G", "T"].contains(letter) else {
      return Misreading(message: message, hint: "write it like `512MiB`, `1GiB` or `500MB`")
    }
    return Misreading(message: message, hint: "did you mean `\(number)\(letter)iB`?")
  }

  /// The largest binary unit that divides it: `512MiB`. Bytes that are no whole KiB have no form in
  /// the file and are rendered as `… B`.
  static func render(_ bytes: Int64) -> String {
    for unit in units.prefix(4).reversed() where bytes >= unit.factor && bytes % unit.factor == 0 {
      return "\(bytes / unit.factor)\(unit.name)"
    }
    return "\(bytes) B"
  }
}

/// A share of processor cores: `0.5`, `2`, to a thousandth.
enum CoresText {
  static func parse(_ text: String) throws(Misreading) -> Int {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let isDigits = parts.allSatisfy { part in
      !part.isEmpty && part.count <= 6 && part.allSatisfy { $0.isASCII && $0.isNumber }
    }
    guard isDigits, let whole = Int(parts[0]) else {
      throw Misreading(
        message: "\(Printable.quoted(text)) is not a number of cores",
        hint: "write it like `0.5` or `2`")
    }
    guard parts.count == 2 else { return whole * 1_000 }
    guard parts[1].count <= 3 else {
      throw Misreading(
        message: "\(Printable.quoted(text)) is finer than a thousandth of a core",
        hint: "write at most three digits after the point")
    }
    let padded = parts[1] + String(repeating: "0", count: 3 - parts[1].count)
    return whole * 1_000 + (Int(padded) ?? 0)
  }
}

extension CoresText {
  /// `0.5`, `2`
  static func render(_ thousandths: Int) -> String {
    var text = String(thousandths % 1_000 + 1_000).dropFirst()
    while text.hasSuffix("0") { text = text.dropLast() }
    return text.isEmpty ? "\(thousandths / 1_000)" : "\(thousandths / 1_000).\(text)"
  }
}
