import ParserInvariants
import Testing

@testable import TrafficRouting

/// Our machines beside llhttp, which somebody else wrote, and with which the world's Node.js and Swift
/// servers read HTTP/1. What one reader takes for one message and the next for two is how requests are
/// smuggled, so wherever we take a message, llhttp has to take the same one.
@Suite struct LLHTTPComparisonTests {
  static let rounds = 500
  static let hostileRounds = 3_000

  @Test(arguments: 0..<4) func properRequestsAreReadAlike(_ seed: UInt64) {
    var generator = MessageGenerator(seed: seed)
    for _ in 0..<Self.rounds {
      let (bytes, count) = generator.requests()
      let ours = read(bytes, .requests, cuts: generator.cuts(bytes.count))
      let theirs = LLHTTPReader.requests(bytes)
      let agree = ours.messages.map(asText) == theirs.messages
      #expect(ours.fault == nil && theirs.error == nil && agree, "\(show(bytes))")
      #expect(ours.messages.count == count && ours.boundaries.last == bytes.count, "\(show(bytes))")
    }
  }

  @Test(arguments: 100..<104) func properResponsesAreReadAlike(_ seed: UInt64) {
    var generator = MessageGenerator(seed: seed)
    for _ in 0..<Self.rounds {
      let (bytes, count, methods) = generator.responses()
      let ours = read(bytes, .responses(to: methods), cuts: generator.cuts(bytes.count))
      let theirs = LLHTTPReader.responses(bytes, to: methods)
      let agree = ours.messages.map(asText) == theirs.messages
      #expect(ours.fault == nil && theirs.error == nil && agree, "\(show(bytes))")
      #expect(ours.messages.count == count && ours.boundaries.last == bytes.count, "\(show(bytes))")
    }
  }

  @Test(arguments: 200..<204) func spoiledRequestsAreReadAlikeOrRefused(_ seed: UInt64) {
    var generator = MessageGenerator(seed: seed)
    var taken = 0
    for _ in 0..<Self.hostileRounds {
      let bytes = generator.spoiled(generator.requests().bytes)
      let (ours, unexplained) = compare(bytes, .requests)
      taken += ours.messages.count
      #expect(unexplained == nil, "\(show(bytes))")
    }
    // A reader that refuses everything agrees with everybody.
    #expect(taken > Self.hostileRounds / 2)
  }

  @Test(arguments: 300..<304) func spoiledResponsesAreReadAlikeOrRefused(_ seed: UInt64) {
    var generator = MessageGenerator(seed: seed)
    var taken = 0
    for _ in 0..<Self.hostileRounds {
      let (proper, _, methods) = generator.responses()
      let bytes = generator.spoiled(proper)
      let (ours, unexplained) = compare(bytes, .responses(to: methods))
      taken += ours.messages.count
      #expect(unexplained == nil, "\(show(bytes))")
    }
    #expect(taken > Self.hostileRounds / 2)
  }

  /// The comparison finds each, and an entry that nothing needs any more has to go.
  @Test(arguments: ReaderDifference.all) func eachDifferenceExists(_ difference: ReaderDifference) {
    let bytes = Array(difference.example.utf8)
    let (ours, found) = compare(bytes, difference.side, known: [])
    #expect(ours.fault == nil && !ours.messages.isEmpty)
    guard let found else {
      Issue.record("llhttp reads this as we do: \(difference.example.debugDescription)")
      return
    }
    #expect(difference.explains(found), "\(found)")
  }

  /// - Returns: the first message that the two read differently, unless something known explains it.
  ///   That we refuse what llhttp takes needs no explanation.
  private func compare(
    _ bytes: [UInt8], _ side: ConnectionReader.Side,
    known: [ReaderDifference] = ReaderDifference.all
  ) -> (ConnectionReader, ReaderDifference.Case?) {
    let ours = read(bytes, side)
    let theirs: LLHTTPReader
    switch side {
    case .requests: theirs = .requests(bytes)
    case .responses(let methods): theirs = .responses(bytes, to: methods)
    }
    var index = 0
    while index < ours.messages.count, index < theirs.messages.count,
      asText(ours.messages[index]) == theirs.messages[index]
    {
      index += 1
    }
    if index == ours.messages.count {
      guard theirs.messages.count > index, ours.fault == nil else { return (ours, nil) }
      // They go on where we think that it is over: because of the message before.
      index = max(0, index - 1)
      guard !ours.messages.isEmpty else {
        return (ours, .init(message: theirs.messages[0], octets: bytes, error: theirs.error))
      }
    }
    let start = index == 0 ? 0 : ours.boundaries[index - 1]
    let difference = ReaderDifference.Case(
      message: ours.messages[index], previous: index == 0 ? nil : ours.messages[index - 1],
      octets: Array(bytes[start..<ours.boundaries[index]]), error: theirs.error)
    return (ours, known.contains { $0.explains(difference) } ? nil : difference)
  }

  private func read(
    _ bytes: [UInt8], _ side: ConnectionReader.Side, cuts: [Int] = []
  ) -> ConnectionReader {
    var reader = ConnectionReader(side)
    var start = 0
    for cut in cuts + [bytes.count] {
      reader.feed(bytes[start..<cut])
      start = cut
    }
    reader.finish()
    return reader
  }

  /// As SwiftNIO gives it: text, with what is no UTF-8 replaced.
  private func asText(_ message: WireMessage) -> WireMessage {
    func text(_ bytes: [UInt8]) -> [UInt8] { Array(String(decoding: bytes, as: UTF8.self).utf8) }
    var message = message
    message.start = message.start.map(text)
    message.fields = message.fields.map { .init(name: text($0.name), value: text($0.value)) }
    return message
  }

  private func show(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self).debugDescription
  }
}
