import SegueModel
import Testing

@testable import TrafficRouting

@Suite struct UnitLedgerTests {
  private static let target = ExperimentTarget(
    rollout: "R1", control: "r-old", variant: "r-new",
    goals: [
      GoalSpec(name: "signup", source: .path("/welcome")),
      GoalSpec(name: "revenue", source: .header("segue-goal"), count: .sum),
      GoalSpec(name: "paid", source: .posted, count: .sum),
    ])

  private static func entry(
    _ unit: String, _ arm: UInt8, _ goal: UInt8? = nil, _ value: Double = 1
  ) -> UnitLedger.Entry {
    UnitLedger.Entry(unit: StickyUnit(unit), arm: arm, goal: goal, value: value)
  }

  @Test func aUserCountsOnceAndItsValuesAddUp() {
    var ledger = UnitLedger(Self.target)
    for entry in [
      Self.entry("a", 0), Self.entry("a", 0, 0), Self.entry("a", 0, 0),
      Self.entry("b", 1, 1, 2), Self.entry("b", 1, 1, 3), Self.entry("c", 1),
      Self.entry("b", 1, 9), Self.entry("d", 7),
    ] {
      ledger.add(entry)
    }
    let report = ledger.report
    #expect(report.arms.map(\.release) == ["r-old", "r-new"])
    #expect(report.arms.map(\.units) == [1, 2])
    #expect(report.arms[0].sums == [1, 0, 0] && report.arms[0].squares == [1, 0, 0])
    #expect(report.arms[1].sums == [0, 5, 0] && report.arms[1].squares == [0, 25, 0])
    #expect(report.crossed == 0 && report.uncounted == 0)
  }

  @Test func whoWasAnsweredByBothStaysWhereItWasFirst() {
    var ledger = UnitLedger(Self.target)
    for arm: UInt8 in [0, 1, 1, 0] { ledger.add(Self.entry("a", arm, 0)) }
    #expect(ledger.report.crossed == 1)
    #expect(ledger.report.arms.map(\.units) == [1, 0])
    #expect(ledger.report.arms[0].sums[0] == 1)
  }

  @Test func memoryIsBounded() {
    var ledger = UnitLedger(Self.target, limit: 2)
    for name in ["a", "b", "c", "a", "d"] { ledger.add(Self.entry(name, 0, 0)) }
    #expect(ledger.report.arms[0].units == 2)
    #expect(ledger.report.uncounted == 2)
  }

  @Test(arguments: [
    ("paid", "a", "12.50" as String?, ReachedGoal.Fate.counted), ("paid", "a", nil, .counted),
    ("paid", "b", nil, .unknownUnit), ("signup", "a", nil, .unknownGoal),
    ("other", "a", nil, .unknownGoal), ("paid", "a", "1e5", .unreadableValue),
    ("paid", "a", "inf", .unreadableValue), ("paid", "a", "nan", .unreadableValue),
    ("paid", "a", "", .unreadableValue), ("paid", "a", "1.2.3", .unreadableValue),
    ("paid", "a", "-", .unreadableValue), ("paid", "a", "-3", .counted),
    ("paid", "a", "99999999999", .unreadableValue),
  ])
  func aPostedGoalCountsForWhoIsKnown(
    _ goal: String, _ unit: String, _ value: String?, _ fate: ReachedGoal.Fate
  ) {
    var ledger = UnitLedger(Self.target)
    ledger.add(Self.entry("a", 1))
    let key = ServiceKey(environment: "production", service: "web")
    let reached = ReachedGoal(key: key, goal: goal, unit: unit, value: value)
    #expect(ledger.credit(reached) == fate)
    let sum = fate == .counted ? Double(value ?? "1") : 0
    #expect(ledger.report.arms[1].sums[2] == sum)
  }

  @Test func goesOnFromWhatIsOnDisk() throws {
    var ledger = UnitLedger(Self.target)
    for number in 0..<200 {
      ledger.add(Self.entry("\(number)", UInt8(number % 2), number % 3 == 0 ? 0 : 1, 2.5))
    }
    ledger.add(Self.entry("0", 1))
    let octets = ledger.octets
    var restored = try #require(UnitLedger(Self.target, restoring: octets))
    #expect(restored.report == ledger.report)
    restored.add(Self.entry("7", 1, 1, 1))
    ledger.add(Self.entry("7", 1, 1, 1))
    #expect(restored.report == ledger.report)
    for cut in [0, 1, 2, 3, octets.count - 1] where cut != 2 {
      #expect(UnitLedger(Self.target, restoring: Array(octets.prefix(cut))) == nil)
    }
    var wrong = octets
    wrong[10] = 9
    #expect(UnitLedger(Self.target, restoring: wrong) == nil, "there is no ninth arm")
    #expect(UnitLedger(Self.target, restoring: octets + octets.dropFirst(2)) == nil, "twice")
    #expect(UnitLedger(Self.target, restoring: octets, limit: 3) == nil)
  }
}

