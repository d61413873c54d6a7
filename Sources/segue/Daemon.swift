import Foundation
import Glibc
import Ports
import SQLiteJournal

/// A running `segue serve` as another process sees it: by the lock on its state directory.
enum Daemon {
  private static let patience = Duration.seconds(20)

  /// Tells the daemon to stop and waits until it has; at once when none runs.
  static func stop(state: String) async throws {
    let clock = ContinuousClock()
    let end = clock.now + patience
    var isTold = false
    while true {
      guard FileManager.default.fileExists(atPath: state + "/lock") else { return }
      if let lock = try? StateLock.acquire(directory: state, command: "segue down") {
        lock.release()
        return
      }
      // The lock is held, so the process it names lives: its pid cannot be another's.
      if !isTold, let pid = owner(state) {
        kill(pid, SIGTERM)
        isTold = true
      }
      guard clock.now < end else {
        throw PortError(
          "the daemon did not stop within \(patience)", fault: .segue, retry: .safe,
          nextStep: "Look at its log, and end it with kill -9")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  private static func owner(_ state: String) -> pid_t? {
    guard let text = try? String(contentsOfFile: state + "/lock", encoding: .utf8) else {
      return nil
    }
    return text.split(separator: " ").first.flatMap { pid_t($0) }
  }
}
