import ControlClient
import ControlProtocol
import Foundation
import Glibc
import LoadGenerator
import SegueModel
import Testing

/// Real processes, the real proxy and a steady load, and in the middle of a rollout somebody pulls a
/// plug: each fault in a phase of each strategy. `SEGUE_CHAOS=full` strikes in every phase
/// (`make chaos`); otherwise each strategy meets each fault in one of them.
@Suite(.serialized) struct ChaosTests {
  /// What strikes.
  enum Fault: String, CaseIterable {
    case killControlPlane, stopControlPlane, killProxy, killOldInstance, killNewInstance
    case stopOldInstance, stopNewInstance
    /// Needs root, to mount the small disk that can be filled.
    case fillDisk

    static let possible = allCases.filter { $0 != .fillDisk || geteuid() == 0 }
  }

  /// When it strikes: right after the feed told of this.
  enum Moment: String, CaseIterable {
    case starting = "instanceOrdered"
    case ready = "instanceBecameReady"
    case shifted = "tableAcknowledged"
    case held = "holdBegan"
    case retired = "instanceStopped"
  }

  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var strategy: String
    var holds = false
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "rolling", strategy: "rolling"),
    Case(name: "blue-green", strategy: "{ blue-green: { keep-old: 100ms } }"),
    Case(name: "canary", strategy: "{ canary: { steps: [10%, 50%], hold: 500ms } }", holds: true),
    Case(name: "ab", strategy: "{ ab: { share: 50%, hold: 1s } }", holds: true),
    Case(name: "shadow", strategy: "{ shadow: { hold: 1s } }", holds: true),
    Case(name: "recreate", strategy: "recreate"),
  ]

  @Test(arguments: cases)
  func aFaultInAnyPhaseLosesOnlyWhatWasInItsHands(_ strategy: Case) async throws {
    try await withInstallation { segue in
      if geteuid() == 0 { try await segue.mountState(megabytes: 256) }
      try await segue.makeRepository(Self.app(version: 0, strategy.strategy))
      try await segue.start()
      _ = try await segue.push()
      let load = try segue.load()
      let isFull = ProcessInfo.processInfo.environment["SEGUE_CHAOS"] == "full"
      let moments = Moment.allCases.filter { $0 != .held || strategy.holds }
      var version = 0
      for (index, fault) in Fault.possible.enumerated() {
        let chosen = isFull ? moments : [moments[(index + strategy.name.count) % moments.count]]
        for moment in chosen {
          version += 1
          let round = Round(
            segue: segue, load: load, fault: fault, moment: moment, strategy: strategy,
            version: version)
          try await round.run()
        }
      }
      let report = await load.stop()
      #expect(report.requests > 500)
      #expect(!report.failureKinds.contains { $0.kind == .duplicate }, "nothing was done twice")
    }
  }

  /// The tiny application with time to boot, so that there is a middle of a start to strike in.
  static func app(version: Int, _ strategy: String) -> [String: String] {
    var files = CommitToLiveTests.app(version: "\(version)")
    files["segue.yaml"]?.replace(
      "    deadlines: { ready: 4s }",
      with: "    deadlines: { ready: 6s }\n    strategy: \(strategy)")
    files["app.py"]?.replace(
      "server = http.server", with: "import time; time.sleep(0.3)\nserver = http.server")
    return files
  }

  /// One rollout, and one fault in the middle of it.
  struct Round {
    let segue: Installation
    let load: LoadRun
    let fault: Fault
    let moment: Moment
    let strategy: Case
    let version: Int

    var name: String { "\(strategy.name): \(fault.rawValue) at \(moment.rawValue)" }

    func run() async throws {
      let began = ContinuousClock.now
      let before = load.snapshot()
      let status = try await segue.decode(StatusReply.self, "status")
      let old = try #require(status.services.first?.live?.id)
      try await commit()
      try await awaitMoment(after: status.sequence)
      let heal = try await strike(old: old)
      let struckAt = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
      try await heal()
      try await settle()
      try await judge(failedBefore: before.failed, struckAt: struckAt)
      let failed = load.snapshot().failed - before.failed
      print("chaos: \(name): \(failed) failed, \(ContinuousClock.now - began)")
    }

    /// Commits and moves the branch as a push does, without the hook that would wait.
    private func commit() async throws {
      try await segue.commit(
        "Version \(version)", ChaosTests.app(version: version, strategy.strategy))
      try await segue.git(
        "push", "--quiet", "\(segue.state)/remote.git", "main:refs/heads/staged")
      _ = try await segue.run([
        "git", "--git-dir", "\(segue.state)/remote.git", "update-ref", "refs/heads/main", "staged",
      ])
    }

    private func awaitMoment(after sequence: Int64) async throws {
      let wanted = moment.rawValue
      let seen = try await within(.seconds(60)) {
        try await ControlClient.with(socketPath: "\(segue.state)/control.sock") { client in
          for try await item in client.feed(after: sequence, follow: true, commit: nil)
          where item.kind == wanted || item.kind == "rolloutEnded" {
            return true
          }
          return false
        }
      }
      #expect(seen == true, "\(name): the moment never came")
    }

    /// Pulls the plug; returns what puts it back.
    private func strike(old: ReleaseID) async throws -> () async throws -> Void {
      switch fault {
      case .killControlPlane:
        try await segue.killDaemon()
        return { try await segue.start() }
      case .stopControlPlane:
        let pid = segue.daemonPID
        kill(pid, SIGSTOP)
        return { try await ChaosTests.proceed(pid) }
      case .killProxy:
        if let pid = try await segue.decode(StatusReply.self, "status").proxy.pid {
          kill(pid, SIGKILL)
        }
        return {}
      case .killOldInstance, .killNewInstance:
        if let pid = try await instance(isOld: fault == .killOldInstance, old: old) {
          kill(pid, SIGKILL)
        }
        return {}
      case .stopOldInstance, .stopNewInstance:
        guard let pid = try await instance(isOld: fault == .stopOldInstance, old: old) else {
          return {}
        }
        kill(pid, SIGSTOP)
        return { try await ChaosTests.proceed(pid) }
      case .fillDisk:
        let filler = segue.state + "/filler"
        try DiskFullTests.fill(filler)
        return {
          try await ChaosTests.lastAWhile()
          try FileManager.default.removeItem(atPath: filler)
        }
      }
    }

    private func instance(isOld: Bool, old: ReleaseID) async throws -> Int32? {
      let instances = try await segue.decode(StatusReply.self, "status").services.first?.instances
      return instances?.first { ($0.release == old) == isOld && $0.pid != nil }?.pid
    }

    private func settle() async throws {
      try await until("\(name): it settles", deadline: .seconds(90)) {
        let status = try await segue.decode(StatusReply.self, "status")
        guard let web = status.services.first, web.rollout == nil,
          status.pipeline?.state != .running
        else { return false }
        let head = try await segue.git("rev-parse", "HEAD").standardOutput
          .trimmingCharacters(in: .whitespacesAndNewlines)
        let entry = try await segue.decode([HistoryEntry].self, "history").first
        return entry?.commit.rawValue == head && web.instances.count == 2
          && web.instances.allSatisfy { $0.phase == "ready" && $0.release == web.live?.id }
      }
    }

    /// What the fault may have cost: nothing while another instance could answer, else what was in
    /// flight on the process that was killed.
    private func judge(failedBefore: Int, struckAt: Instant) async throws {
      let report = load.snapshot()
      let failed = report.failed - failedBefore
      let outcome = try await segue.decode(Receipt.self, "receipt")
      switch fault {
      case .killControlPlane, .stopControlPlane, .stopOldInstance, .stopNewInstance, .fillDisk:
        #expect(failed == 0, "\(name): \(report.failures.suffix(failed))")
      case .killProxy:
        #expect(
          failed <= Installation.loadConnections, "\(name): \(report.failures.suffix(failed))")
        #expect(
          !report.failures.contains { $0.kind == .refused },
          "\(name): new connections wait for the next proxy: \(report.failures)")
      case .killOldInstance, .killNewInstance:
        // A POST that the killed process had in its hands is answered 502, because nobody can know.
        let counted = outcome.traffic.reduce(0) { $0 + Int($1.failed) }
        #expect(
          failed <= Installation.loadConnections, "\(name): \(report.failures.suffix(failed))")
        // A rollout that was over by then has nothing to do with it.
        if failed > 0, outcome.endedAt > struckAt + Milliseconds(300) {
          #expect(counted >= failed, "\(name): the receipt counts them: \(outcome.traffic)")
        }
      }
    }
  }

  /// SIGCONT after a while, in which health checks and deadlines went on. The process may be gone.
  private static func proceed(_ pid: Int32) async throws {
    try await lastAWhile()
    kill(pid, SIGCONT)
  }

  private static func lastAWhile() async throws {
    // pause: the fault is that nothing moves for this long.
    try await Task.sleep(for: .milliseconds(1_500))
  }
}

/// Runs `body`, but not for longer than this.
func within<Value: Sendable>(
  _ deadline: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
  try await withThrowingTaskGroup(of: Value?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: deadline)
      return nil
    }
    defer { group.cancelAll() }
    return try await group.next() ?? nil
  }
}
