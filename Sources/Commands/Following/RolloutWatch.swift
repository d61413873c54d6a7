internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// Waits until rollouts are over and says how a command ends that asked for them.
struct RolloutWatch: Sendable {
  var api: any ControlAPI
  var presentation: Presentation
  var interrupts: AsyncStream<Void>
  /// The outcomes that were asked for.
  var good: Set<String>
  /// A rollout that holds is waited for no longer.
  var untilHold = false

  func run(_ reply: RolloutReply, wait: Bool) async throws -> ExitStatus {
    if presentation.json { try await presentation.console.print(JSONText.line(reply)) }
    try await presentation.say(reply.message)
    guard wait, !reply.rollouts.isEmpty else { return .success }
    let show = presentation.show(
      commit: nil, footer: "Ctrl-C leaves; the control plane goes on")
    let follower = Follower(api: api, show: show, interrupts: interrupts)
    let goal: Follower.Goal =
      untilHold ? .holds(reply.rollouts) : .rollouts(reply.rollouts)
    if case .interrupted = try await follower.follow(goal, after: reply.sequence) {
      await presentation.console.printError("segue: left; the control plane goes on")
      return .interrupted
    }
    return try await verdict(reply.rollouts)
  }

  private func verdict(_ rollouts: [RolloutID]) async throws -> ExitStatus {
    let history = try await history(with: rollouts)
    let now = try await api.status()
    let text = RolloutText(zone: .current)
    var status = ExitStatus.success
    for rollout in rollouts {
      if let entry = history.first(where: { $0.rollout == rollout }) {
        let service = entry.key.map { "\($0): " } ?? ""
        try await presentation.say(
          "\(service)\(outcome(of: entry))\(entry.reason.map { ", \($0)" } ?? "")")
        if !good.contains(entry.outcome) { status = .negative }
      } else if let service = now.services.first(where: { $0.rollout?.id == rollout }),
        let going = service.rollout
      {
        try await presentation.say("\(service.key): \(text.sentence(going, now: now.now))")
        if going.direction == "back" { status = .negative }
      } else {
        try await presentation.say("\(rollout): not in the history yet")
        status = .negative
      }
    }
    return status
  }

  private func outcome(of entry: HistoryEntry) -> String {
    guard entry.kind == "rollback", entry.outcome == "live", let release = entry.release else {
      return entry.outcome
    }
    return "rolled back, \(release) is live again"
  }

  /// A receipt is written a moment after its rollout has ended.
  private func history(with rollouts: [RolloutID]) async throws -> [HistoryEntry] {
    var entries: [HistoryEntry] = []
    for attempt in 0..<20 {
      if attempt > 0 { try await Task.sleep(for: .milliseconds(50)) }
      entries = try await api.history(limit: 100)
      let running = try await api.status().services.compactMap { $0.rollout?.id }
      let isComplete = rollouts.allSatisfy { rollout in
        running.contains(rollout) || entries.contains { $0.rollout == rollout }
      }
      if isComplete { break }
    }
    return entries
  }
}
