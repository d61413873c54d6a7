import CanaryAnalysis
import SegueModel
import Testing

@Suite struct ExperimentTests {
  private let experiment = Experiment(
    arms: [.init(name: "old", share: 1), .init(name: "new", share: 1)],
    goals: [.init(name: "signups"), .init(name: "complaints", better: .lower)],
    endsAt: Instant(milliseconds: 1_000))

  /// Of so many units: so many with the first goal, and with the second.
  private func sums(_ units: UInt64, _ first: Double, _ second: Double) -> Experiment.Sums {
    Experiment.Sums(units: units, sums: [first, second], squares: [first, second])
  }

  @Test func theFirstGoalDecidesAndTheOthersObject() {
    let start = Instant(milliseconds: 0)
    let cases: [([Experiment.Sums], ExperimentResult.State)] = [
      ([], .noData),
      ([sums(0, 0, 0), sums(0, 0, 0)], .noData),
      ([sums(50, 1, 1), sums(50, 40, 1)], .undecided),
      ([sums(5_000, 500, 50), sums(5_000, 510, 50)], .undecided),
      ([sums(5_000, 500, 50), sums(5_000, 800, 50)], .winner("new")),
      ([sums(5_000, 500, 50), sums(5_000, 250, 50)], .winner("old")),
      ([sums(5_000, 500, 50), sums(5_000, 800, 400)], .undecided),
      ([sums(5_000, 500, 50), sums(4_000, 800, 50)], .splitBroken),
    ]
    for (sums, state) in cases {
      #expect(experiment.result(of: sums, at: start).state == state, "\(sums)")
    }
  }

