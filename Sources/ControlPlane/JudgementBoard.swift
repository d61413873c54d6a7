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

  subscript(rollout: RolloutID) -> JudgementLine? {
    get { state.withLock { $0.lines[rollout] } }
    set {
      state.withLock { state in
        if state.lines.updateValue(newValue, forKey: rollout) { state.order.append(rollout) }
        while state.order.count > Self.limit {
          state.lines[state.order.removeFirst()] = nil
        }
      }
    }
  }
}

extension [RolloutID: JudgementLine] {
  /// - Returns: whether the key is new.
  fileprivate mutating func updateValue(_ value: JudgementLine?, forKey key: RolloutID) -> Bool {
    guard let value else {
      self[key] = nil
      return false
    }
    return updateValue(value, forKey: key) == nil
  }
}
