import Foundation
import Glibc
import Logging
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

@Suite struct MigrationTests {
  private func runner(_ fixture: Fixture, secrets: [String: String] = [:]) throws
    -> ProcessMigrationRunner
  {
    try ProcessMigrationRunner(
      stateDirectory: fixture.directory + "/state", secrets: FixedSecrets(values: secrets),
      time: WallClock(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  private func run(
    _ command: String, in fixture: Fixture, secrets: [String] = [],
    timeout: Milliseconds = .minutes(5)
  ) -> MigrationRun {
    MigrationRun(
      key: Fixture.key, release: "r-0123456789abcdef", step: .expand, attempt: 1,
      directory: fixture.release, command: command, environment: ["TABLE": "orders"],
      secrets: secrets, timeout: timeout)
  }

  private func files(_ run: MigrationRun, in fixture: Fixture) throws -> MigrationFiles {
    try MigrationStore(stateDirectory: fixture.directory + "/state").files(of: run.id)
  }

  /// The processes of a run that still live.
  private func members(_ run: MigrationRun, in fixture: Fixture) throws -> [ProcessStatus] {
    let log = try files(run, in: fixture).log
    return InstanceMarks(environment: [:], outputPath: log.path).members()
  }

  @Test func succeedsOnceAndSaysSoAgain() async throws {
    try await Fixture.with { fixture in
      let run = run("echo \"adding to $TABLE in $SEGUE_ENVIRONMENT\"; echo x >>ledger", in: fixture)
      let first = try await runner(fixture).run(run)
      #expect(first.outcome == .succeeded)
      #expect(first.output == ["adding to orders in production"])
      let again = try await runner(fixture).run(run)
      #expect(again == first)
      #expect(fixture.read("ledger") == "x\n")
    }
  }

  @Test func failsWithItsOutput() async throws {
    try await Fixture.with { fixture in
      let run = run("echo begin; false; echo never", in: fixture)
      let report = try await runner(fixture).run(run)
      #expect(report.outcome == .failed("exited with status 1"))
      #expect(report.output == ["begin"])
    }
  }

  @Test func whatTakesTooLongIsEndedWithItsChildren() async throws {
    try await Fixture.with { fixture in
      let run = run(
        "trap '' TERM; sleep 600 & sleep 600", in: fixture, timeout: Milliseconds(500))
      let report = try await runner(fixture).run(run)
      #expect(report.outcome == .failed("took longer than \(run.timeout)"))
      #expect(try members(run, in: fixture).isEmpty)
      #expect(try await runner(fixture).run(run).outcome == report.outcome)
    }
  }

  @Test func twoAtOnceRunItOnce() async throws {
    try await Fixture.with { fixture in
      let run = run("echo x >>ledger; while ! test -e go; do sleep 0.01; done", in: fixture)
      let (one, other) = (try runner(fixture), try runner(fixture))
      async let first = one.run(run)
      async let second = one.run(run)
      async let third = other.run(run)
      _ = try await eventually("it runs") { fixture.read("ledger") }
      try fixture.write("", to: "go")
      for report in try await [first, second, third] { #expect(report.outcome == .succeeded) }
      #expect(fixture.read("ledger") == "x\n")
    }
  }

  /// The first control plane dies while it waits; the next one waits on, or finds how it ended.
  @Test(arguments: [true, false])
  func aSuccessorLearnsHowItEnded(whileItRuns: Bool) async throws {
    try await Fixture.with { fixture in
      let run = run("echo x >>ledger; while ! test -e go; do sleep 0.01; done; exit 3", in: fixture)
      let first = try runner(fixture)
      let waiting = Task { try await first.run(run) }
      _ = try await eventually("it runs") { fixture.read("ledger") }
      waiting.cancel()
      await #expect(throws: PortError.self) { try await waiting.value }
      let files = try files(run, in: fixture)
      if whileItRuns {
        // Also without the record of its process, which may not have been written any more.
        unlink(files.process)
        let successor = try runner(fixture)
        async let report = successor.run(run)
        try fixture.write("", to: "go")
        #expect(try await report.outcome == .failed("exited with status 3"))
      } else {
        try fixture.write("", to: "go")
        _ = try await eventually("it has ended") { files.ending() }
        #expect(try await runner(fixture).run(run).outcome == .failed("exited with status 3"))
      }
      #expect(fixture.read("ledger") == "x\n")
    }
  }

  @Test func oneThatWasKilledIsInterruptedAndNotRunAgain() async throws {
    try await Fixture.with { fixture in
      let run = run("echo x >>ledger; sleep 600", in: fixture)
      let first = try runner(fixture)
      async let report = first.run(run)
      _ = try await eventually("it runs") { fixture.read("ledger") }
      // It may be quicker than the record of its process.
      let files = try files(run, in: fixture)
      let identity = try await eventually("its process is known") { files.identity() }
      kill(identity.pid, SIGKILL)
      guard case .interrupted = try await report.outcome else {
        Issue.record("it is not interrupted")
        return
      }
      #expect(try members(run, in: fixture).isEmpty, "nothing of it goes on unseen")
      guard case .interrupted = try await runner(fixture).run(run).outcome else {
        Issue.record("it is not interrupted any more")
        return
      }
      #expect(fixture.read("ledger") == "x\n")
    }
  }

  @Test func afterARebootItIsInterrupted() async throws {
    try await Fixture.with { fixture in
      let run = run("echo x >>ledger", in: fixture)
      let files = try files(run, in: fixture)
      try files.save(MigrationRecord(run: run, begunAt: WallClock().now(), bootID: "another"))
      try BlockingFile.makeDirectory(files.started)
      let report = try await runner(fixture).run(run)
      #expect(report.outcome == .interrupted("the machine went down while it ran"))
      #expect(fixture.read("ledger") == nil)
    }
  }

  /// Segue died between writing down that it begins and starting it.
  @Test func oneThatWasAnnouncedAndNeverBeganIsStarted() async throws {
    try await Fixture.with { fixture in
      let run = run("echo x >>ledger", in: fixture)
      let files = try files(run, in: fixture)
      try files.save(MigrationRecord(run: run, begunAt: WallClock().now(), bootID: "another"))
      #expect(try await runner(fixture).run(run).outcome == .succeeded)
      #expect(fixture.read("ledger") == "x\n")
    }
  }

  @Test func secretsAreMasked() async throws {
    try await Fixture.with { fixture in
      let run = run("echo \"using $DATABASE_URL\"; exit 1", in: fixture, secrets: ["DATABASE_URL"])
      let report = try await runner(fixture, secrets: ["DATABASE_URL": "postgres://u:pw@h"])
        .run(run)
      #expect(report.output == ["using ***"])
      let missing = try await runner(fixture).run(run)
      #expect(missing.output.first?.contains("not shown") == true)
    }
  }

  @Test func aMissingSecretStartsNothing() async throws {
    try await Fixture.with { fixture in
      let run = run("echo x >>ledger", in: fixture, secrets: ["DATABASE_URL"])
      let runner = try runner(fixture)
      let error = await #expect(throws: PortError.self) { try await runner.run(run) }
      #expect(error?.retry == .never)
      #expect(fixture.read("ledger") == nil)
      #expect(try files(run, in: fixture).record() == nil)
    }
  }

  @Test func aDirectoryThatCannotBeMarkedIsAnErrorAndNotALoop() async throws {
    try await Fixture.with { fixture in
      let run = run("echo x >>ledger", in: fixture)
      let files = try files(run, in: fixture)
      try BlockingFile.makeDirectory(files.directory)
      // A file where its process is to make a directory: it cannot say that it begins.
      try BlockingFile.replace(files.started, with: [])
      let runner = try runner(fixture)
      let error = await #expect(throws: PortError.self) { try await runner.run(run) }
      #expect(error?.what.contains("cannot begin") == true)
      #expect(fixture.read("ledger") == nil)
    }
  }

  @Test func oldRecordsGo() async throws {
    try await Fixture.with { fixture in
      let store = try MigrationStore(stateDirectory: fixture.directory + "/state")
      for number in 1...(ProcessMigrationRunner.kept + 3) {
        var run = run("true", in: fixture)
        run.attempt = number
        try store.files(of: run.id).save(
          MigrationRecord(
            run: run, begunAt: Instant(milliseconds: Int64(number)), bootID: "another"))
      }
      try await runner(fixture).maintain()
      let left = store.records().map(\.record.run.attempt)
      #expect(left.count == ProcessMigrationRunner.kept)
      #expect(left.last == 4)
    }
  }
}
