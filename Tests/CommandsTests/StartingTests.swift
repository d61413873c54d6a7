import ControlProtocol
import Foundation
import Glibc
import SegueModel
import Synchronization
import Testing

@testable import Commands

@Suite struct StartingTests {
  @Test func aDaemonProcessHasASessionAndALogOfItsOwn() async throws {
    try await withDirectory { directory in
      let log = directory + "/log"
      try "before\n".write(toFile: log, atomically: false, encoding: .utf8)
      let process = try DaemonProcess(
        executable: "/bin/sh",
        arguments: ["sh", "-c", "echo out; echo err >&2; read x || exit 7"], log: log)
      let session = getsid(process.pid)
      #expect(session == process.pid || session == -1)
      #expect(session != getsid(0))
      try await wait { process.exitStatus() != nil }
      #expect(process.exitStatus() == 7)
      #expect(try String(contentsOfFile: log, encoding: .utf8) == "before\nout\nerr\n")
    }
  }

  @Test func aProcessEndedByASignalSaysSo() async throws {
    let process = try DaemonProcess(
      executable: "/bin/sh", arguments: ["sh", "-c", "kill -9 $$"], log: "/dev/null")
    try await wait { process.exitStatus() != nil }
    #expect(process.exitStatus() == -9)
  }

  @Test func whatCannotBeStartedIsAnError() {
    #expect(throws: ControlError.self) {
      try DaemonProcess(executable: "/nowhere/x", arguments: ["x"], log: "/dev/null")
    }
  }

  /// Starts something else than a daemon, and knows whether it was asked to.
  private final class FakeDaemon: Composition {
    let script: String
    let started = Mutex(false)
    init(_ script: String) { self.script = script }
    func serve(_ options: ServeOptions) async throws {}
    func proxy(_ options: ProxyOptions) async throws {}
    func upgradeProxy(state: String, controlSocket: String) async throws -> String { "" }
    func keepSockets() async throws {}
    func down(state: String) async throws -> String { "" }
    func startDaemon(_ options: ServeOptions, log: String) async throws -> DaemonProcess {
      started.withLock { $0 = true }
      return try DaemonProcess(
        executable: "/bin/sh", arguments: ["sh", "-c", script], log: log)
    }
  }

  private func makeProject(_ directory: String, spec: String) throws -> String {
    let root = directory + "/shop"
    try FileManager.default.createDirectory(
      atPath: root + "/.git", withIntermediateDirectories: true)
    try spec.write(toFile: root + "/segue.yaml", atomically: false, encoding: .utf8)
    return root
  }

  private static let spec = """
    version: 1
    project: shop
    services:
      web:
        run: ./web --port $PORT
        health: /up

    """

  @Test func upStartsTheControlPlaneAndDeploys() async throws {
    try await withDirectory { directory in
      let root = try makeProject(directory, spec: Self.spec)
      let daemon = FakeDaemon("exit 0")
      let api = ScriptedAPI(
        statusReply: {
          guard daemon.started.withLock({ $0 }) else {
            throw ControlError(.unreachable, "It is not running")
          }
          return Samples.status()
        }, items: { _ in .open([Samples.item(4, .success, final: true)]) })
      let outcome = try await segue(
        "up", "--state", directory + "/state", api: api, composition: daemon, directory: root)
      #expect(outcome.errors == "")
      #expect(outcome.status == .success)
      #expect(outcome.output.contains("starting the control plane"))
      #expect(outcome.output.contains("serving http://127.0.0.1:8080"))
      #expect(outcome.output.contains("push to   \(directory)/state/remote.git"))
    }
  }

  @Test func upUsesTheControlPlaneThatRuns() async throws {
    try await withDirectory { directory in
      let root = try makeProject(directory, spec: Self.spec)
      let daemon = FakeDaemon("exit 0")
      let outcome = try await segue(
        "up", "--detach", "--listen", "9999", "--state", directory + "/state", composition: daemon,
        directory: root)
      #expect(outcome.status == .success)
      #expect(!daemon.started.withLock { $0 })
      #expect(outcome.errors.contains("--listen 127.0.0.1:9999 has no effect"))
    }
  }

  @Test func aControlPlaneThatDiesShowsTheEndOfItsLog() async throws {
    try await withDirectory { directory in
      let root = try makeProject(directory, spec: Self.spec)
      let api = ScriptedAPI(failure: ControlError(.unreachable, "It is not running"))
      let outcome = try await segue(
        "up", "--state", directory + "/state", api: api,
        composition: FakeDaemon("echo the port is taken; exit 5"), directory: root)
      #expect(outcome.status == .failure)
      #expect(outcome.errors.contains("exited with status 5"))
      #expect(outcome.errors.contains("because: the port is taken"))
    }
  }

  @Test func aBadFileStartsNothing() async throws {
    try await withDirectory { directory in
      let root = try makeProject(directory, spec: "version: 1\nproject: shop\nservces: {}\n")
      let daemon = FakeDaemon("exit 0")
      let outcome = try await segue(
        "up", "--state", directory + "/state", composition: daemon, directory: root)
      #expect(outcome.status == .usage)
      #expect(outcome.errors.contains("segue.yaml:3:1"))
      #expect(!daemon.started.withLock { $0 })
    }
  }

  @Test func initProposesOnceAndWritesOverOnlyWhenTold() async throws {
    try await withDirectory { directory in
      let root = directory + "/shop"
      try FileManager.default.createDirectory(
        atPath: root + "/.git", withIntermediateDirectories: true)
      try "{\"scripts\":{\"test\":\"jest\",\"start\":\"node .\"}}".write(
        toFile: root + "/package.json", atomically: false, encoding: .utf8)
      let printed = try await segue("init", "--print", directory: root)
      #expect(printed.status == .success)
      #expect(printed.output.contains("project: shop"))
      #expect(!FileManager.default.fileExists(atPath: root + "/segue.yaml"))
      #expect(try await segue("init", directory: root).status == .success)
      let written = try String(contentsOfFile: root + "/segue.yaml", encoding: .utf8)
      #expect(written == printed.output)
      #expect(try await segue("init", directory: root).status == .refused)
      #expect(try await segue("init", "--force", directory: root).status == .success)
    }
  }

  @Test func doctorFindsWhatHurts() async throws {
    try await withDirectory { directory in
      let root = try makeProject(directory, spec: Self.spec)
      let away = ScriptedAPI(failure: ControlError(.unreachable, "It is not running"))
      let healthy = try await segue(
        "doctor", "--state", directory + "/state", "--listen", "127.0.0.1:0", api: away,
        directory: root)
      #expect(healthy.status == .success, "\(healthy.output)")
      #expect(healthy.output.contains("segue.yaml: 0 steps, 1 service, deploys main"))
      #expect(healthy.output.contains("it is not running"))

      let long = directory + "/" + String(repeating: "x", count: 120)
      let tooLong = try await segue("doctor", "--state", long, api: away, directory: root)
      #expect(tooLong.status == .negative)
      #expect(tooLong.output.contains("too long for a socket"))

      try "servces:".write(toFile: root + "/segue.yaml", atomically: false, encoding: .utf8)
      let broken = try await segue(
        "doctor", "--state", directory + "/state", "--json", directory: root)
      #expect(broken.status == .negative)
      let findings = try JSONDecoder().decode([Finding].self, from: Data(broken.output.utf8))
      #expect(
        findings.contains { $0.subject.hasPrefix("segue.yaml:1:") && $0.severity == .problem })
    }
  }

  @Test func aTakenPortIsSeen() throws {
    let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        #expect(bind(descriptor, $0, size) == 0)
        #expect(listen(descriptor, 1) == 0)
        #expect(getsockname(descriptor, $0, &size) == 0)
      }
    }
    let port = Int(UInt16(bigEndian: address.sin_port))
    #expect(PortProbe.tryToBind(host: "127.0.0.1", port: port) == .taken)
    #expect(PortProbe.tryToBind(host: "127.0.0.1", port: 0) == .free)
    guard case .failed = PortProbe.tryToBind(host: "no such host", port: 0) else {
      Issue.record("a name was looked up")
      return
    }
  }
}
