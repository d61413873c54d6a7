import SegueModel

/// One field of a cron expression: its name, what it counts and the names it knows.
private struct CronField {
  var name: String
  var range: ClosedRange<Int>
  /// The first one stands for `namesFrom`.
  var names: [String] = []
  var namesFrom = 0

  static let minute = Self(name: "minute", range: 0...59)
  static let hour = Self(name: "hour", range: 0...23)
  static let dayOfMonth = Self(name: "day of the month", range: 1...31)
  static let month = Self(
    name: "month", range: 1...12, names: MomentText.months.map { $0.lowercased() }, namesFrom: 1)
  /// 0 and 7 are both Sunday.
  static let dayOfWeek = Self(
    name: "day of the week", range: 0...7,
    names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"], namesFrom: 0)

  var help: String {
    let names = names.isEmpty ? "" : ", or \(names.joined(separator: ", "))"
    return "The \(name) is \(range.lowerBound) to \(range.upperBound)\(names); *, lists 1,2,"
      + " ranges 1-5 and steps */2 may be used"
  }
}

extension CalendarScanner {
  /// `0 9 * * 1-5 for 7h`, up to the zone.
  mutating func cron() throws(CalendarTextFault) -> (CronExpression, Milliseconds) {
    let start = index
    let (minutes, _) = try field(.minute)
    let (hours, _) = try field(.hour)
    let (daysOfMonth, anyDayOfMonth) = try field(.dayOfMonth)
    let (months, _) = try field(.month)
    let (daysOfWeek, anyDayOfWeek) = try field(.dayOfWeek)
    let cron = CronExpression(
      minutes: minutes.sorted(), hours: hours.sorted(), daysOfMonth: daysOfMonth, months: months,
      daysOfWeek: Set(daysOfWeek.compactMap { Weekday(rawValue: $0 == 0 ? 7 : $0) }),
      restrictsDayOfMonth: !anyDayOfMonth, restrictsDayOfWeek: !anyDayOfWeek)
    guard cron.everFires else {
      throw fault(
        "no such day ever comes", "Write a day that one of these months has", at: start)
    }
    skipSpaces()
    guard upcoming == "for" else {
      throw fault(
        "a cron expression says when something begins, but not how long it lasts",
        "After the five fields write 'for' and a length, such as 0 9 * * 1-5 for 7h Europe/Paris")
    }
    _ = word()
    skipSpaces()
    return (cron, try duration(limit: TimePattern.longestDays))
  }

  private mutating func field(
    _ field: CronField
  ) throws(CalendarTextFault) -> (values: Set<Int>, isAny: Bool) {
    skipSpaces()
    guard !isAtEnd else {
      throw fault("the \(field.name) is missing", "A cron expression has five fields")
    }
    let isAny = next == "*"
    var values: Set<Int> = []
    repeat {
      values.formUnion(try item(field))
    } while take(",")
    guard isAtEnd || next == " " else {
      throw fault("'\(upcoming)' is not understood in the \(field.name)", field.help)
    }
    return (values, isAny)
  }

  /// `*`, `5`, `1-5`, `*/15`, `9-17/2`
  private mutating func item(_ field: CronField) throws(CalendarTextFault) -> [Int] {
    var range = field.range
    if !take("*") {
      let start = index
      let first = try value(field)
      let last = take("-") ? try value(field) : first
      guard first <= last else {
        throw fault(
          "the range runs backwards", "Write the smaller number first, or a list of two ranges",
          at: start)
      }
      range = first...last
      if first == last, next == "/" { range = first...field.range.upperBound }
    } else if field.range == 0...7 {
      range = 0...6
    }
    guard take("/") else { return Array(range) }
    let place = index
    guard let step = number(), step >= 1, step <= field.range.upperBound else {
      throw fault(
        "after '/' a step is missing", "Write 1 to \(field.range.upperBound)", at: place)
    }
    return Array(stride(from: range.lowerBound, through: range.upperBound, by: step))
  }

  private mutating func value(_ field: CronField) throws(CalendarTextFault) -> Int {
    let start = index
    if isAtLetter {
      let name = run { $0.properties.isAlphabetic }.lowercased()
      if let number = field.names.firstIndex(of: name) { return number + field.namesFrom }
      throw fault("'\(name)' is no \(field.name)", field.help, at: start)
    }
    guard let number = number() else {
      throw fault(
        isAtEnd || next == " "
          ? "here a number is missing" : "'\(upcoming)' is no \(field.name)",
        field.help, at: start)
    }
    guard field.range.contains(number) else {
      throw fault("\(number) is no \(field.name)", field.help, at: start)
    }
    return number
  }
}