  @Test func endsByVerdictDateOrPerson() {
    let open = [sums(5_000, 500, 50), sums(5_000, 510, 50)]
    let won = [sums(5_000, 500, 50), sums(5_000, 800, 50)]
    let start = Instant(milliseconds: 0)
    let late = Instant(milliseconds: 1_000)
    #expect(experiment.result(of: open, at: start).end == nil)
    #expect(experiment.result(of: open, at: late).end == .date)
    #expect(experiment.result(of: open, at: start, stopped: true).end == .person)
    #expect(experiment.result(of: won, at: start).end == .verdict)
    #expect(experiment.result(of: won, at: start).description == "new wins")
    #expect(
      experiment.result(of: won, at: start).explanation.hasPrefix(
        "new wins: signups of new is 0.16 per unit and of old 0.1, +60 % (+"))
    #expect(experiment.result(of: open, at: start).explanation == "no winner yet")
    let few = [sums(50_000, 206, 0), sums(50_000, 51, 0)]
    #expect(
      experiment.result(of: few, at: start).explanation.hasPrefix(
        "old wins: signups of new is 0.00102 per unit and of old 0.00412, -75.24 %"))
    #expect(experiment.result(of: open, at: late).description.hasPrefix("ended without a winner"))
  }

  @Test func printsATable() {
    let won = [sums(5_000, 500, 50), sums(5_000, 800, 50)]
    let lines = experiment.result(of: won, at: Instant(milliseconds: 0)).lines
    #expect(lines.count == 4)
    #expect(lines[0] == "old  signups  0.1 per unit  5,000 units")
    #expect(lines[2].hasPrefix("new  signups  0.16 per unit  5,000 units  +60 % (+"))
  }

  /// Looks after every hundred users, as far as 20,000: in experiments between two that are the same at
  /// most one in twenty may ever name a winner, and a third more is found in nearly all.
  @Test(arguments: [(1.0, 0...20), (1.34, 360...400)])
  func lookingOftenCostsNothing(_ ratio: Double, _ winners: ClosedRange<Int>) {
    let experiment = Experiment(
      arms: [.init(name: "old", share: 1), .init(name: "new", share: 1)],
      goals: [.init(name: "signups")])
    var random = SeededGenerator(state: 7)
    let start = Instant(milliseconds: 0)
    var ended = 0
    for _ in 0..<400 {
      var reached = [0.0, 0.0]
      for look in 1...200 as ClosedRange<UInt64> {
        reached[0] += Double(random.count(5))
        reached[1] += Double(random.count(5 * ratio))
        let sums = reached.map {
          Experiment.Sums(units: look * 50, sums: [$0], squares: [$0])
        }
        if case .winner = experiment.result(of: sums, at: start).state {
          ended += 1
          break
        }
      }
    }
    #expect(winners.contains(ended), "\(ended) of 400")
  }

  @Test func aProportionHasAnIntervalAtAnyMoment() {
    #expect(ProportionInterval.bounds(of: 0, in: 0) == (0, 1))
    #expect(ProportionInterval.bounds(of: 2, in: 1) == (0, 1))
    let none = ProportionInterval.bounds(of: 0, in: 10_000)
    // (1 - p) ** n * (n + 1) = alpha.
    #expect(none.lower == 0)
    #expect(isClose(none.upper, 0.00122, within: 0.00001))
    let some = ProportionInterval.bounds(of: 500, in: 1_000)
    #expect(some.lower > 0.43 && some.lower < 0.47)
    #expect(isClose(some.lower + some.upper, 1, within: 1e-9))
  }

  @Test func differingAnswersAreJudgedAndGrouped() {
    var report = MirrorReport(release: "r-2", compared: 10_000, equal: 9_900, status: 100)
    report.groups = [
      MirrorGroup(request: "GET /orders/{n}", what: "status: 200 there, 500 here", count: 98),
      MirrorGroup(request: "GET /", what: "body: $.total", count: 2),
    ]
    let bad = ShadowVerdict(report)
    #expect(bad.answer == .bad)
    #expect(bad.groups == report.groups)
    #expect(
      bad.description.hasSuffix(
        "so it is worse: 98 times GET /orders/{n} (status: 200 there, 500 here), 2 times GET / "
          + "(body: $.total)"))
    #expect(bad.description.hasPrefix("100 of 10,000 answers differ (1 %, between "))
    let few = ShadowVerdict(MirrorReport(release: "r-2", compared: 100, equal: 100))
    #expect(few.answer == .notEnoughEvidence)
    let clean = ShadowVerdict(MirrorReport(release: "r-2", compared: 20_000, equal: 20_000))
    #expect(clean.answer == .good)
    #expect(
      ShadowVerdict(MirrorReport(release: "r-2")).description == "no answers were compared yet")
    let odd = ShadowVerdict(MirrorReport(release: "r-2", compared: 1, equal: 5, failed: .max))
    #expect(odd.answer == .notEnoughEvidence)
  }

  @Test func aLateRegressionIsFound() {
    let before = (0..<3_600).map {
      TrafficHistory.Count(requests: 100, errors: $0 % 10 == 0 ? 1 : 0)
    }
    for (length, errors, found) in [(3_600, 1, true), (7_200, 1, true), (3_600, 0, false)] {
      var watch = BakeWatch(before: before, length: length, settings: JudgeSettings())
      var finding = BakeWatch.Finding.watching
      for second in 0..<length where finding == .watching {
        let late = second > 600 && errors > 0
        finding = watch.add(requests: 100, errors: late || second % 10 == 0 ? 1 : 0)
      }
      if case .regression(let evidence) = finding {
        #expect(found && evidence.counts.canaryErrors < 200)
      } else {
        #expect(!found && finding == .finished)
      }
    }
  }

  @Test func aBurningServiceIsFoundWithoutAnythingToCompare() {
    let clean = Array(repeating: TrafficHistory.Count(requests: 100, errors: 0), count: 3_600)
    // 2 % is twenty times what 99.9 % allows; after a clean hour it takes 14.4 / 20 of another.
    let cases: [(before: [TrafficHistory.Count], errors: UInt64, seconds: ClosedRange<Int>)] = [
      ([], 2, 180...300), (clean, 2, 2_520...2_640), (clean, 100, 45...60),
    ]
    for (before, errors, seconds) in cases {
      var watch = BakeWatch(before: before, length: 0, settings: JudgeSettings(), objective: 0.999)
      var finding = BakeWatch.Finding.watching
      var took = 0
      while finding == .watching, took < 25_000 {
        finding = watch.add(requests: 100, errors: errors)
        took += 1
      }
      #expect(finding == .burning(factor: 14.4))
      #expect(seconds.contains(took), "\(took)")
      #expect(watch.add(requests: 100, errors: 0) == finding)
    }
  }

  @Test func aFewFailuresBurnNothing() {
    var watch = BakeWatch(before: [], length: 600, settings: JudgeSettings(), objective: 0.999)
    var findings: [BakeWatch.Finding] = []
    for second in 0..<21_600 {
      findings.append(watch.add(requests: second % 600 == 0 ? 1 : 0, errors: second == 0 ? 1 : 0))
    }
    #expect(findings.last == .finished)
    #expect(findings.dropLast().allSatisfy { $0 == .watching })
  }
}
