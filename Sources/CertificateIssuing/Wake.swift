import Ports
import SegueModel
import Synchronization

/// Lets one task sleep until there is something to do. A signal that comes while nobody sleeps is kept
/// until it is cleared.
final class Wake: Sendable {
  private struct State {
    var isSignalled = false
    var sleeper: AsyncStream<Never>.Continuation?
  }

  private let state = Mutex(State())

  func signal() {
    let sleeper = state.withLock { state in
      state.isSignalled = true
      return state.sleeper.take()
    }
    sleeper?.finish()
  }

  func clear() { state.withLock { $0.isSignalled = false } }

  /// Returns after `span`, at a signal, or when the task is cancelled.
  func wait(for span: Milliseconds, by time: any TimeSource) async {
    let (signals, sleeper) = AsyncStream.makeStream(of: Never.self)
    let isSignalled = state.withLock { state in
      state.sleeper = sleeper
      return state.isSignalled
    }
    if isSignalled { sleeper.finish() }
    await withDiscardingTaskGroup { group in
      group.addTask {
        try? await time.sleep(for: span)
        sleeper.finish()
      }
      for await _ in signals {}
      group.cancelAll()
    }
    state.withLock { $0.sleeper = nil }
  }
}
