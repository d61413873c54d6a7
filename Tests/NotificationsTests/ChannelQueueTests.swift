import Ports
import ReceiverProcess
import SegueModel
import Testing

@testable import Notifications

private let start = Instant(milliseconds: 1_800_000_000_000)

private func notices(_ numbers: ClosedRange<Int>, at: Instant = start) -> [PendingNotice] {
  numbers.map { notice($0, at: at) }
}

private func sequences(_ step: ChannelQueue.Step) -> [Int64] {
  if case .send(let message) = step { message.notices.map(\.sequence) } else { [] }
}

private let down = DeliveryFailure.tryAgain("it answered 500", after: nil)

@Test func aFewNoticesAreSentOneByOneAndInOrder() {
  var queue = ChannelQueue()
  queue.offer(notices(1...3))
  for number in 1...3 {
    #expect(sequences(queue.next(at: start)) == [Int64(number)])
    #expect(queue.next(at: start) == .rest, "one at a time")
    #expect(queue.sent(at: start) == [Int64(number)])
  }
  #expect(queue.next(at: start) == .rest)
}

@Test func moreThanAFewAreJoinedInOneMessage() throws {
  var queue = ChannelQueue()
  queue.offer(notices(1...4))
  guard case .send(let message) = queue.next(at: start) else { throw TooLate(what: "no message") }
  #expect(message.isDigest)
  #expect(message.id == "n-1..n-4")
  #expect(queue.sent(at: start) == [1, 2, 3, 4])
}

@Test func aDigestHasABoundAndLeavesNothingOut() {
  var queue = ChannelQueue()
  queue.offer(notices(1...120))
  var sizes: [Int] = []
  while case .send(let message) = queue.next(at: start) {
    sizes.append(message.notices.count)
    _ = queue.sent(at: start)
  }
  #expect(sizes == [50, 50, 20])
}

@Test func aMinuteHasABoundAndWhatComesInMeanwhileIsJoined() {
  var limits = ChannelQueue.Limits()
  limits.perMinute = 3
  var queue = ChannelQueue(limits: limits)
  for number in 1...3 {
    queue.offer(notices(number...number))
    #expect(sequences(queue.next(at: start + .seconds(Int64(number)))) == [Int64(number)])
    _ = queue.sent(at: start)
  }
  queue.offer(notices(4...5))
  #expect(queue.next(at: start + .seconds(10)) == .wait(.seconds(51)))
  #expect(sequences(queue.next(at: start + .seconds(61))) == [4, 5])
}

@Test(arguments: [
  (1, 0, 1_000), (1, 1_000, 2_000), (2, 0, 2_000), (3, 500, 6_000), (9, 0, 256_000),
  (10, 1_000, 600_000), (1_000, 0, 300_000), (1_000, 1_000, 600_000),
])
func waitsGrowToABoundAndAreSpread(failures: Int, jitter: Int, wait: Int64) {
  var limits = ChannelQueue.Limits()
  limits.giveUp = Milliseconds(.max)
  var queue = ChannelQueue(limits: limits)
  queue.offer(notices(1...1))
  var now = start
  for _ in 1..<failures {
    _ = queue.next(at: now)
    _ = queue.failed(down, at: now, jitter: Permille(0))
    now = now + .minutes(60)
  }
  #expect(sequences(queue.next(at: now)) == [1])
  #expect(queue.failed(down, at: now, jitter: Permille(jitter)) == [])
  #expect(queue.next(at: now) == .wait(Milliseconds(wait)))
  #expect(queue.next(at: now + Milliseconds(wait - 1)) == .wait(Milliseconds(1)))
  #expect(sequences(queue.next(at: now + Milliseconds(wait))) == [1])
}

@Test(arguments: [(30, 30), (0, 1), (100_000, 3_600)])
func whatAReceiverAsksForIsRespectedWithinABound(asked: Int64, waited: Int64) {
  var queue = ChannelQueue()
  queue.offer(notices(1...1))
  _ = queue.next(at: start)
  _ = queue.failed(
    .tryAgain("it answered 429", after: .seconds(asked)), at: start, jitter: .none)
  #expect(queue.next(at: start) == .wait(.seconds(waited)))
}

