import Foundation
import SegueModel
import Testing

@testable import ReleaseCalendar

@Suite struct TimeZoneTests {
  /// 1970 to 2100, in seconds.
  private static let range: ClosedRange<Int64> = 0...4_133_980_799

  /// Zones with every oddity: half hours, daylight time that is the earlier one, a day that was
  /// skipped, Ramadan, two hours, a country that changed its mind a week before.
  private static let odd = [
    "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "Africa/Casablanca",
    "Pacific/Apia", "Antarctica/Troll", "Asia/Kathmandu", "Asia/Tehran", "America/Sao_Paulo",
    "America/Nuuk", "Africa/Cairo", "Asia/Gaza", "America/Havana", "America/St_Johns",
    "Pacific/Chatham", "Asia/Pyongyang", "Etc/GMT+5", "EST5EDT", "Pacific/Kwajalein",
  ]

  private struct Probe {
    var zone: String
    var second: Int64
  }

  /// Random moments, and those around every change of an odd zone.
  private static func probes() throws -> [Probe] {
    var numbers = SteadyNumbers(state: 20_261_124)
    var probes: [Probe] = []
    for zone in Zones.names {
      for _ in 0..<40 {
        probes.append(Probe(zone: zone, second: .random(in: range, using: &numbers)))
      }
    }
    for zone in odd {
      for _ in 0..<500 {
        probes.append(Probe(zone: zone, second: .random(in: range, using: &numbers)))
      }
      let changes = try Zones.named(zone).changes.map(\.at).filter { range.contains($0) }
      for change in changes {
        for second in [change - 1, change, change + 1, change + 1_800] {
          probes.append(Probe(zone: zone, second: second))
        }
      }
    }
    return probes
  }

  private static func input(_ probes: [Probe]) -> Data {
    Data(probes.map { "\($0.zone) \($0.second)\n" }.joined().utf8)
  }

  @Test func offsetsAreThoseOfPythonInEveryZone() throws {
    let probes = try Self.probes()
    let output = try Python.run(
      """
      import sys, zoneinfo, datetime as d
      zoneinfo.reset_tzpath(to=["\(Zones.folder)".rstrip("/")])
      for line in sys.stdin:
        name, second = line.split()
        t = d.datetime.fromtimestamp(int(second), zoneinfo.ZoneInfo(name))
        print(int(t.utcoffset().total_seconds()), t.tzname(), int(bool(t.dst())))
      """, Self.input(probes))
    let lines = output.split(separator: "\n")
    try #require(lines.count == probes.count && probes.count > 30_000)
    var rules: [String: TimeZoneRules] = [:]
    var differences: [String] = []
    for (probe, line) in zip(probes, lines) {
      let zone = try rules[probe.zone] ?? Zones.named(probe.zone)
      rules[probe.zone] = zone
      let offset = zone.offset(at: Instant(second: probe.second))
      // Whether Python says daylight time depends on how much it is, which no file tells.
      let found = "\(offset.seconds) \(offset.abbreviation)"
      if !line.hasPrefix(found + " ") { differences.append("\(probe): \(found), not \(line)") }
    }
    #expect(differences.isEmpty, "\(differences.count): \(differences.prefix(5))")
  }

  @Test func momentsOfLocalTimesAreThoseOfPython() throws {
    let probes = try Self.probes().filter { Self.odd.contains($0.zone) }
    let output = try Python.run(
      """
      import sys, zoneinfo, datetime as d
      zoneinfo.reset_tzpath(to=["\(Zones.folder)".rstrip("/")])
      epoch = d.datetime(1970, 1, 1)
      for line in sys.stdin:
        name, second = line.split()
        zone = zoneinfo.ZoneInfo(name)
        wall = epoch + d.timedelta(seconds=int(second))
        found = set()
        for fold in (0, 1):
          t = wall.replace(tzinfo=zone, fold=fold).astimezone(d.timezone.utc)
          if t.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
            found.add(int(t.timestamp()))
        print(*sorted(found))
      """, Self.input(probes))
    let lines = output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    try #require(lines.count == probes.count)
    var rules: [String: TimeZoneRules] = [:]
    var counts = [0, 0, 0]
    var differences: [String] = []
    for (probe, line) in zip(probes, lines) {
      let zone = try rules[probe.zone] ?? Zones.named(probe.zone)
      rules[probe.zone] = zone
      let moments: [Instant]
      switch zone.moments(ofClock: probe.second) {
      case .once(let moment): moments = [moment]
      case .twice(let first, let last): moments = [first, last]
      case .never(let change):
        moments = []
        let before = zone.local(at: Instant(milliseconds: change.milliseconds - 1))
        let after = zone.local(at: change)
        let clock = LocalTime(clockSeconds: probe.second)
        if !(before <= clock && clock < after) { differences.append("\(probe): \(change)") }
      }
      counts[moments.count] += 1
      let found = moments.map { "\($0.milliseconds / 1_000)" }.joined(separator: " ")
      if found != line { differences.append("\(probe): \(found), not \(line)") }
    }
    #expect(differences.isEmpty, "\(differences.count): \(differences.prefix(5))")
    // The probes hold all three kinds.
    #expect(counts.allSatisfy { $0 > 20 }, "\(counts)")
  }

