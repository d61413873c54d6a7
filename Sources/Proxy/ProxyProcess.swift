import Dispatch
import Foundation
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

/// The readiness protocol of sd_notify(3).
enum ServiceManager {
  /// Tells whoever started us, if they asked (`NOTIFY_SOCKET`); an abstract name begins with `@`.
  static func notify(_ state: String) {
    guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else {
      return
    }
    let name = path.hasPrefix("@") ? "\0" + path.dropFirst() : path
    guard var address = UnixAddress(name) else { return }
    let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
    let bytes = Array(state.utf8)
    _ = address.withSockaddr { pointer, size in
      let size = path.hasPrefix("@") ? length : size
      return Int32(sendto(descriptor, bytes, bytes.count, 0, pointer, size))
    }
  }
}
