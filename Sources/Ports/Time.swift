public import SegueModel

/// The wall clock and the wait, so that tests can bring their own.
public protocol TimeSource: Sendable {
  func now() -> Instant
  /// Returns after `span`; throws `CancellationError` when the task is cancelled.
  func sleep(for span: Milliseconds) async throws
}
