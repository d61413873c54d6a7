import Evidence
import EvidenceStore
import Foundation
import SegueModel
import Testing

@Suite struct TestHistoryTests {
  @Test func onlyTheTestWhoseFailuresAreContradictedIsFlaky() async throws {
    try await withStore { store, _ in
      for commit in 0..<100 {
        let odd = commit % 33 == 5
        try await store.record(
          TestBatch(
            "c\(commit)", at: Int64(commit),
            ["steady": "p", "flaky": odd ? "fp" : "p", "broken": odd ? "fff" : "p"]))
      }
      let flaky = try await store.tests(of: "shop", .flaky)
      #expect(flaky.map(\.record.test) == ["flaky"])
      #expect(flaky[0].estimate.flakiness > 0.99)
      #expect(flaky[0].record.statistics.contradictedFailures == 3)
      #expect(flaky[0].record.failures == 3)
      let records = try await store.records(of: "shop", tests: ["broken", "unknown"])
      #expect(records["broken"]?.statistics.broken == [3: 3])
      #expect(records["unknown"] == nil)
      #expect(try await store.tests(of: "other", .flaky).isEmpty)
    }
  }

  @Test func aPassInAnotherEnvironmentContradictsNothing() async throws {
    try await withStore { store, _ in
      try await store.record(TestBatch("a", environment: "linux", ["t": "f"]))
      try await store.record(TestBatch("a", environment: "other", ["t": "p"]))
      var record = try #require(try await store.records(of: "shop", tests: ["t"])["t"])
      #expect(record.statistics.contradictedFailures == 0)
      #expect(record.statistics.broken == [1: 1])
      try await store.record(TestBatch("a", environment: "linux", ["t": "p"]))
      record = try #require(try await store.records(of: "shop", tests: ["t"])["t"])
      #expect(record.statistics.contradictedFailures == 1)
      #expect(record.statistics.broken.isEmpty)
    }
  }

  @Test func tellsWhatFailsSinceWhenAndHow() async throws {
    try await withStore { store, _ in
      try await store.record(TestBatch("a", at: 1, ["x": "p", "y": "f"]))
      try await store.record(TestBatch("b", at: 2, ["x": "ff", "y": "fp", "z": "s"]))
      try await store.record(TestBatch("c", at: 3, ["x": "f", "y": "p"]))
      let failing = try await store.tests(of: "shop", .failing).map(\.record)
      #expect(failing.map(\.test) == ["x"])
      #expect(failing[0].failingInARow == 2)
      #expect(failing[0].failingSince == "b")
      #expect(failing[0].lastSignature == "expected # but was #")
      #expect(failing[0].lastCommit == "c")
      let new = try await store.tests(of: "shop", .new(since: Instant(milliseconds: 100_000_000)))
      #expect(new.map(\.record.test) == ["z"])
      let runs = try await store.runs(of: "x", in: "shop", limit: 3)
      #expect(runs.map(\.commit) == ["c", "b", "b"])
      #expect(runs.map(\.attempt) == [1, 2, 1])
      #expect(try await store.failingRuns(of: ["x", "y"], in: "shop")["x"]?.count == 2)
    }
  }

  @Test func theSlowestComeFirstAndTimesSplitShards() async throws {
    try await withStore { store, _ in
      var batch = TestBatch("a", ["fast": "p", "slow": "p"])
      batch.results[1].duration = .seconds(9)
      try await store.record(batch)
      let slow = try await store.tests(of: "shop", .slow, limit: 1)
      #expect(slow.map(\.record.test) == ["slow"])
      #expect(slow[0].record.meanDuration == .seconds(9))
      let times = try await store.durations(of: "shop")
      #expect(times == ["fast": Milliseconds(10), "slow": .seconds(9)])
    }
  }

  /// Only first attempts that passed count, and a run that was cut off is left out.
  @Test func durationsAreToldRunByRun() async throws {
    try await withStore { store, _ in
      for run in 0..<4 {
        var batch = TestBatch(
          "c\(run)", at: Int64(run), environment: "test",
          run == 2 ? ["a": "p"] : ["a": "p", "b": run == 1 ? "fp" : "p", "c": "s"])
        for index in batch.results.indices {
          batch.results[index].duration = Milliseconds(Int64(100 * (run + 1)))
        }
        try await store.record(batch)
      }
      try await store.record(TestBatch("c9", at: 9, environment: "lint", ["z": "p"]))
      let history = try await store.durationSeries(of: "shop", runs: 10)
      #expect(history.steps.map(\.subject) == ["lint", "test"])
      let steps = try #require(history.steps.last)
      #expect(steps.points.map(\.commit) == ["c0", "c1", "c3"])
      #expect(steps.points.map(\.duration.count) == [200, 200, 800])
      let b = try #require(history.tests.first { $0.subject == "b" })
      #expect(b.points.map(\.commit) == ["c0", "c3"])
      #expect(try await store.durationSeries(of: "shop", runs: 1).steps.last?.points.count == 1)
      #expect(try await store.durationSeries(of: "other", runs: 1) == DurationHistory())
    }
  }

