import ControlProtocol
import Foundation
import Glibc
import LoadGenerator
import SegueModel
import Testing

/// A Segue of its own in a temporary directory: a repository, a state directory, a daemon. Everything
/// it starts is stopped by ``tearDown()``, which each test calls also when it fails.
final class Installation: @unchecked Sendable {
  let root: String
  let port: Int
  var state: String { root + "/state" }
  var repository: String { root + "/app" }
  var url: String { "http://127.0.0.1:\(port)" }
  private var daemon: Process?
  private var hasMount = false

  /// Next to the test bundle, because SwiftPM builds both into one directory.
  static let binaries = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().path()
  static let packageRoot = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path()
  var segue: String { Self.binaries + "/segue" }

  init() throws {
    var template = Array("/tmp/segue-e2e-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure("no temporary directory") }
    root = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    port = try Self.freePort()
    try FileManager.default.createDirectory(
      atPath: root + "/home", withIntermediateDirectories: true)
  }

  static func freePort() throws -> Int {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(socket, generic, length) == 0 && getsockname(socket, generic, &length) == 0
      }
    }
    guard bound else { throw Failure("no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  // MARK: Commands

  struct Output: Sendable {
    var status: Int32
    var standardOutput: String
    var standardError: String
    var all: String { standardOutput + standardError }
  }

  var environment: [String: String] {
    [
      "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
      "HOME": root + "/home", "LANG": "C.UTF-8", "NO_COLOR": "1",
      "GIT_AUTHOR_NAME": "Ana", "GIT_AUTHOR_EMAIL": "ana@example.com",
      "GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": "ana@example.com",
      "GIT_CONFIG_NOSYSTEM": "1",
    ]
  }

  /// Runs a command to its end, off the threads that tests run on.
  func run(_ command: [String], in directory: String? = nil, deadline: Duration = .seconds(240))
    async throws -> Output
  {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = command
    process.environment = environment
    process.currentDirectoryURL = URL(filePath: directory ?? root)
    let files = try ["out", "err"].map { name -> (String, FileHandle) in
      let path = "\(root)/\(UUID().uuidString).\(name)"
      _ = FileManager.default.createFile(atPath: path, contents: nil)
      return (path, try #require(FileHandle(forWritingAtPath: path)))
    }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = files[0].1
    process.standardError = files[1].1
    // Foundation keeps a process, and so its files, for longer than anybody needs them.
    defer { for file in files { try? file.1.close() } }
    let status = try await Self.exit(of: process, deadline: deadline)
    let texts = files.map { (try? String(contentsOfFile: $0.0, encoding: .utf8)) ?? "" }
    for file in files { try? FileManager.default.removeItem(atPath: file.0) }
    return Output(status: status, standardOutput: texts[0], standardError: texts[1])
  }

  private static func exit(of process: Process, deadline: Duration) async throws -> Int32 {
    try await withThrowingTaskGroup(of: Int32?.self) { group in
      group.addTask {
        try await withCheckedThrowingContinuation { continuation in
          process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
          do { try process.run() } catch { continuation.resume(throwing: error) }
        }
      }
      group.addTask {
        try await Task.sleep(for: deadline)
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let status = first else {
        throw Failure("\(process.arguments ?? []) took longer than \(deadline)")
      }
      return status
    }
  }

  @discardableResult
  func git(_ arguments: String...) async throws -> Output {
    let output = try await run(["git"] + arguments, in: repository)
    guard output.status == 0 else { throw Failure("git \(arguments): \(output.all)") }
    return output
  }

  func cli(_ arguments: String...) async throws -> Output {
    try await run([segue] + arguments + ["--state", state], in: repository)
  }

  func decode<Value: Decodable>(_ type: Value.Type, _ arguments: String...) async throws -> Value {
    let output = try await run([segue] + arguments + ["--json", "--state", state], in: repository)
    guard output.status <= 1 else { throw Failure("segue \(arguments): \(output.all)") }
    return try JSONDecoder().decode(type, from: Data(output.standardOutput.utf8))
  }

  // MARK: The repository

  /// Makes the repository out of a directory of files.
  func makeRepository(copying source: String) async throws {
    _ = try await run(["cp", "-R", source, repository])
    try await commitAll("Begin")
  }

  func makeRepository(_ files: [String: String]) async throws {
    for (path, text) in files { try write(text, to: path) }
    try await commitAll("Begin")
  }

  private func commitAll(_ subject: String) async throws {
    try await git("init", "--quiet", "--initial-branch", "main")
    try await git("add", "--all")
    try await git("commit", "--quiet", "--message", subject)
  }

  func write(_ text: String, to path: String) throws {
    let full = repository + "/" + path
    try FileManager.default.createDirectory(
      atPath: (full as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: full, atomically: true, encoding: .utf8)
  }

  /// Puts a value where `segue.yaml` names it.
  func setSecret(_ name: String, _ value: String) throws {
    let folder = state + "/secrets"
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    guard
      FileManager.default.createFile(
        atPath: "\(folder)/\(name)", contents: Data(value.utf8),
        attributes: [.posixPermissions: 0o600])
    else { throw Failure("the secret \(name) could not be written") }
  }

  func commit(_ subject: String, _ files: [String: String]) async throws {
    for (path, text) in files { try write(text, to: path) }
    try await git("add", "--all")
    try await git("commit", "--quiet", "--message", subject)
  }

  /// Pushes main to the embedded remote; the output is what the person who pushes reads.
  func push() async throws -> Output {
    try await run(["git", "push", "\(state)/remote.git", "main"], in: repository)
  }

  // MARK: The daemon

  /// Starts the daemon, with the embedded remote as the only source if no other is named, and waits
  /// until it answers.
  func start(
    source: String? = nil, arguments: [String] = [], variables: [String: String] = [:]
  ) async throws {
    let process = Process()
    process.executableURL = URL(filePath: segue)
    process.arguments =
      [
        "serve", "--state", state, "--source", source ?? "\(state)/remote.git", "--listen",
        "127.0.0.1:\(port)",
      ] + arguments
    process.environment = environment.merging(variables) { _, new in new }
    process.currentDirectoryURL = URL(filePath: root)
    let log = root + "/serve.log"
    if !FileManager.default.fileExists(atPath: log) {
      _ = FileManager.default.createFile(atPath: log, contents: nil)
    }
    let handle = try #require(FileHandle(forWritingAtPath: log))
    try handle.seekToEnd()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handle
    process.standardError = handle
    try process.run()
    daemon = process
    try await until("the daemon answers", deadline: .seconds(60)) {
      if !process.isRunning { throw Failure("the daemon ended: \(self.daemonLog)") }
      return try await self.cli("status").status <= 1
    }
  }

  var daemonLog: String {
    (try? String(contentsOfFile: root + "/serve.log", encoding: .utf8)) ?? ""
  }

  var daemonPID: Int32 { daemon?.processIdentifier ?? 0 }

  /// kill -9, as the kernel's out-of-memory killer would.
  func killDaemon() async throws {
    let process = try #require(daemon)
    kill(process.processIdentifier, SIGKILL)
    try await until("the daemon is gone", deadline: .seconds(30)) { !process.isRunning }
  }

  /// SIGTERM, as a service manager stops a service; returns the exit status.
  func stopDaemon() async throws -> Int32 {
    let process = try #require(daemon)
    process.terminate()
    try await until("the daemon has stopped", deadline: .seconds(30)) { !process.isRunning }
    return process.terminationStatus
  }

  /// Puts the state directory on a file system of its own with so much room.
  func mountState(megabytes: Int) async throws {
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    let mount = try await run(
      ["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m,mode=700", "segue-test", state])
    guard mount.status == 0 else { throw Failure("mount: \(mount.all)") }
    hasMount = true
  }

  /// Stops the daemon, the proxy and every instance, and removes the directory.
  func tearDown() async {
    let down = try? await run([segue, "down", "--state", state])
    if down?.status != 0, let daemon, daemon.isRunning { kill(daemon.processIdentifier, SIGKILL) }
    if daemon != nil, down?.status != 0 { Issue.record("segue down failed: \(down?.all ?? "")") }
    if hasMount { _ = try? await run(["umount", "--lazy", state]) }
    try? FileManager.default.removeItem(atPath: root)
  }

  static let loadConnections = 4

  func load(
    connections: Int = loadConnections, postShare: Int = 30, postPath: String? = nil,
    rate: Int = 400
  ) throws -> LoadRun {
    let run = try LoadRun(
      LoadPlan(
        url: url + "/", postPath: postPath, connections: connections, postShare: postShare,
        rate: rate, duration: .seconds(600), timeout: .seconds(20)))
    try run.start()
    return run
  }
}

struct Failure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// Asks again until the condition holds; throws when the deadline passes first.
func until(
  _ what: String, deadline: Duration, _ condition: () async throws -> Bool
) async throws {
  let clock = ContinuousClock()
  let end = clock.now + deadline
  while true {
    if try await condition() { return }
    guard clock.now < end else { throw Failure("not within \(deadline): \(what)") }
    try await Task.sleep(for: .milliseconds(20))
  }
}

/// Runs a test's body and tears down what it built, whether it passes or throws.
func withInstallation(_ body: (Installation) async throws -> Void) async throws {
  let installation = try Installation()
  do {
    try await body(installation)
  } catch {
    print("--- daemon's log\n\(installation.daemonLog)\n---")
    await installation.tearDown()
    throw error
  }
  await installation.tearDown()
}
