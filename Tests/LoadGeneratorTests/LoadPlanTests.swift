import Testing

@testable import LoadGenerator

@Suite struct LoadPlanTests {
  @Test(arguments: [
    "http://10.0.0.1/", "http://example.com/", "http://127.0.0.1.example.com/",
    "http://128.0.0.1:80/", "http://[::2]/", "http://0.0.0.0/", "http://user@127.0.0.1/",
    "http://0x7f000001/", "http:///",
  ])
  func refusesWhatIsNotLoopback(_ url: String) {
    #expect {
      try LoadRun(LoadPlan(url: url))
    } throws: { error in
      guard case .notLoopback = error as? LoadError else { return false }
      return "\(error)".contains("this machine only")
    }
  }

  @Test(arguments: [
    "https://127.0.0.1/", "127.0.0.1", "", "http://127.0.0.1:0/", "http://127.0.0.1:65536/",
    "http://127.0.0.1:x/", "http://127.0.0.1/a b", "http://127.0.0.1/a\r\nX: y",
  ])
  func refusesWhatIsNoUsableURL(_ url: String) {
    #expect(throws: LoadError.self) { try LoadRun(LoadPlan(url: url)) }
  }

  @Test(arguments: [
    LoadPlan(url: "http://127.0.0.1/", connections: 0),
    LoadPlan(url: "http://127.0.0.1/", connections: 5_000),
    LoadPlan(url: "http://127.0.0.1/", postShare: 101),
    LoadPlan(url: "http://127.0.0.1/", postPadding: -1),
    LoadPlan(url: "http://127.0.0.1/", expectedStatuses: [100]),
    LoadPlan(url: "http://127.0.0.1/", rate: 0),
    LoadPlan(url: "http://127.0.0.1/", requests: 0),
    LoadPlan(url: "http://127.0.0.1/", duration: .zero),
    LoadPlan(url: "http://127.0.0.1/", timeout: .zero),
    LoadPlan(url: "http://127.0.0.1/", postPath: "orders"),
    LoadPlan(url: "http://127.0.0.1/", host: "a b"),
  ])
  func refusesPlansOutOfBounds(_ plan: LoadPlan) {
    #expect {
      try LoadRun(plan)
    } throws: { error in
      guard case .invalid = error as? LoadError else { return false }
      return true
    }
  }

  @Test func readsTargets() throws {
    let plain = try LoadTarget(url: "http://127.0.0.1:8080/a?b=1")
    #expect(plain.address == .ipv4(0x7f00_0001))
    #expect((plain.port, plain.path, plain.authority) == (8080, "/a?b=1", "127.0.0.1:8080"))
    #expect(try LoadTarget(url: "http://127.1.2.3").address == .ipv4(0x7f01_0203))
    #expect(try LoadTarget(url: "http://LocalHost").port == 80)
    let six = try LoadTarget(url: "http://[::1]:81?x")
    #expect((six.address, six.port, six.path) == (.ipv6, 81, "/?x"))
  }
}

@Suite struct LatencyHistogramTests {
  @Test func bucketsAreContiguousAndNarrow() {
    var expected: UInt64 = 0
    for index in 0..<1_200 {
      let upper = LatencyHistogram.upperBound(of: index)
      #expect(LatencyHistogram.index(of: expected) == index)
      #expect(LatencyHistogram.index(of: upper) == index)
      #expect(Double(upper - expected) <= Double(expected) / 64)
      expected = upper + 1
    }
  }

  @Test func percentilesAreExactToTheBucket() {
    var histogram = LatencyHistogram()
    #expect(histogram.percentile(permyriad: 9_900) == 0)
    for value in 1...10_000 { histogram.record(microseconds: UInt64(value)) }
    for (permyriad, exact) in [(5_000, 5_000.0), (9_000, 9_000), (9_900, 9_900), (9_990, 9_990)] {
      let found = Double(histogram.percentile(permyriad: UInt64(permyriad)))
      #expect(found >= exact && found <= exact * 1.016)
    }
    #expect(histogram.percentile(permyriad: 10_000) == 10_000)
    #expect((histogram.smallest, histogram.largest) == (1, 10_000))
    histogram.record(microseconds: .max)
    #expect(histogram.largest == 3_600_000_000)
  }
}
