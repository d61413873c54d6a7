import NIOPosix
import Ports

/// Work that blocks, off the threads that everything else shares.
enum Blocking {
  /// Runs `body` to its end, even if the task is cancelled meanwhile: files are better written whole.
  static func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(PortError) -> Value
  ) async throws(PortError) -> Value {
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      NIOThreadPool.singleton.submit { state in
        switch state {
        case .active: continuation.resume(returning: Result(catching: body))
        case .cancelled:
          continuation.resume(
            returning: .failure(
              PortError("Segue stops asking for certificates", fault: .segue, retry: .safe)))
        }
      }
    }
    return try result.get()
  }
}
