public import SegueModel

/// Work that must be over in time.
public enum Deadline {
  /// What `work` came to, or `nil` when it took longer than `span`. It is cancelled then, and waited
  /// for: it has to heed that.
  public static func run<Value: Sendable>(
    _ span: Milliseconds, time: any TimeSource, _ work: @escaping @Sendable () async -> Value
  ) async -> Value? {
    await withTaskGroup(of: Value?.self) { group in
      group.addTask { await work() }
      group.addTask {
        try? await time.sleep(for: span)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
