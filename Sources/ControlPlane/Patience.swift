import Logging
import Ports
import SegueModel

extension Dependencies {
  /// Records something that is so and stays so: keeps trying while the journal is busy or the disk is
  /// full, until it is recorded or the task is cancelled.
  ///
  /// - Returns: `nil` when the task was cancelled first.
  /// - Throws: what trying again cannot help.
  func persist<Value: Sendable>(
    _ what: String, _ body: () async throws(PortError) -> Value
  ) async throws(PortError) -> Value? {
    var pause = Milliseconds(20)
    while !Task.isCancelled {
      do throws(PortError) {
        return try await body()
      } catch {
        guard error.retry != .never else { throw error }
        logger.error("\(what) could not be recorded", metadata: ["error": "\(error)"])
      }
      try? await time.sleep(for: pause)
      pause = min(pause * 2, .seconds(5))
    }
    return nil
  }
}