  @Test(arguments: ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin"])
  func offsetsAreThoseOfFoundation(name: String) throws {
    let zone = try Zones.named(name)
    let other = try #require(TimeZone(identifier: name))
    var numbers = SteadyNumbers(state: 7)
    for _ in 0..<3_000 {
      let second = Int64.random(in: Self.range, using: &numbers)
      let expected = other.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second)))
      #expect(zone.offset(at: Instant(second: second)).seconds == expected, "\(second)")
    }
  }

  @Test func everyDayFollowsTheOneBefore() throws {
    var weekday = Weekday.monday
    for number in CivilDate.firstDayNumber...CivilDate.lastDayNumber {
      let date = CivilDate(dayNumber: number)
      // One comparison at a time would be three million records of a test that passes.
      guard date.dayNumber == number, date.weekday == weekday,
        CivilDate(year: date.year, month: date.month, day: date.day) == date
      else {
        Issue.record("\(number) gives \(date), \(date.weekday)")
        return
      }
      weekday = Weekday(rawValue: weekday.rawValue % 7 + 1) ?? .monday
    }
    #expect(CivilDate(year: 2_026, month: 11, day: 24)?.weekday == .tuesday)
    #expect(CivilDate(year: 1_900, month: 2, day: 29) == nil)
    #expect(CivilDate(year: 2_000, month: 2, day: 29)?.description == "2000-02-29")
  }

  @Test func momentsBeyondAllReasonAreAnswered() throws {
    let zone = try Zones.named("Europe/Paris")
    for moment in [Int64.min, -1, 0, Int64.max] {
      let moment = Instant(milliseconds: moment)
      _ = zone.offset(at: moment)
      #expect(zone.local(at: moment).date.year >= 1)
      #expect(!MomentText.full(moment, in: zone).isEmpty)
    }
  }
}

