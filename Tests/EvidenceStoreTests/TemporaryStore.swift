import Evidence
import EvidenceStore
import Foundation
import SegueModel

/// Runs `body` with a store of its own, and removes it afterwards.
func withStore(_ body: (EvidenceStore, _ directory: String) async throws -> Void) async throws {
  let directory = FileManager.default.temporaryDirectory
    .appending(path: "segue-evidence-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: directory) }
  let store = try await EvidenceStore.open(directory: directory)
  do {
    try await body(store, directory)
  } catch {
    try await store.close()
    throw error
  }
  try await store.close()
}

extension TestBatch {
  /// - Parameter outcomes: of each test, its attempts: `p`assed, `f`ailed or `s`kipped.
  init(
    _ commit: String, at day: Int64 = 0, environment: String = "", _ outcomes: [String: String]
  ) {
    self.init(
      project: "shop", commit: CommitID(commit), branch: "main", environment: environment,
      at: Instant(milliseconds: day * 86_400_000),
      results: outcomes.sorted { $0.key < $1.key }.flatMap { test, attempts in
        attempts.enumerated().map { index, outcome in
          TestResult(
            test: test, attempt: index + 1,
            status: outcome == "p" ? .passed : outcome == "f" ? .failed : .skipped,
            duration: Milliseconds(outcome == "s" ? 0 : 10),
            message: outcome == "f" ? "expected 3 but was \(day)" : "")
        }
      })
  }
}
