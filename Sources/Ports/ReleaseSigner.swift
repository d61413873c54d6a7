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
  /// Signs what came of verifying a release before its rollout, and keeps that paper beside it; a newer one
  /// takes the place of an older.
  ///
  /// - Parameter objection: why it is not to be rolled out; `nil` when it passed.
  func attest(
    _ release: Release, objection: String?, at now: Instant
  ) async throws(PortError)
  /// Where the papers of a release lie, as far as there are any.
  func papers(of release: Release) async -> [String]
}
