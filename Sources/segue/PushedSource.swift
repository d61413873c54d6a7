import Ports
import SegueModel

/// The watched repository together with the embedded remote: commits are found wherever they are.
struct PushedSource: Source {
  let watched: any Source
  let embedded: any Source

  func refresh() async throws(PortError) { try await watched.refresh() }

  func head(of branch: String) async throws(PortError) -> Commit? {
    try await watched.head(of: branch)
  }

  func resolve(_ revision: String) async throws(PortError) -> Commit {
    do throws(PortError) {
      return try await watched.resolve(revision)
    } catch {
      // What was pushed is only in the embedded remote; the first error is the one that people know.
      guard let pushed = try? await embedded.resolve(revision) else { throw error }
      return pushed
    }
  }

  func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String] {
    try await holder(of: commit).authors(after: earlier, upTo: commit, limit: limit)
  }

  func file(_ path: String, at commit: CommitID, limit: Int) async throws(PortError) -> [UInt8]? {
    try await holder(of: commit).file(path, at: commit, limit: limit)
  }

  func checkOut(_ commit: CommitID, into directory: String) async throws(PortError) {
    try await holder(of: commit).checkOut(commit, into: directory)
  }

  func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin] {
    try await holder(of: question.commit).origins(of: question)
  }

  private func holder(of commit: CommitID) async -> any Source {
    (try? await embedded.resolve(commit.rawValue)) != nil ? embedded : watched
  }
}
