@preconcurrency internal import Dispatch
internal import Glibc

/// Ctrl-C as a value, for commands that have something to say before they go.
enum Interrupts {
  /// Yields once for each SIGINT or SIGTERM from now on; these no longer end the process by
  /// themselves while the stream is in use.
  static func stream() -> AsyncStream<Void> {
    AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let sources = [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number)
        source.setEventHandler { continuation.yield() }
        source.resume()
        return source
      }
      continuation.onTermination = { _ in
        for source in sources { source.cancel() }
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
      }
    }
  }
}
