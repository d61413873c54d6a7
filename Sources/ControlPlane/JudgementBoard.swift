import ControlProtocol
import SegueModel
import Synchronization

/// What the judges said last, for the receipts.
final class JudgementBoard: Sendable {
  /// Rollouts that are remembered; the oldest go first.
  private static let limit = 256

  private struct State {
    var lines: [RolloutID: JudgementLine] = [:]
    var order: [RolloutID] = []
  }

  private let state = Mutex(State())

  subscript(rollout: RolloutID) -> JudgementLine? { state.withLock { $0.lines[rollout] } }

  func keep(_ line: JudgementLine, of rollout: RolloutID) {
    state.withLock { state in
      if state.lines.updateValue(line, forKey: rollout) == nil { state.order.append(rollout) }
      while state.order.count > Self.limit { state.lines[state.order.removeFirst()] = nil }
    }
  }
}
