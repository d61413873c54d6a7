import SegueModel
import Testing

@testable import Proxy

/// Whatever is sent: router and instance agree on what is a request, or there is none.
@Suite struct HostileInputTests {
  /// How the octets reach the router.
  enum Delivery: CaseIterable {
    case atOnce
    case behindAGoodRequest
    case octetByOctet
  }

  /// Sent behind every case: where it is answered, and where not, shows where the router believes
  /// that the case ends.
  private static let sentinel = "GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
  private static let good = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n"

  /// Deadlines that turn a case which is waited for into a failure soon.
  private static var limits: ProxyLimits {
    var limits = ProxyLimits()
    limits.readHead = .seconds(20)
    limits.bodyProgress = .seconds(20)
    return limits
  }

  @Test func thereAreManyAndEachHasAName() {
    let names = HostileCase.groups.flatMap { group in group.cases.map { group.name + $0.name } }
    #expect(names.count >= 200)
    #expect(Set(names).count == names.count)
  }

  @Test(arguments: HostileCase.groups.map(\.name), Delivery.allCases)
  func routerAndInstanceAgree(_ group: String, _ delivery: Delivery) async throws {
    let origin = try StrictOrigin()
    defer { origin.stop() }
    try await withProxy(limits: Self.limits, threads: 1) { proxy in
      try await proxy.route([origin.port])
      try await onThread {
        for example in HostileCase.group(group)
        where delivery != .octetByOctet || example.octets.count < 1_000 {
          try Self.run(example, delivery, on: proxy, origin)
        }
      }
    }
  }

  /// Every place at which a message can be cut in two is between two readings once.
  @Test func aCutAnywhereChangesNothing() async throws {
    let origin = try StrictOrigin()
    defer { origin.stop() }
    let sample = ["codings", "chunk data", "line ends", "bodies"].flatMap {
      HostileCase.group($0).suffix(3)
    }
    try await withProxy(limits: Self.limits, threads: 1) { proxy in
      try await proxy.route([origin.port])
      try await onThread {
        for example in sample {
          for place in example.octets.indices {
            try Self.run(example, .atOnce, on: proxy, origin) { client, octets in
              try client.write(Array(octets[..<place]))
              try client.write(Array(octets[place...]))
            }
          }
        }
      }
    }
  }

  private static func run(
    _ example: HostileCase, _ delivery: Delivery, on proxy: Fixture, _ origin: StrictOrigin,
    write: ((Socket, [UInt8]) throws -> Void)? = nil
  ) throws {
    let before = (origin.requests.count, origin.heads.count, origin.objections.count)
    let client = try proxy.connect()
    let prefix = delivery == .behindAGoodRequest ? Array(good.utf8) : []
    let octets = prefix + example.octets + Array(sentinel.utf8)
    if let write {
      try write(client, octets)
    } else if delivery == .octetByOctet {
      for octet in octets { try client.write([octet]) }
    } else {
      try client.write(octets)
    }
    let answers = try readAnswers(client)
    var expected = prefix.isEmpty ? [] : ["GET /first "]
    var status: Int?
    switch example.outcome {
    case .refused(let code): status = code
    case .taken(let requests): expected += requests + ["GET /end "]
    case .last(let requests): expected += requests
    }
    let name = Comment(rawValue: example.name)
    #expect(answers.prefix(expected.count).map(\.text) == expected, name)
    #expect(answers.dropFirst(expected.count).map(\.status) == (status.map { [$0] } ?? []), name)
    #expect(answers.last?.closes ?? false, name)
    #expect(Array(origin.requests.dropFirst(before.0)) == expected, name)
    #expect(Array(origin.objections.dropFirst(before.2)) == [], name)
    let heads = origin.heads.dropFirst(before.1).joined().lowercased()
    for word in example.unseen { #expect(!heads.contains(word), name) }
  }

  /// Every answer until the router closes.
  private static func readAnswers(_ client: Socket) throws -> [SeenResponse] {
    var answers: [SeenResponse] = []
    while true {
      guard let head = try client.read(through: "\r\n\r\n") else { return answers }
      var answer = SeenResponse(head: head, body: [], rawBody: "")
      answer.body = try Messages.body(of: head, from: client, untilCloseAllowed: true).payload
      answers.append(answer)
    }
  }
}
