import SegueModel
import Testing

@testable import TrafficRouting

@Suite struct PrometheusTextTests {
  static func report(_ service: ServiceName = "web", release: ReleaseID = "r-1") -> ServiceReport {
    var latency = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)
    for microseconds: UInt64 in [10, 63, 64, 1_000, 200_000_000] {
      latency[LatencyHistogram.bucket(microseconds: microseconds)] += 1
    }
    return ServiceReport(
      key: ServiceKey(environment: "production", service: service), generation: Generation(7),
      versions: [
        VersionCounters(
          release: release, responses: [9, 4, 3, 2, 1], failed: 5, retried: 6, inFlight: 2,
          latency: latency)
      ],
      inFlight: ["i-2": 1, "i-1": 3], unavailable: 8)
  }

  static func lines(_ reports: [ServiceReport], _ proxy: ProxyGauges = ProxyGauges(version: "1"))
    -> [String]
  {
    PrometheusText.render(reports, proxy: proxy).split(separator: "\n").map(String.init)
  }

  static let labels = #"service="web",environment="production""#

  @Test(arguments: [
    #"segue_requests_total{\#(labels),release="r-1",class="2xx"} 4"#,
    #"segue_requests_total{\#(labels),release="r-1",class="5xx"} 1"#,
    #"segue_request_failures_total{\#(labels),release="r-1"} 5"#,
    #"segue_request_retries_total{\#(labels),release="r-1"} 6"#,
    #"segue_requests_in_flight{\#(labels),release="r-1"} 2"#,
    #"segue_instance_requests_in_flight{\#(labels),instance="i-1"} 3"#,
    #"segue_unavailable_total{\#(labels)} 8"#,
    #"segue_table_generation{\#(labels)} 7"#,
    #"segue_proxy_build_info{version="1"} 1"#,
    "segue_proxy_uptime_seconds 0",
  ])
  func says(_ line: String) {
    #expect(Self.lines([Self.report()]).contains(line))
  }

  @Test func interimAnswersAreNotAClass() {
    #expect(!Self.lines([Self.report()]).contains { $0.contains("1xx") })
  }

  @Test func durationsAddUp() {
    let name = "segue_request_duration_seconds"
    let lines = Self.lines([Self.report()]).filter { $0.hasPrefix(name + "_") }
    let all = #"\#(Self.labels),release="r-1""#
    #expect(lines.count == 24)
    #expect(lines.first == #"\#(name)_bucket{\#(all),le="0.000064"} 2"#)
    #expect(lines[1] == #"\#(name)_bucket{\#(all),le="0.000128"} 3"#)
    #expect(lines[4] == #"\#(name)_bucket{\#(all),le="0.001024"} 4"#)
    #expect(lines[20] == #"\#(name)_bucket{\#(all),le="67.108864"} 4"#)
    #expect(lines[21] == #"\#(name)_bucket{\#(all),le="+Inf"} 5"#)
    #expect(lines[23] == #"\#(name)_count{\#(all)} 5"#)
    let counts = lines.prefix(22).compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
    #expect(counts == counts.sorted())
  }

  @Test func bucketBoundsAreThoseOfTheHistogram() {
    let bounds = PrometheusText.bounds.map { LatencyHistogram.upperBound(ofBucket: $0) }
    #expect(bounds == (6...26).map { UInt64(1) << $0 })
  }

  @Test(arguments: [1, 7, 8, 9, 100, 12_345, 1_000_000, 99_999_999] as [UInt64])
  func aSumIsNearTheTruth(_ microseconds: UInt64) {
    var latency = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)
    latency[LatencyHistogram.bucket(microseconds: microseconds)] = 1_000
    let sum = Double(PrometheusText.sum(latency))
    let truth = Double(microseconds) * 1_000
    #expect(abs(sum - truth) <= truth * 0.0625)
  }

  @Test func everyFamilyIsDeclaredOnceBeforeItsSamples() {
    var proxy = ProxyGauges(version: "1")
    proxy.loopLag = [1_500, 2_000_000]
    proxy.certificatesEnd = ["b.test": 2, "a.test": 1]
    proxy.connectionsOpen = 3
    var mirrored = Self.report("shop")
    mirrored.mirrored = MirrorReport(release: "r-2", compared: 9, equal: 5, body: 4)
    mirrored.experiment = ExperimentReport(
      rollout: "R1", arms: [.init(release: "r-2", units: 7, sums: [], squares: [])], uncounted: 3)
    mirrored.held = HoldCounters(released: 1, expired: 2, waiting: 3, longest: 4)
    var declared: [String] = []
    for line in Self.lines([Self.report(), mirrored], proxy) {
      let words = line.split(separator: " ")
      if line.hasPrefix("# HELP") {
        #expect(!declared.contains(String(words[2])))
        declared.append(String(words[2]))
      } else if line.hasPrefix("# TYPE") {
        #expect(declared.last == String(words[2]))
      } else {
        #expect(line.hasPrefix(declared.last ?? "?"))
      }
    }
    let lines = Self.lines([mirrored], proxy)
    #expect(lines.contains(#"segue_proxy_loop_lag_seconds{loop="0"} 0.0015"#))
    #expect(lines.contains(#"segue_proxy_loop_lag_seconds{loop="1"} 2"#))
    let shop = #"service="shop",environment="production""#
    #expect(
      lines.contains(#"segue_mirror_differences_total{\#(shop),release="r-2",part="body"} 4"#))
    #expect(lines.contains(#"segue_experiment_users{\#(shop),release="r-2"} 7"#))
    #expect(lines.contains(#"segue_experiment_uncounted_total{\#(shop)} 3"#))
    #expect(lines.contains(#"segue_held_longest_seconds{\#(shop)} 0.000004"#))
  }

  @Test func orderDoesNotDependOnTheInput() {
    let reports = [Self.report("web"), Self.report("api"), Self.report("shop")]
    #expect(Self.lines(reports) == Self.lines(reports.reversed()))
  }

  @Test func whatIsNotKnownIsNotSaid() {
    let lines = Self.lines([])
    #expect(!lines.contains { $0.hasPrefix("segue_proxy_upgrades_total") })
    #expect(!lines.contains { $0.hasPrefix("segue_proxy_connections") })
  }

  @Test(arguments: [
    ("plain", "plain"), (#"a"b"#, #"a\"b"#), (#"a\b"#, #"a\\b"#), ("a\nb", #"a\nb"#),
    ("\u{e4}\u{1F600}", "\u{e4}\u{1F600}"), ("\r\n", "\r\\n"),
  ])
  func labelsAreEscaped(_ value: String, _ expected: String) {
    #expect(PrometheusText.escaped(value) == expected)
  }

  @Test(
    arguments: [
      (0, "0"), (1, "0.000001"), (1_000_000, "1"), (1_500_000, "1.5"), (67_108_864, "67.108864"),
    ] as [(UInt64, String)])
  func secondsAreExact(_ microseconds: UInt64, _ expected: String) {
    #expect(PrometheusText.seconds(microseconds: microseconds) == expected)
  }
}
