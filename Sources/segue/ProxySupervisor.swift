import CLinux
import Commands
import ControlProtocol
import Foundation
import Glibc
import Logging
import Ports
import ProcessPlatform
import Proxy
import SegueModel
import ServiceLifecycle

/// Sees to it that a proxy runs: adopts the one an earlier control plane started, leaves one that a
/// service manager runs alone, and starts a new one at once when its own has died.
///
/// It holds the socket that the proxy takes requests on, so that the next proxy goes on with the very
/// queue of the one that died.
actor ProxySupervisor: Service {
  nonisolated let director: ProxyDirector
  private let options: ServeOptions
  private let logger: Logger
  private var process: DetachedProcess?
  private var restarts = 0
  /// The open socket that each proxy is given; `nil` when an adopted one would not share its own.
  private var listener: CInt?
  /// The proxy as it described itself last.
  private var address: String

  /// How long a new proxy may take until it answers.
  private static let startPatience = Duration.seconds(15)

  init(_ options: ServeOptions, logger: Logger) {
    self.options = options
    self.logger = logger
    director = ProxyDirector(controlSocket: StateDirectory.proxySocket(in: options.state))
    address = "\(options.listen)"
  }

  static func identityFile(_ state: String) -> String { state + "/proxy.json" }
  static func logFile(_ state: String) -> String { state + "/proxy.log" }

  /// Returns when a proxy answers.
  func start() async throws {
    process = try await DetachedProcess.adopt(
      identityFile: Self.identityFile(options.state), logFile: Self.logFile(options.state))
    if process == nil {
      if let status = try? await director.ping() {
        logger.info("a proxy runs already, and is left to its own supervisor")
        address = status.address
        return
      }
      listener = try ProxyListener.open(host: options.listen.host, port: options.listen.port)
      process = try await launch()
    } else if let process {
      // Passed descriptors begin at 3 (sd_listen_fds(3)); one that took over has it elsewhere.
      let number = (try? await director.ping())?.listener ?? 3
      listener = Self.listener(number, of: process.identity.pid)
    }
    try await awaitAnswer()
    await upgrade()
  }

  /// A proxy that outlived the program it was started from is replaced by one of ours. If that fails, it
  /// goes on, and so do we.
  private func upgrade() async {
    guard let process, ProxyUpgrade.runsAnotherBinary(process.identity.pid) else { return }
    let controlSocket = StateDirectory.proxySocket(in: options.state)
    do {
      let (old, new) = try await ProxyUpgrade(
        state: options.state, controlSocket: controlSocket
      ).run()
      try await adoptHeir()
      logger.info("the proxy was upgraded", metadata: ["from": "\(old)", "to": "\(new)"])
    } catch {
      logger.error("the proxy was not upgraded and goes on", metadata: ["error": "\(error)"])
    }
  }

  /// - Returns: whether another proxy has taken over from the one that we watched.
  @discardableResult
  private func adoptHeir() async throws -> Bool {
    let heir = try await DetachedProcess.adopt(
      identityFile: Self.identityFile(options.state), logFile: Self.logFile(options.state))
    guard let heir, heir.identity != process?.identity else { return false }
    process = heir
    return true
  }

  /// The listening socket of a proxy that an earlier control plane started; the kernel gives it to
  /// whoever may trace that process. Without it, a proxy that dies refuses connections until the next
  /// one listens, as it would with nobody holding the socket.
  private static func listener(_ number: CInt, of proxy: Int32) -> CInt? {
    let process = segue_pidfd_open(proxy)
    guard process >= 0 else { return nil }
    defer { close(process) }
    let copy = segue_pidfd_get_fd(process, number)
    guard copy >= 0 else { return nil }
    var listens: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    guard getsockopt(copy, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0, listens == 1 else {
      close(copy)
      return nil
    }
    return copy
  }

  private func launch() async throws -> DetachedProcess {
    try await DetachedProcess.start(
      DetachedCommand(
        arguments: [
          Production.executable, "proxy", "--state", options.state, "--listen",
          "\(options.listen)",
        ] + options.proxyArguments,
        environment: ProcessPlatform.standardEnvironment(), directory: options.state,
        logFile: Self.logFile(options.state), identityFile: Self.identityFile(options.state),
        passedDescriptors: listener.map { [$0] } ?? []))
  }

  private func awaitAnswer() async throws {
    let clock = ContinuousClock()
    let end = clock.now + Self.startPatience
    while true {
      if let status = try? await director.ping() {
        address = status.address
        return
      }
      if process?.ended != nil || clock.now >= end {
        let output = (try? await process?.output(limit: 5)) ?? []
        throw PortError(
          "the proxy does not start", fault: .traffic, retry: .never,
          causes: output.filter { !$0.isEmpty },
          nextStep: "See \(Self.logFile(options.state)); another address is chosen with --listen")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  func run() async throws {
    try? await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        guard let process = await self.process else {
          try await Task.sleep(for: .seconds(3_600))
          continue
        }
        guard await process.waitForExit() != nil, !Task.isCancelled else { return }
        await self.restart()
      }
    }
  }

  private func restart() async {
    if (try? await adoptHeir()) ?? false {
      logger.info("another proxy has taken over")
      return
    }
    restarts += 1
    logger.error("the proxy has died and is started again", metadata: ["times": "\(restarts)"])
    do {
      process = try await launch()
      try await awaitAnswer()
    } catch {
      logger.error("the proxy cannot be started", metadata: ["error": "\(error)"])
      try? await Task.sleep(for: .milliseconds(500))
    }
  }

  func status() async -> ControlProtocol.ProxyStatus {
    let answer = try? await director.ping()
    return ControlProtocol.ProxyStatus(
      running: answer != nil, address: answer?.address ?? address, pid: answer?.pid,
      restarts: restarts)
  }

  /// Stops the proxy of a state directory, if Segue started one.
  /// - Returns: Whether there was one.
  static func stop(state: String) async throws -> Bool {
    let found = try await DetachedProcess.adopt(
      identityFile: identityFile(state), logFile: logFile(state))
    guard let found else { return false }
    _ = try await found.stop(deadline: .seconds(10))
    return true
  }
}
