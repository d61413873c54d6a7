import ControlProtocol
import Foundation
import SegueModel
import Synchronization
import Testing

@testable import Commands

@Suite struct FollowerTests {
  /// Keeps what it is shown.
  private final class RecordingShow: Show {
    let events = Mutex<[String]>([])
    var wantsStatus: Bool { false }
    var tickInterval: Duration? { nil }
    func item(_ item: FeedItem) async throws { add("item \(item.sequence)") }
    func status(_ status: StatusReply) async throws {}
    func tick() async throws {}
    func lost(_ reason: String?) async throws { add(reason == nil ? "back" : "lost") }
    func close() async throws { add("close") }
    private func add(_ event: String) { events.withLock { $0.append(event) } }
  }

  private static let away = ControlError(.unreachable, "cut")

  @Test func aRestartIsSurvivedAndNothingIsMissedOrSaidTwice() async throws {
    let calls = Mutex<[Int64]>([])
    let api = ScriptedAPI(items: { sequence in
      let count = calls.withLock {
        $0.append(sequence)
        return $0.count
      }
      switch count {
      case 1: return .of([Samples.item(4), Samples.item(5)], then: Self.away)
      case 2: return .of([], then: Self.away)
      default: return .open([Samples.item(6, .success, final: true)])
      }
    })
    let show = RecordingShow()
    let follower = Follower(api: api, show: show, interrupts: AsyncStream { _ in })
    let ending = try await follower.follow(.commit(Samples.commit.id), after: 3)
    guard case .decided(let fate) = ending else {
      Issue.record("ended with \(ending)")
      return
    }
    #expect(fate.sequence == 6)
    #expect(calls.withLock { $0 } == [3, 5, 5])
    #expect(
      show.events.withLock { $0 } == ["item 4", "item 5", "lost", "back", "item 6", "close"])
  }

  @Test func aControlPlaneThatStaysAwayIsGivenUp() async throws {
    let api = ScriptedAPI(items: { _ in .of([], then: Self.away) })
    var follower = Follower(
      api: api, show: RecordingShow(), interrupts: AsyncStream { _ in })
    follower.patience = .zero
    await #expect(throws: Self.away) { try await follower.follow(.everything, after: 0) }
  }

  @Test func otherErrorsAreNotWaitedOut() async throws {
    let error = ControlError(.notFound, "no such commit")
    let api = ScriptedAPI(items: { _ in .of([], then: error) })
    let follower = Follower(
      api: api, show: RecordingShow(), interrupts: AsyncStream { _ in })
    await #expect(throws: error) { try await follower.follow(.everything, after: 0) }
  }

  @Test func anotherCommitsEndIsNotTheAwaitedOnes() async throws {
    var other = Samples.item(4, final: true)
    other.commit = "ffff"
    let items = [other, Samples.item(5, final: true)]
    let api = ScriptedAPI(items: { _ in .open(items) })
    let follower = Follower(
      api: api, show: RecordingShow(), interrupts: AsyncStream { _ in })
    guard case .decided(let fate) = try await follower.follow(.commit(Samples.commit.id), after: 0)
    else {
      Issue.record("not decided")
      return
    }
    #expect(fate.sequence == 5)
  }

  @Test func rolloutsAreOverWhenTheStatusSaysSo() async throws {
    let polls = Mutex(0)
    let api = ScriptedAPI(
      statusReply: {
        let poll = polls.withLock {
          $0 += 1
          return $0
        }
        let rollout = poll < 3 ? Samples.rollout() : nil
        return Samples.status(services: [Samples.service(rollout: rollout)], sequence: 4)
      }, items: { _ in .open([Samples.item(4)]) })
    var follower = Follower(
      api: api, show: RecordingShow(), interrupts: AsyncStream { _ in })
    follower.pollInterval = .milliseconds(1)
    guard case .rolloutsOver = try await follower.follow(.rollouts(["R1"]), after: 0) else {
      Issue.record("not over")
      return
    }
    #expect(polls.withLock { $0 } >= 3)
  }
}
