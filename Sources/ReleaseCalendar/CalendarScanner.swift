import SegueModel

/// Reads a text of the calendar from its front, and knows where it is when something is wrong.
struct CalendarScanner {
  /// Longer texts are refused unread: none that means something comes near.
  static let limit = 200

  let scalars: [Unicode.Scalar]
  var index = 0

  init(_ text: String) throws(CalendarTextFault) {
    guard text.unicodeScalars.prefix(Self.limit + 1).count <= Self.limit else {
      throw CalendarTextFault(
        text: String(text.unicodeScalars.prefix(40)) + "…", offset: 0,
        problem: "this is longer than \(Self.limit) characters",
        nextStep: "Write something like \"Mon-Thu 09:00-16:00 Europe/Paris\"")
    }
    // A dash that an editor made longer is still a dash. What would move the cursor is shown as a
    // question mark.
    scalars = text.unicodeScalars.map {
      switch $0 {
      case "–", "—", "−": "-"
      case "\t", "\u{A0}": " "
      case _ where $0.value < 0x20 || (0x7F...0x9F).contains($0.value): "?"
      default: $0
      }
    }
    skipSpaces()
  }

  var text: String { String(String.UnicodeScalarView(scalars)) }
  var isAtEnd: Bool { index >= scalars.count }
  var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }
  var isAtDigit: Bool { next.map(Self.isDigit) ?? false }
  var isAtLetter: Bool { next?.properties.isAlphabetic ?? false }

  /// Four digits and a dash: a year, and more of a date to come.
  var isAtDate: Bool {
    let start = scalars.dropFirst(index).prefix(5)
    return start.count == 5 && start.last == "-" && start.dropLast().allSatisfy(Self.isDigit)
  }

  static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

  func fault(
    _ problem: String, _ nextStep: String, at offset: Int? = nil
  ) -> CalendarTextFault {
    CalendarTextFault(
      text: text, offset: min(offset ?? index, scalars.count), problem: problem,
      nextStep: nextStep)
  }

  mutating func skipSpaces() {
    while next == " " { index += 1 }
  }

  mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    index += 1
    return true
  }

  /// The scalars up to one that does not belong.
  mutating func run(while belongs: (Unicode.Scalar) -> Bool) -> String {
    let start = index
    while let next, belongs(next) { index += 1 }
    return String(String.UnicodeScalarView(scalars[start..<index]))
  }

  /// Up to the next space.
  mutating func word() -> String { run { $0 != " " } }

  /// The word that comes next, without taking it.
  var upcoming: String {
    var copy = self
    return copy.word()
  }

  /// One or more digits, at most six, as a number; `nil` leaves everything where it is.
  mutating func number() -> Int? {
    let start = index
    let digits = run(while: Self.isDigit)
    guard digits.count <= 6, let number = Int(digits) else {
      index = start
      return nil
    }
    return number
  }
}

// MARK: What several forms have in common

extension CalendarScanner {
  /// `09:00`, in seconds after midnight. `24:00` only where it ends something.
  mutating func time(mayBe24: Bool) throws(CalendarTextFault) -> Int {
    let start = index
    let help = "Write hours and minutes, such as 09:00 or 16:30"
    guard let hour = number(), take(":"), let minute = number(), index - start >= 4 else {
      index = start
      let found = upcoming
      throw fault(
        found.isEmpty ? "here a time of day is missing" : "'\(found)' is no time of day", help,
        at: start)
    }
    let written = String(String.UnicodeScalarView(scalars[start..<index]))
    if hour == 24, minute == 0, mayBe24 { return 86_400 }
    guard hour <= 23, minute <= 59 else {
      throw fault(
        "there is no time \(written) in a day",
        mayBe24 ? "\(help), and 24:00 for the end of the day" : help, at: start)
    }
    var seconds = hour * 3_600 + minute * 60
    if next == ":" {
      index += 1
      let place = index
      guard let second = number(), second <= 59, index - place == 2 else {
        throw fault("after \(written): there are no seconds", "Write 00 to 59", at: place)
      }
      seconds += second
    }
    return seconds
  }

  /// `2026-12-24`
  mutating func date() throws(CalendarTextFault) -> CivilDate {
    let start = index
    let written = run { Self.isDigit($0) || $0 == "-" }
    let parts = written.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].count == 4, parts[1].count == 2, parts[2].count == 2,
      let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2])
    else {
      index = start
      throw fault(
        "'\(upcoming)' is no date", "Write year, month and day, such as 2026-12-24", at: start)
    }
    guard let date = CivilDate(year: year, month: month, day: day) else {
      let nextStep =
        (1...12).contains(month) && year > 0
        ? "\(MomentText.months[month - 1]) \(year) has \(CivilDate.days(in: month, of: year)) days"
        : "Months are 01 to 12"
      throw fault("there is no day \(written)", nextStep, at: start)
    }
    guard (1970...2999).contains(year) else {
      throw fault(
        "the year \(year) is out of reach", "Write a year from 1970 to 2999", at: start)
    }
    return date
  }

  /// `90m`, `8h`, `3d`, `1h30m`; at least a minute, at most `limit`.
  mutating func duration(limit days: Int64) throws(CalendarTextFault) -> Milliseconds {
    let start = index
    let help = "Write minutes, hours or days, such as 90m, 8h or 3d, at most \(days)d"
    var minutes: Int64 = 0
    while let number = number() {
      switch next {
      case "m": minutes += Int64(number)
      case "h": minutes += Int64(number) * 60
      case "d": minutes += Int64(number) * 1_440
      default: throw fault("after \(number) the unit is missing", help)
      }
      index += 1
    }
    guard index > start, isAtEnd || next == " " else {
      index = start
      throw fault(
        isAtEnd ? "here a length of time is missing" : "'\(upcoming)' is no length of time", help)
    }
    guard minutes >= 1, minutes <= days * 1_440 else {
      throw fault("this is \(minutes == 0 ? "no time at all" : "too long")", help, at: start)
    }
    return .minutes(minutes)
  }

  /// The rest of the text, as the name of a zone; `nil` when there is none.
  mutating func zone(of zones: ZoneLibrary) throws(CalendarTextFault) -> TimeZoneRules? {
    skipSpaces()
    guard !isAtEnd else { return nil }
    let start = index
    let name = word()
    let rules: TimeZoneRules
    do {
      rules = try zones.rules(named: name)
    } catch {
      throw fault(error.problem, error.nextStep, at: start)
    }
    skipSpaces()
    guard isAtEnd else {
      throw fault("after the time zone nothing may follow", "Take out '\(upcoming)'")
    }
    return rules
  }

  mutating func requiredZone(of zones: ZoneLibrary) throws(CalendarTextFault) -> TimeZoneRules {
    if let zone = try zone(of: zones) { return zone }
    throw fault(
      "the time zone is missing", "Add one at the end, such as Europe/Paris or UTC")
  }
}
