import Foundation
import Ports
import SegueModel
import Testing

@testable import Proxy
@testable import TrafficRouting

/// What tables say about strategies, on the wire and on disk.
@Suite struct StrategyTableTests {
  static let roles: [SideRole] = [
    .host("preview.test"), .requests(.cookie(name: "v", value: "b")),
    .mirror(MirrorSpec(share: Permille(100), allMethods: true, headers: ["etag"])),
  ]

  static let stickies: [StickySpec] = [
    .address, .header("x-user"), .cookie("segue", isIssued: true),
  ]

  @Test func everyTableSurvivesARestart() async throws {
    for (index, role) in Self.roles.enumerated() {
      var table = Fixture.pair(8_001, 8_002, role: role, sticky: Self.stickies[index])
      table.holdLimit = .seconds(30)
      let directory = try Fixture.temporaryDirectory()
      defer { try? FileManager.default.removeItem(atPath: directory) }
      try await withProxy(directory: directory) { try await $0.director.apply(table) }
      #expect(StateFile(directory: directory).load() == .tables(try Self.set(table)))
      try await withProxy(directory: directory) { proxy in
        // The same generation with other content would be refused.
        try await proxy.director.apply(table)
      }
    }
  }

  static func set(_ table: ServiceTable) throws -> TableSet {
    var set = TableSet.empty
    _ = try set.apply(table)
    return set
  }

  @Test func aHoldSurvivesARestart() async throws {
    let backend = try Backend.named("x")
    defer { backend.stop() }
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await withProxy(directory: directory) { try await $0.director.apply(Fixture.holding()) }
    try await withProxy(directory: directory) { proxy in
      let clients = try await HoldTests.send(["/0"], to: proxy)
      try await proxy.route([backend.port], generation: 2)
      #expect(try await HoldTests.answers(clients).map(\.status) == [200])
    }
  }

  /// As a proxy wrote it that knew of none of this.
  @Test func anOldStateFileStillLoads() async throws {
    let backend = try Backend.named("x")
    defer { backend.stop() }
    let tables =
      #"{"removed":[],"tables":[{"generation":7,"key":{"environment":"production","#
      + #""service":"web"},"route":{"pathPrefix":"/"},"versions":[{"endpoints":[{"host":"#
      + #""127.0.0.1","instance":"i-1","port":\#(backend.port)}],"release":"r-1","weight":1000}]}]}"#
    let file = try JSONSerialization.data(withJSONObject: [
      "format": 1, "checksum": Checksum.crc32(tables.utf8), "tables": tables,
    ])
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try file.write(to: URL(fileURLWithPath: directory + "/tables.json"))
    try await withProxy(directory: directory) { proxy in
      #expect(try await onThread { try proxy.connect().get().text } == "x")
      let report = try await proxy.report()
      #expect(report.generation == Generation(7) && report.held == nil && report.mirrored == nil)
    }
  }

  @Test(arguments: [
    #""side":{"role":{"host":{"_0":"A\r\nb"}},"release":"r-2","endpoints":[]}"#,
    #""side":{"role":{"teleport":{}},"release":"r-2","endpoints":[]}"#,
    #""side":{"release":"r-2"}"#, #""side":[]"#, #""holdLimit":-5"#, #""holdLimit":"long""#,
    #""holdLimit":9223372036854775807"#, #""holdLimit":-9223372036854775808"#,
    #""holdLimit":1e300"#, #""holdLimit":99999999999999999999999"#,
  ])
  func aHostileTableIsRefusedAndSurvived(_ field: String) async throws {
    try await withProxy { proxy in
      let line =
        #"{"version":1,"verb":"apply","table":{"key":{"environment":"production","service":"#
        + #""web"},"generation":1,"route":{"pathPrefix":"/"},"versions":[],\#(field)}}"#
      let exchange = LineExchange(path: proxy.directory + "/control", deadline: .seconds(20))
      let reply = try await onThread { try exchange.send(Data(line.utf8)) }
      let decoded = try JSONDecoder().decode(ControlReply.self, from: reply)
      #expect(decoded.error?.retry == .never)
      #expect(try await proxy.director.report().isEmpty)
      _ = try await proxy.director.ping()
    }
  }
}

@Suite struct ReportMergeTests {
  static func report(
    generation: UInt64 = 1, held: HoldCounters? = nil, mirrored: MirrorReport? = nil
  ) -> ServiceReport {
    ServiceReport(
      key: Fixture.key, generation: Generation(generation), versions: [], inFlight: [:],
      unavailable: 0, held: held, mirrored: mirrored)
  }

  static func mirror(_ release: ReleaseID = "r-b", examples: Int = 0) -> MirrorReport {
    MirrorReport(
      release: release, compared: 7, equal: 1, status: 2, headers: 3, body: 4, failed: 5,
      skipped: 6,
      examples: (0..<examples).map { MirrorDifference(method: "GET", path: "/", what: "\($0)") })
  }

  @Test func countsAreAddedUp() throws {
    let held = HoldCounters(released: 1, expired: 2, waiting: 3, longest: 40)
    let other = HoldCounters(released: 10, expired: 20, waiting: 30, longest: 4)
    let parts = [
      [Self.report(held: held, mirrored: Self.mirror())], [Self.report()],
      [Self.report(held: other, mirrored: Self.mirror())],
    ]
    let sum = try #require(ReportMerge.merge(parts).first)
    #expect(sum.held == HoldCounters(released: 11, expired: 22, waiting: 33, longest: 40))
    #expect(
      sum.mirrored
        == MirrorReport(
          release: "r-b", compared: 14, equal: 2, status: 4, headers: 6, body: 8, failed: 10,
          skipped: 12))
  }

  @Test(arguments: [(0, 20), (20, 0), (20, 20), (3, 20), (20, 3), (4, 4)])
  func examplesOfAllLoopsAreShown(_ one: Int, _ other: Int) throws {
    let parts = [
      [Self.report(mirrored: Self.mirror(examples: one))],
      [Self.report(mirrored: Self.mirror(examples: other))],
    ]
    let examples = try #require(ReportMerge.merge(parts).first?.mirrored).examples
    #expect(examples.count == min(one + other, MirrorReport.exampleLimit))
    if other > 0 { #expect(examples.last?.what == "\(other - 1)") }
  }

  @Test func theLaterTableSaysWhichReleaseIsTheMirror() {
    let old = Self.report(generation: 1, mirrored: Self.mirror("r-old"))
    let new = Self.report(generation: 2, mirrored: Self.mirror("r-new"))
    #expect(ReportMerge.merge([[old], [new]]).first?.mirrored?.release == "r-new")
    #expect(ReportMerge.merge([[new], [old]]).first?.mirrored?.release == "r-new")
  }
}
