import Evidence
import SegueModel
import Testing

@Suite struct DurationStudyTests {
  static func series(_ values: [Int64], of subject: String = "t") -> DurationSeries {
    DurationSeries(
      subject: subject,
      points: values.enumerated().map { run, value in
        DurationSeries.Point(
          commit: CommitID("c\(run)"), at: Instant(milliseconds: Int64(run)),
          duration: Milliseconds(value))
      })
  }

  @Test func aJumpNamesTheCommitThatBroughtIt() throws {
    let values = (0..<30).map { Int64(($0 < 11 ? 1_000 : 2_000) + $0 % 4) }
    let study = try #require(DurationStudy(of: Self.series(values)))
    #expect(study.isChange)
    #expect(study.jumps.map(\.commit) == ["c11"])
    #expect(study.jumps.map(\.previous) == ["c10"])
    #expect(study.jumps.map(\.before.count) == [1_001])
    #expect(study.jumps.map(\.after.count) == [2_001])
    #expect(study.growth.count == 1_000)
  }

  @Test func aSlowRiseIsSeen() throws {
    let rising = DurationTrendTests.rising.map { Int64($0) }
    let study = try #require(DurationStudy(of: Self.series(rising)))
    #expect(study.slope.slope == 0.75)
    #expect(study.isChange)
    #expect(study.growth.count == 5)
  }

  @Test func chanceIsNoTrend() throws {
    let noise: [Int64] = [100, 103, 98, 101, 99, 102, 97, 103, 100, 98, 102, 99]
    let study = try #require(DurationStudy(of: Self.series(noise)))
    #expect(!study.isChange)
    #expect(DurationStudy(of: Self.series([1, 2, 3, 4, 5, 6, 7])) == nil)
    #expect(DurationStudy(of: Self.series([Int64](repeating: 5, count: 20)))?.isChange == false)
  }

  @Test func theGreatestChangeComesFirst() {
    func step(_ subject: String, _ after: Int64) -> DurationSeries {
      Self.series((0..<20).map { ($0 < 10 ? 500 : after) + $0 % 3 }, of: subject)
    }
    let all = [step("a", 600), step("b", 90), step("c", 500), step("d", 1_500)]
    #expect(DurationStudy.changes(in: all, limit: 9).map(\.subject) == ["d", "b", "a"])
    #expect(DurationStudy.changes(in: all, limit: 1).map(\.subject) == ["d"])
    #expect(DurationStudy.changes(in: all, limit: 0).isEmpty)
  }
}

@Suite struct UnitTimesTests {
  static let history: [String: Milliseconds] = [
    "pytest > tests.test_a.TestX.test_y[1]": Milliseconds(10),
    "pytest > tests.test_a.test_z": Milliseconds(20),
    "pytest > tests.test_ab.test_z": Milliseconds(40),
    "ShopTests.CartTests.adds()": Milliseconds(80),
    "example.com/shop/cart.TestTotal/two": Milliseconds(160),
    "Cart > src/cart.test.ts.Cart adds": Milliseconds(320),
  ]

  @Test(arguments: [
    ("tests/test_a.py", Int64?.some(30)), ("./tests/test_a.py", 30),
    ("tests/test_a.py::TestX", 10),
    ("tests/test_a.py::TestX::test_y[1]", 10), ("tests/test_a.py::test_z", 20), ("tests", 70),
    ("ShopTests.CartTests/adds()", 80), ("ShopTests", 80), ("example.com/shop/cart", 160),
    ("src/cart.test.ts", 320), ("tests/test_c.py", nil), ("", nil),
  ])
  func whatIsListedTakesAsLongAsTheTestsInIt(unit: String, time: Int64?) {
    #expect(ShardPlan.times(of: [unit], history: Self.history)[unit]?.count == time)
  }
}
