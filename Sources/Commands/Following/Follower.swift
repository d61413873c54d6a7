internal import ControlProtocol
internal import Foundation
internal import SegueModel
internal import Synchronization

/// Follows what the control plane does, through its restarts, until a goal is reached.
struct Follower: Sendable {
  enum Goal: Sendable {
    /// Everything, until somebody presses Ctrl-C.
    case everything
    /// One commit, until nothing further will come of it.
    case commit(CommitID)
    /// Everything, until these rollouts are over.
    case rollouts([RolloutID])
    /// The same, or until they hold.
    case holds([RolloutID])

    var awaited: [RolloutID]? {
      switch self {
      case .everything, .commit: nil
      case .rollouts(let rollouts), .holds(let rollouts): rollouts
      }
    }
  }

  enum Ending: Sendable {
    case decided(FeedItem)
    /// Calendar or people do not let the commit start: it goes on by itself when they do.
    case held(FeedItem)
    case rolloutsOver
    /// The stream is complete and named no fate.
    case complete
    case interrupted
  }

  var api: any ControlAPI
  var show: any Show
  /// What makes ``Ending/interrupted``.
  var interrupts: AsyncStream<Void>
  /// How long the control plane may be away.
  var patience: Duration = .seconds(60)
  var pollInterval: Duration = .milliseconds(500)

  private static let retryInterval = Duration.milliseconds(300)

  func follow(_ goal: Goal, after sequence: Int64) async throws -> Ending {
    let progress = Progress(sequence: sequence)
    return try await withThrowingTaskGroup(of: Ending?.self) { group in
      group.addTask { try await readFeed(goal, progress) }
      group.addTask { try await watchStatus(goal, progress) }
      if let interval = show.tickInterval {
        group.addTask {
          while true {
            try await show.tick()
            try await Task.sleep(for: interval)
          }
        }
      }
      group.addTask {
        for await _ in interrupts { return .interrupted }
        return nil
      }
      defer { group.cancelAll() }
      for try await ending in group {
        guard let ending else { continue }
        try await show.close()
        return ending
      }
      throw CancellationError()
    }
  }

  /// How far the feed was read: where to go on after a cut.
  private final class Progress: Sendable {
    private let state: Mutex<Int64>
    init(sequence: Int64) { state = Mutex(sequence) }
    var sequence: Int64 { state.withLock { $0 } }
    func reach(_ sequence: Int64) { state.withLock { $0 = max($0, sequence) } }
  }

  private func readFeed(_ goal: Goal, _ progress: Progress) async throws -> Ending? {
    let commit: CommitID? = if case .commit(let commit) = goal { commit } else { nil }
    var lostAt: ContinuousClock.Instant?
    while true {
      do {
        for try await item in api.feed(after: progress.sequence, follow: true, commit: commit) {
          if lostAt != nil { try await show.lost(nil) }
          lostAt = nil
          progress.reach(item.sequence)
          try await show.item(item)
          guard let commit, item.commit == commit else { continue }
          if item.final { return .decided(item) }
          if item.kind == "startHeld" { return .held(item) }
        }
        try Task.checkCancellation()
        return .complete
      } catch let error as ControlError where error.kind == .unreachable {
        // It may be restarting: the journal keeps what we have not seen.
        let now = ContinuousClock.now
        if let lostAt, now - lostAt > patience { throw error }
        if lostAt == nil { try await show.lost("\(error.message); waiting for it to come back") }
        lostAt = lostAt ?? now
        try await Task.sleep(for: Self.retryInterval)
      }
    }
  }

  private func watchStatus(_ goal: Goal, _ progress: Progress) async throws -> Ending? {
    let awaited = goal.awaited
    let endsAtHold = if case .holds = goal { true } else { false }
    guard show.wantsStatus || awaited != nil else { return nil }
    var over: (sequence: Int64, polls: Int)?
    while true {
      if let status = try? await api.status() {
        try await show.status(status)
        let running = status.services.compactMap(\.rollout)
          .filter { !(endsAtHold && $0.wait?.isHold == true) }.map(\.id)
        if let awaited, !awaited.contains(where: running.contains) {
          over = over ?? (status.sequence, 0)
        }
      }
      if let (sequence, polls) = over {
        // What the feed still has to say about it comes first, if it comes soon.
        if progress.sequence >= sequence || polls > 4 { return .rolloutsOver }
        over = (sequence, polls + 1)
      }
      try await Task.sleep(for: pollInterval)
    }
  }
}
