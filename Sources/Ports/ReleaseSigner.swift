public import SegueModel

/// Vouches for how releases came to be.
public protocol ReleaseSigner: Sendable {
  /// Signs what is known of the build of a release, and keeps the paper beside it. Done again, it does no
  /// harm.
  ///
  /// - Parameter source: the repository, as people name it.
  /// - Returns: the key that signed it.
  func sign(
    _ release: Release, of run: PipelineRun, from source: String, began: Instant, ended: Instant
  ) async throws(PortError) -> String
  /// Why the paper of a release is not to be believed: one sentence without a final period; `nil` when it
  /// is.
  func objection(to release: Release) async -> String?
}