@Test func aMessageStaysTheSameOnEveryAttempt() {
  var queue = ChannelQueue()
  queue.offer(notices(1...4))
  let first = queue.next(at: start)
  _ = queue.failed(down, at: start, jitter: .all)
  queue.offer(notices(5...6))
  #expect(queue.next(at: start + .seconds(2)) == first)
  _ = queue.sent(at: start + .seconds(2))
  #expect(sequences(queue.next(at: start + .seconds(2))) == [5])
}

@Test func whatIsTooOldIsGivenUpAndTheRestStays() {
  var queue = ChannelQueue()
  let old = notices(1...2)
  let young = notices(3...4, at: start + .minutes(60))
  queue.offer(old + young)
  _ = queue.next(at: start)
  _ = queue.failed(down, at: start, jitter: .none)
  let late = start + .minutes(24 * 60)
  #expect(
    queue.next(at: late)
      == .giveUp([1, 2], reason: "it answered 500; given up after 24 h"))
  #expect(sequences(queue.next(at: late)) == [3, 4])
  var never = ChannelQueue()
  never.offer(old)
  #expect(
    never.next(at: late)
      == .giveUp([1, 2], reason: "older than 24 h when its turn came"))
  #expect(never.next(at: late) == .rest)
}

@Test func aRefusedMessageIsGivenUpAndTheNextOneSent() {
  var queue = ChannelQueue()
  queue.offer(notices(1...2))
  _ = queue.next(at: start)
  #expect(queue.failed(.refused("it answered 400"), at: start, jitter: .none) == [1])
  #expect(sequences(queue.next(at: start)) == [2])
}

@Test func aClosedChannelGivesUpWhatComes() {
  var queue = ChannelQueue()
  queue.offer(notices(1...3))
  _ = queue.next(at: start)
  #expect(queue.failed(.closed("archived"), at: start, jitter: .none) == [1])
  #expect(queue.next(at: start) == .giveUp([2, 3], reason: "archived"))
  queue.offer(notices(4...4))
  #expect(queue.next(at: start) == .giveUp([4], reason: "archived"))
  #expect(queue.next(at: start) == .rest)
}

@Test func aClockSetBackMakesNoWaitLonger() {
  var queue = ChannelQueue()
  queue.offer(notices(1...1))
  _ = queue.next(at: start)
  _ = queue.failed(down, at: start, jitter: .none)
  let back = start + .minutes(-60)
  #expect(queue.next(at: back) == .wait(.seconds(1)))
  #expect(sequences(queue.next(at: back + .seconds(1))) == [1])
}

@Test func memoryIsBoundedAndNothingIsTakenTwice() {
  var limits = ChannelQueue.Limits()
  limits.capacity = 10
  var queue = ChannelQueue(limits: limits)
  #expect(queue.offer(notices(1...25)) == 10)
  #expect(queue.room == 0)
  #expect(queue.lastOffered == 10)
  #expect(sequences(queue.next(at: start)) == Array(1...10))
  _ = queue.sent(at: start)
  #expect(queue.offer(notices(1...25)) == 10)
  #expect(sequences(queue.next(at: start)) == Array(11...20))
}

/// Every run of failures and successes ends with each notice settled once, in order.
@Test(arguments: 0..<50)
func everyRunSettlesEachNoticeOnceAndInOrder(seed: Int) {
  var random = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
  func draw(_ bound: UInt64) -> Int {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(random >> 33 % bound)
  }
  var queue = ChannelQueue()
  var now = start
  var settled: [Int64] = []
  var offered = 0
  for _ in 0..<2_000 where settled.count < 200 {
    if offered < 200 {
      let next = min(200, offered + draw(6))
      if next > offered { queue.offer(notices(offered + 1...next, at: now)) }
      offered = next
    }
    switch queue.next(at: now) {
    case .send:
      switch draw(5) {
      case 0, 1: settled += queue.failed(down, at: now, jitter: Permille(draw(1_001)))
      case 2: settled += queue.failed(.refused("no"), at: now, jitter: .none)
      default: settled += queue.sent(at: now)
      }
    case .giveUp(let sequences, _): settled += sequences
    case .wait(let span): now = now + span
    case .rest: now = now + .seconds(1)
    }
  }
  #expect(settled == Array(1...200))
}
