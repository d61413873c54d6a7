import Foundation
import Ports
import SegueModel
import Synchronization
import Testing

@testable import PipelineRunner

/// A directory that is gone after the test.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory.appending(
        path: "segue-test-\(UUID().uuidString.prefix(8))"
      ).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileTree.remove(path) }

  func write(_ text: String, to name: String, mode: Int = 0o644) throws {
    let path = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: FileTree.parent(of: path), withIntermediateDirectories: true)
    try FileTree.replace(path, with: Array(text.utf8), mode: mode_t(mode))
  }
}

func text(of path: String) -> String? {
  SmallFile.read(path, limit: 64 << 20).map { String(decoding: $0, as: UTF8.self) }
}

/// Runs a shell script and returns what it printed; a failure is a failure of the test.
@discardableResult
func shell(
  _ script: String, in directory: String, environment: [String: String] = [:]
) async throws -> String {
  let collected = Mutex<[UInt8]>([])
  let ending = try await ChildProcess.run(
    ChildRequest(
      executable: "/bin/sh", arguments: ["-ec", script],
      environment: testEnvironment.merging(environment) { $1 }, directory: directory,
      mergesError: true, deadline: .seconds(120))
  ) { bytes, _ in collected.withLock { $0 += bytes } }
  let output = collected.withLock { String(decoding: $0, as: UTF8.self) }
  guard ending.status == .exited(0) else {
    throw ScriptFailure(script: script, output: output)
  }
  return output
}

struct ScriptFailure: Error { var script: String, output: String }

/// Nothing of the machine's own configuration of git reaches a test.
let testEnvironment: [String: String] = [
  "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
  "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "Ana", "GIT_AUTHOR_EMAIL": "ana@example.com",
  "GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": "ana@example.com",
]

/// Waits until something holds.
func eventually(
  within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws -> Bool {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if try await condition() { return true }
    try await Task.sleep(for: .milliseconds(20))
  }
  return try await condition()
}

/// Whether a process runs (a zombie does not).
func isRunning(_ pid: Int32) -> Bool { ProcessEntry(pid: pid).map { !$0.hasEnded } ?? false }

struct FixedSecrets: SecretSource {
  var values: [String: String] = [:]
  func value(of name: String) throws(PortError) -> Secret? { values[name].map { Secret($0) } }
}

/// A source whose every commit holds the same few files.
struct FolderSource: Source {
  var files: [String: String] = [:]

  func refresh() async throws(PortError) {}
  func head(of branch: String) async throws(PortError) -> Commit? { nil }
  func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String] { [] }
  func resolve(_ revision: String) async throws(PortError) -> Commit {
    throw PortError("not here", fault: .user, retry: .never)
  }
  func file(
    _ path: String, at commit: CommitID, limit: Int
  ) async throws(PortError) -> [UInt8]? { nil }
  func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin] { [] }
  func checkOut(_ commit: CommitID, into directory: String) async throws(PortError) {
    try FileTree.makeDirectory(directory)
    for (name, text) in files.sorted(by: { $0.key < $1.key }) {
      try FileTree.makeDirectory(FileTree.parent(of: "\(directory)/\(name)"))
      try FileTree.replace("\(directory)/\(name)", with: Array(text.utf8))
    }
  }
}

/// What a pipeline told, in order.
final class Recorder: Sendable {
  private let progress = Mutex<[StepProgress]>([])
  var all: [StepProgress] { progress.withLock { $0 } }
  func record(_ step: StepProgress) { progress.withLock { $0.append(step) } }

  func lines(of step: StepName) -> [String] {
    all.flatMap { if case .output(step, let lines) = $0 { lines } else { [String]() } }
  }
}

/// Runs pipelines in a directory of its own.
struct Bench {
  let directory: TemporaryDirectory
  let recorder = Recorder()
  var source: any Source = FolderSource()
  var secrets = FixedSecrets()
  var parallelism = 2
  var grace = Milliseconds.seconds(5)
  var bounds = LogFile.Bounds()

  init() throws { directory = try TemporaryDirectory() }

  var state: String { "\(directory.path)/state" }
  var checkout: String { "\(directory.path)/checkout" }

  var executor: LocalPipelineExecutor {
    LocalPipelineExecutor(
      source: source, secrets: secrets, stateDirectory: state, environment: testEnvironment,
      parallelism: parallelism, grace: grace, logBounds: bounds)
  }

  func pipeline(_ steps: [StepSpec], passed: [StepName] = [], id: PipelineID = "p-1") -> PipelineRun
  {
    PipelineRun(
      id: id,
      commit: Commit(
        id: CommitID(String(repeating: "a", count: 40)), subject: "s", author: "a", height: 1),
      spec: ProjectSpec(project: "shop", pipeline: steps, services: []), directory: checkout,
      logDirectory: "\(directory.path)/logs", passed: passed)
  }

  @discardableResult
  func run(_ steps: StepSpec...) async throws -> PipelineResult { try await run(pipeline(steps)) }

  func run(_ run: PipelineRun) async throws -> PipelineResult {
    let recorder = recorder
    return try await executor.execute(run) { recorder.record($0) }
  }

  func log(_ step: StepName) -> String { text(of: "\(directory.path)/logs/\(step).log") ?? "" }
}

extension PipelineResult {
  var allPassed: Bool { steps.values.allSatisfy { $0.passed } }
}
