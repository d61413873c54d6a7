import Dispatch
public import Logging

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The proxy as a process of its own.
public enum ProxyProcess {
  /// Serves until SIGTERM, SIGINT or the control socket asks for the end, then drains and returns.
  /// SIGHUP opens the access log anew and reads the error pages again, if there are any.
  ///
  /// - Parameter onReady: Called once it serves.
  /// - Throws: `PortError` when the proxy cannot start.
  public static func run(
    _ configuration: ProxyConfiguration, logger: Logger, onReady: @Sendable () -> Void = {}
  ) async throws {
    let server = try await ProxyServer.start(configuration, logger: logger)
    let queue = DispatchQueue(label: "segue.proxy-signals")
    let hasFiles = configuration.accessLog != nil || configuration.errorPages != nil
    let numbers = [SIGTERM, SIGINT] + (hasFiles ? [SIGHUP] : [])
    let sources = numbers.map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler {
        guard number == SIGHUP else { return server.beginShutdown(within: nil) }
        server.reopenFiles()
      }
      source.resume()
      return source
    }
    ServiceManager.notify(
      configuration.takesOver ? "MAINPID=\(getpid())\nREADY=1" : "READY=1")
    onReady()
    await server.waitUntilClosed()
    for source in sources { source.cancel() }
    logger.info("proxy has shut down")
  }
}