/// Files that are not as they should be, and rules in all their forms.
@Suite struct ZoneFileTests {
  private static func file(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: Zones.folder + name)))
  }

  /// A zone that has nothing but a rule for ever.
  private static func file(rule: String) -> [UInt8] {
    let header = Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
    func counts(_ numbers: UInt8...) -> [UInt8] { numbers.flatMap { [0, 0, 0, $0] } }
    let block = counts(0, 0, 0, 0, 1, 4) + [0, 0, 0, 0, 0, 0] + Array("LMT\0".utf8)
    return header + block + header + block + Array("\n\(rule)\n".utf8)
  }

  @Test(arguments: [
    "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1",
    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "AAA3BBB,J60,J300/4", "AAA-3BBB,59,299/4",
    "XXX3EDT4,0/0,J365/23", "IST-2IDT,M3.4.4/26,M10.5.0", "AAA12:30:15BBB,M2.1.6/167,M9.5.3/-167",
    "UTC0", "<+14>-14",
  ])
  func aRuleForEverIsReadAsTheCLibraryReadsIt(rule: String) throws {
    let zone = try TimeZoneRules(name: "Test", file: Self.file(rule: rule))
    var numbers = SteadyNumbers(state: 99)
    let seconds = (0..<2_000).map { _ in Int64.random(in: 0...4_133_980_799, using: &numbers) }
    let output = try Python.run(
      """
      import os, sys, time
      os.environ["TZ"] = sys.stdin.readline().strip()
      time.tzset()
      for line in sys.stdin:
        t = time.localtime(int(line))
        print(t.tm_gmtoff, t.tm_zone)
      """, Data(([rule] + seconds.map { "\($0)" }).joined(separator: "\n").utf8))
    let found = seconds.map { second in
      let offset = zone.offset(at: Instant(second: second))
      return "\(offset.seconds) \(offset.abbreviation)"
    }
    #expect(found == output.split(separator: "\n").map { String($0) })
  }

  @Test(arguments: [
    "EST", "EST5EDT", "EST5EDT,M3.2.0", "EST5EDT,M13.2.0,M11.1.0", "EST5EDT,M3.6.0,M11.1.0",
    "EST5EDT,M3.2.7,M11.1.0", "EST5EDT,J0,J300", "EST5EDT,366,J300", "EST25", "EST5 ", "AB5",
    "<ABC5", "EST5EDT,M3.2.0/168,M11.1.0", "EST5EDT,M3.2.0,M11.1.0,", "5EST", "EST5:60",
    "EST99999999999999999999",
  ])
  func aRuleThatNobodyKnowsIsRefused(rule: String) {
    #expect(throws: ZoneFault.self) {
      try TimeZoneRules(name: "Test", file: Self.file(rule: rule))
    }
  }

  @Test func aFileCutOffAnywhereIsRefused() throws {
    let whole = try Self.file("Europe/Paris")
    for length in 0..<whole.count {
      #expect(throws: ZoneFault.self) {
        try TimeZoneRules(name: "Test", file: Array(whole.prefix(length)))
      }
    }
  }

  @Test func damagedFilesCrashNothing() throws {
    let whole = try Self.file("Europe/Paris")
    var numbers = SteadyNumbers(state: 3)
    var read = 0
    for _ in 0..<3_000 {
      var file = whole
      for _ in 0..<Int.random(in: 1...4, using: &numbers) {
        file[Int.random(in: 0..<file.count, using: &numbers)] = .random(
          in: 0...255, using: &numbers)
      }
      guard let zone = try? TimeZoneRules(name: "Test", file: file) else { continue }
      read += 1
      for second in [Int64.min / 1_000, 0, 1_774_746_000, 4_000_000_000] {
        let local = zone.local(at: Instant(milliseconds: second * 1_000))
        _ = zone.moments(of: local)
      }
    }
    #expect(read > 100)
  }

  @Test func filesThatTellTooLittleOrTooMuchAreRefusedWithTheReason() throws {
    var old = try Self.file("Europe/Paris")
    old[4] = 0
    // The third count of the second header, and one record of a leap second after it.
    var leapSeconds = Self.file(rule: "UTC0")
    leapSeconds[54 + 20 + 11] = 1
    leapSeconds.insert(contentsOf: [UInt8](repeating: 0, count: 12), at: 54 + 54)
    let cases: [([UInt8], String)] = [
      (old, "version 1"), ([], "not in the format"), (Array("TZif".utf8), "not in the format"),
      ([UInt8](repeating: 0, count: 70_000), "too large"), (leapSeconds, "leap seconds"),
    ]
    for (file, reason) in cases {
      let fault = #expect(throws: ZoneFault.self) { try TimeZoneRules(name: "A/B", file: file) }
      #expect(fault?.description.contains(reason) == true, "\(String(describing: fault))")
      #expect(fault?.description.contains("A/B") == true)
    }
  }

  @Test(arguments: [
    ("europe/paris", "Europe/Paris"), ("Paris", "Europe/Paris"), ("Europe/Pariss", "Europe/Paris"),
    ("new york", "America/New_York"), ("Amerika/New_York", "America/New_York"),
    ("utc", "UTC"), ("Lord_Howe", "Australia/Lord_Howe"),
  ])
  func theNearestZoneIsSuggested(written: String, meant: String) {
    #expect(Zones.library.nearest(to: written).map { $0 == "Etc/UTC" ? "UTC" : $0 } == meant)
    let fault = #expect(throws: ZoneFault.self) { try Zones.named(written) }
    #expect(fault?.nextStep.hasPrefix("Perhaps you mean ") == true)
  }

  @Test(arguments: [
    "../../etc/passwd", "/etc/passwd", "Europe/../Paris", "", "Europe/", "Europe//Paris", ".",
    "Europe/Par is", "Europe/P\u{e4}ris", String(repeating: "a", count: 65), "tzdata.zi",
  ])
  func aNameThatLeadsElsewhereIsNeverAskedFor(name: String) {
    let library = ZoneLibrary(names: Zones.names) { name in
      Issue.record("asked for '\(name)'")
      return nil
    }
    #expect(throws: ZoneFault.self) { try library.rules(named: name) }
  }
}
