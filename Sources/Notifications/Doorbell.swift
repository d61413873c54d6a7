import Synchronization

/// Wakes one waiter. A ring while nobody waits is kept, so that none is missed; several are one.
final class Doorbell: Sendable {
  private enum State {
    case quiet
    case rung
    case awaited(CheckedContinuation<Void, Never>)
  }

  private let state = Mutex(State.quiet)

  func ring() {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      switch state {
      case .quiet, .rung:
        state = .rung
        return nil
      case .awaited(let waiter):
        state = .quiet
        return waiter
      }
    }
    waiter?.resume()
  }

  /// Returns after a ring, also one that was before the call, or when the task is cancelled. Only one
  /// task may wait.
  func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        let isOver = state.withLock { state in
          if case .rung = state {
            state = .quiet
            return true
          }
          // Looked at under the lock: the handler below either comes later and finds the waiter, or
          // came before and is seen here.
          if Task.isCancelled { return true }
          state = .awaited(waiter)
          return false
        }
        if isOver { waiter.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
        guard case .awaited(let waiter) = state else { return nil }
        state = .quiet
        return waiter
      }
      waiter?.resume()
    }
  }
}