@Suite struct GoalReaderTests {
  private static let reader = GoalReader([
    GoalSpec(name: "checkout", source: .header("segue-goal"), count: .sum),
    GoalSpec(name: "signup", source: .header("segue-goal")),
    GoalSpec(name: "welcome", source: .path("/welcome")),
    GoalSpec(name: "paid", source: .posted),
  ])

  @Test(arguments: [
    ("checkout=12.50", ["0=12.5"]), ("checkout", ["0=1.0"]), ("signup", ["1=1.0"]),
    (" signup ,checkout=3, other", ["1=1.0", "0=3.0"]), ("signup=7", ["1=1.0"]),
    ("checkout=x", ["0=?"]), ("checkout=", ["0=?"]), ("Checkout", []), ("checkouts", []),
    ("paid", []), ("welcome", []), (",,,", []), ("", []), ("=3", []),
  ])
  func anInstanceNamesGoals(_ value: String, _ expected: [String]) throws {
    let found = try RequestFieldsTests.ask(["SEGUE-GOAL: \(value)", "X: checkout"]) {
      block, bytes in
      var found: [String] = []
      Self.reader.forEachGoal(in: block, bytes) { goal, value in
        found.append("\(goal)=\(value.map { "\($0)" } ?? "?")")
      }
      return found
    }
    #expect(found == expected)
  }

  @Test(arguments: [
    ("/welcome", 200, true), ("/welcome?a=b", 302, true), ("/welcome", 404, false),
    ("/welcome", 500, false), ("/welcome/", 200, false), ("/Welcome", 200, false),
    ("/", 200, false), ("/welcome", 101, false),
  ])
  func aPathIsAGoal(_ path: String, _ status: Int, _ counts: Bool) {
    let bytes = Array("GET \(path)".utf8)
    var found: [UInt8] = []
    Self.reader.forEachGoal(ofPath: 4..<bytes.count, in: bytes.span, status: status) {
      found.append($0)
    }
    #expect(found == (counts ? [2] : []))
  }
}

@Suite struct DifferenceGroupsTests {
  @Test(arguments: [
    ("/", "/"), ("/orders/17", "/orders/{n}"),
    ("/orders/17/items/3x9", "/orders/{n}/items/{n}x{n}"),
    ("/u/123e4567-e89b-12d3-a456-426614174000/x", "/u/{id}/x"),
    ("/deadbeefdeadbeef", "/deadbeefdeadbeef"),
    ("/a//b", "/a//b"), ("/über/٣", "/über/٣"),
  ])
  func numbersAreTakenOutOfPaths(_ path: String, _ pattern: String) {
    #expect(MirrorLabel.pattern(path) == pattern)
  }

  @Test func theFrequentStayAndTheRareGiveWay() {
    var groups = DifferenceGroups()
    for number in 0..<5_000 {
      groups.add("GET /often", "body")
      groups.add("GET /\(number)", "body")
    }
    #expect(groups.groups.count == DifferenceGroups.limit)
    #expect(groups.sorted.first == MirrorGroup(request: "GET /often", what: "body", count: 5_000))
  }

  @Test func twoLoopsAddUp() {
    let one = [MirrorGroup(request: "GET /a", what: "body", count: 2)]
    let other = [
      MirrorGroup(request: "GET /b", what: "body", count: 5),
      MirrorGroup(request: "GET /a", what: "body", count: 4),
    ]
    #expect(
      DifferenceGroups.merged(one, other).map(\.count) == [6, 5])
  }

  @Test(arguments: [
    (200, 500, "x", "x", "status: 200 there, 500 here"), (200, 200, "x", "y", "body"),
    (200, 200, #"{"a":[1,{"b":2}]}"#, #"{"a":[1,{"b":3}]}"#, "body: $.a[{n}].b"),
    (200, 200, "x", "x", nil),
  ])
  func kindsLeaveValuesOut(
    _ one: Int, _ other: Int, _ there: String, _ here: String, _ kind: String?
  ) {
    func answer(_ status: Int, _ body: String) -> ComparedAnswer {
      ComparedAnswer(
        status: status, contentType: Array("application/json".utf8), headers: [],
        body: Array(body.utf8))
    }
    let comparison = AnswerComparison(
      there: answer(one, there), here: answer(other, here), names: [])
    #expect(comparison.kind == kind)
  }
}