  @Test func outlivesItsProcessAndHandsADamagedFileAside() async throws {
    try await withStore { _, directory in
      let directory = directory + "/nested"
      let store = try await EvidenceStore.open(directory: directory)
      try await store.record(TestBatch("a", ["t": "p"]))
      try await store.close()
      let again = try await EvidenceStore.open(directory: directory)
      #expect(again.setAside == nil)
      #expect(try await again.records(of: "shop", tests: ["t"]).count == 1)
      try await again.close()
      try Data("this is no database, but it is long enough to be taken for one".utf8)
        .write(to: URL(filePath: again.path))
      let anew = try await EvidenceStore.open(directory: directory)
      #expect(anew.setAside == again.path + ".set-aside")
      #expect(try await anew.records(of: "shop", tests: ["t"]).isEmpty)
      try await anew.close()
    }
  }
}

/// Whatever is recorded and pruned, the running aggregates are those of the results that are left.
@Suite struct PruningTests {
  /// A generator that gives the same numbers every time.
  struct Numbers {
    var state: UInt64

    mutating func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
  }

  @Test(arguments: 1...6)
  func aggregatesAreThoseOfWhatIsLeft(seed: UInt64) async throws {
    try await withStore { store, _ in
      var numbers = Numbers(state: seed)
      var kept: [TestBatch] = []
      for day in 0..<60 {
        var outcomes: [String: String] = [:]
        for test in 0..<4 {
          let attempts = ["p", "p", "f", "fp", "ff", "s"]
          outcomes["t\(test)"] = attempts[numbers.next(attempts.count)]
        }
        let batch = TestBatch(
          "c\(numbers.next(30))", at: Int64(day), environment: "e\(numbers.next(2))", outcomes)
        kept.append(batch)
        try await store.record(batch)
      }
      var retention = EvidenceStore.Retention()
      retention.age = Milliseconds(30 * 86_400_000)
      let removed = try await store.prune(
        retention, now: Instant(milliseconds: 60 * 86_400_000))
      let recent = Set(
        kept.filter { $0.at.milliseconds >= 30 * 86_400_000 }.map {
          [$0.commit.rawValue, $0.environment]
        })
      let gone = kept.filter { !recent.contains([$0.commit.rawValue, $0.environment]) }
      #expect(removed == gone.reduce(0) { $0 + $1.results.count })
      #expect(removed > 0)
      kept.removeAll { gone.contains($0) }
      let records = try await store.records(of: "shop", tests: ["t0", "t1", "t2", "t3"])
      for (test, record) in records { expect(record, test, kept) }
    }
  }

  private func expect(_ record: TestRecord, _ test: String, _ kept: [TestBatch]) {
    var places: [[String]: FlakyModel.Attempts] = [:]
    for batch in kept {
      for result in batch.results where result.test == test && result.status != .skipped {
        let place = [batch.commit.rawValue, batch.environment]
        var attempts = places[place] ?? FlakyModel.Attempts(failures: 0, passes: 0)
        if result.status == .failed { attempts.failures += 1 } else { attempts.passes += 1 }
        places[place] = attempts
      }
    }
    let expected = FlakyModel.Statistics(Array(places.values))
    #expect(record.statistics == expected)
    let attempts = places.values.reduce(into: [0, 0]) {
      $0[0] += $1.failures
      $0[1] += $1.passes
    }
    #expect(record.failures == attempts[0])
    #expect(record.runs == attempts[0] + attempts[1])
    #expect(record.runs == 0 || record.meanDuration == Milliseconds(10))
  }

  @Test func keepsNoMoreResultsThanItMay() async throws {
    try await withStore { store, _ in
      for day in 0..<20 {
        try await store.record(TestBatch("c\(day)", at: Int64(day), ["t": "pp"]))
      }
      var retention = EvidenceStore.Retention()
      retention.results = 10
      let removed = try await store.prune(
        retention, now: Instant(milliseconds: 20 * 86_400_000))
      #expect(removed == 30)
      #expect(try await store.runs(of: "t", in: "shop").map(\.commit).last == "c15")
    }
  }
}
