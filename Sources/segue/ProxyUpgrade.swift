import CLinux
import Foundation
import Ports
import ProcessPlatform
import Proxy
import SegueModel

/// Starts a proxy of this very binary that takes over from the one that runs.
struct ProxyUpgrade {
  let state: String
  let controlSocket: String

  /// From the start of the new proxy until it is the one that answers.
  private static let patience = Duration.seconds(30)

  /// - Returns: the pids of the proxy that goes and of the one that serves now.
  /// - Throws: `PortError` when there is none, or the new one does not get as far; then the old one
  ///   goes on.
  func run() async throws -> (old: Int32, new: Int32) {
    let director = ProxyDirector(controlSocket: controlSocket)
    let old = try await director.ping().pid
    var environment = ProcessPlatform.standardEnvironment()
    // A service manager that watches the old proxy has to hear of the new one.
    environment["NOTIFY_SOCKET"] = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"]
    let log = ProxySupervisor.logFile(state)
    let process = try await DetachedProcess.start(
      DetachedCommand(
        arguments: [Production.executable] + Self.arguments(of: old) + ["--take-over"],
        environment: environment, directory: state, logFile: log,
        identityFile: ProxySupervisor.identityFile(state)))
    let clock = ContinuousClock()
    let end = clock.now + Self.patience
    while true {
      if let status = try? await director.ping(), status.pid == process.identity.pid {
        return (old, status.pid)
      }
      if process.ended != nil || clock.now >= end {
        let output = (try? await process.output(limit: 5)) ?? []
        _ = try? await process.stop(deadline: .seconds(1))
        throw PortError(
          "the new proxy did not take over; the old one goes on", fault: .traffic, retry: .safe,
          causes: output.filter { !$0.isEmpty }, nextStep: "See \(log)")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// What the old proxy was told, which counts for the new one too.
  private static func arguments(of pid: Int32) -> [String] {
    let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
    return line.split(separator: 0).dropFirst().map { String(decoding: $0, as: UTF8.self) }
      .filter { $0 != "--take-over" }
  }

  /// Whether a process runs another program file than we do: an older or a newer Segue.
  static func runsAnotherBinary(_ pid: Int32) -> Bool { segue_same_program(pid) == 0 }
}
