import Synchronization
import Testing

/// The books of one or several instances: which requests were executed, in which order, how often,
/// and how many at once. What must not be executed twice carries an id of its own.
final class Ledger: Sendable {
  private let state = Mutex((order: [String](), now: 0, most: 0))

  var order: [String] { state.withLock { $0.order } }
  var most: Int { state.withLock { $0.most } }
  var ids: Set<String> { Set(order) }

  /// How often each id that stands here more than once does.
  var repeated: [String: Int] {
    order.reduce(into: [:]) { $0[$1, default: 0] += 1 }.filter { $0.value > 1 }
  }

  func begin(_ id: String) {
    state.withLock { state in
      state.order.append(id)
      state.now += 1
      state.most = max(state.most, state.now)
    }
  }

  func end() { state.withLock { $0.now -= 1 } }

  func note(_ id: String) {
    begin(id)
    end()
  }

  /// An instance that enters the path of each request before it answers with it.
  func backend(
    _ work: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> Backend {
    try Backend.http { [self] request, socket in
      begin(request.path)
      work(request.path)
      end()
      try socket.answer(body: request.path)
    }
  }

  /// Every id once, and exactly these.
  func expect(_ ids: some Sequence<String>, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(repeated == [:], sourceLocation: sourceLocation)
    #expect(self.ids == Set(ids), sourceLocation: sourceLocation)
  }
}
