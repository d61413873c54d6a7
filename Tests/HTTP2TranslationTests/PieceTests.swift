import Testing

@testable import HTTP2Translation

/// The small values on their own: they must hold even where the library below would step in.
@Suite struct PieceTests {
  @Test func aBodyIsHeldToItsDeclaredLength() {
    var body = RequestBody(.length(5))
    #expect(body.prefix(for: 3) == [])
    #expect(body.end(nil) == nil)
    #expect(body.prefix(for: 3) == nil)
    #expect(body.prefix(for: 2) == [])
    #expect(body.end(nil) == [])
    #expect(body.prefix(for: 1) == nil)
  }

  @Test func aRequestWithoutABodyHasNone() {
    var body = RequestBody(.none)
    #expect(body.prefix(for: 0) == [])
    #expect(body.prefix(for: 1) == nil)
    #expect(body.end(nil) == [])
  }

  @Test func chunksSayTheirSizeInHexadecimal() {
    var body = RequestBody(.chunked)
    #expect(body.prefix(for: 0) == [])
    #expect(body.prefix(for: 16) == Array("10\r\n".utf8))
    #expect(body.prefix(for: 0) == [])
    #expect(body.prefix(for: 255) == Array("\r\nff\r\n".utf8))
    #expect(body.end(nil) == Array("\r\n0\r\n\r\n".utf8))
  }

  @Test func aQueueGivesBackWhatWasPutInInOrder() {
    var random = SplitMix(seed: 11)
    var queue = OctetQueue()
    var other = OctetQueue()
    var expected: [UInt8] = []
    var taken: [UInt8] = []
    for _ in 0..<2_000 {
      let piece = (0..<random.next() % 2_000).map { UInt8(truncatingIfNeeded: $0) }
      queue.append(piece)
      expected += piece
      queue.move(Int(random.next() % UInt64(queue.count + 1)), to: &other)
      let count = other.count / 2
      taken += other.withOctets { Array($0.prefix(count)) }
      other.removeFirst(count)
      #expect(taken.count + other.count + queue.count == expected.count)
    }
    taken += other.withOctets { Array($0) } + queue.withOctets { Array($0) }
    #expect(taken == expected)
  }

  @Test func anAllowanceGrowsBackByWholeSecondsAndNeverBeyondItsLimit() {
    var budget = CheapFrameBudget(limit: 3, perSecond: 2)
    budget.refill(now: .seconds(10))
    for _ in 0..<4 { budget.spend() }
    #expect(budget.isSpent)
    budget.refill(now: .milliseconds(10_900))
    #expect(budget.isSpent)
    budget.refill(now: .milliseconds(11_100))
    #expect(!budget.isSpent)
    budget.refill(now: .seconds(1_000_000_000_000))
    for _ in 0..<3 { budget.spend() }
    #expect(!budget.isSpent)
    budget.spend()
    #expect(budget.isSpent)
  }
}
