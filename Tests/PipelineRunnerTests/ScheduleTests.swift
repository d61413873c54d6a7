import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

@Suite struct ScheduleTests {
  /// Each of the two waits for the other, so they pass only if they run at the same time.
  @Test func stepsRunSideBySide() async throws {
    let bench = try Bench()
    let wait = "until test -e"
    let result = try await bench.run(
      StepSpec(name: "a", run: "touch a; \(wait) b; do :; done", timeout: .seconds(60)),
      StepSpec(name: "b", run: "touch b; \(wait) a; do :; done", timeout: .seconds(60)))
    #expect(result.allPassed)
  }

  @Test func noMoreStepsRunThanAllowed() async throws {
    var bench = try Bench()
    bench.parallelism = 1
    let alone = "mkdir lock; rmdir lock"
    let result = try await bench.run(
      StepSpec(name: "a", run: alone), StepSpec(name: "b", run: alone),
      StepSpec(name: "c", run: alone))
    #expect(result.allPassed)
    let order = bench.recorder.all.compactMap {
      switch $0 {
      case .started(let name): "+\(name)"
      case .finished(let name, _): "-\(name)"
      case .output: nil
      }
    }
    #expect(order == ["+a", "-a", "+b", "-b", "+c", "-c"])
  }

  @Test func needsComeFirstAndFailuresSkipWhatNeedsThem() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(name: "last", run: "test -e built && touch ran-last", needs: ["build"]),
      StepSpec(name: "build", run: "touch built"),
      StepSpec(name: "broken", run: "exit 7"),
      StepSpec(name: "after", run: "touch ran-after", needs: ["broken"]),
      StepSpec(name: "later", run: "touch ran-later", needs: ["after", "build"]))
    #expect(result.steps["last"]?.outcome == .passed)
    #expect(result.steps["broken"]?.outcome == .failed(status: 7))
    #expect(result.steps["after"]?.outcome == .skipped)
    #expect(result.steps["later"]?.outcome == .skipped)
    #expect(access("\(bench.checkout)/ran-after", F_OK) != 0)
    #expect(access("\(bench.checkout)/ran-later", F_OK) != 0)
    let skipped = StepResult(outcome: .skipped, took: .zero)
    #expect(bench.recorder.all.contains(.finished("after", skipped)))
    #expect(!bench.recorder.all.contains(.started("after")))
  }

  @Test func stepsThatPassedBeforeARestartAreNotRunAgain() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      bench.pipeline(
        [
          StepSpec(name: "build", run: "touch built"),
          StepSpec(name: "test", run: "touch tested", needs: ["build"]),
        ], passed: ["build"]))
    #expect(result.allPassed && result.steps.count == 2)
    #expect(access("\(bench.checkout)/built", F_OK) != 0)
    #expect(access("\(bench.checkout)/tested", F_OK) == 0)
  }

  @Test func aCircleIsAnErrorNotAHang() async throws {
    let bench = try Bench()
    let error = await #expect(throws: PortError.self) {
      try await bench.run(
        StepSpec(name: "a", run: "true", needs: ["b"]),
        StepSpec(name: "b", run: "true", needs: ["a"]))
    }
    #expect(error?.what == "steps wait for one another: a, b")
  }

  @Test func whatCannotBeRecordedDoesNotStart() async throws {
    let bench = try Bench()
    struct Full: Error {}
    let error = await #expect(throws: PortError.self) {
      try await bench.executor.execute(bench.pipeline([StepSpec(name: "a", run: "touch ran")])) {
        if case .started = $0 { throw Full() }
      }
    }
    #expect(error?.fault == .segue)
    #expect(access("\(bench.checkout)/ran", F_OK) != 0)
  }

  @Test func aDirectoryOfAnotherCommitIsRefused() async throws {
    let bench = try Bench()
    try await shell(
      "mkdir checkout; cd checkout; git init -q; git commit -q --allow-empty -m x",
      in: bench.directory.path)
    let error = await #expect(throws: PortError.self) {
      try await bench.run(StepSpec(name: "a", run: "true"))
    }
    #expect(error?.what.contains("not commit aaaaaaaaaaaa") == true)
    // Of the right one, it is gone on with as it is.
    try await shell("touch checkout/kept", in: bench.directory.path)
    let id = try await shell("git rev-parse HEAD", in: bench.checkout)
    var run = bench.pipeline([StepSpec(name: "a", run: "test -e kept")])
    run.commit.id = CommitID(id.trimmingCharacters(in: .newlines))
    #expect(try await bench.run(run).steps["a"]?.outcome == .passed)
  }

  @Test func cachesAreKeptFromRunToRun() async throws {
    let bench = try Bench()
    let step = StepSpec(
      name: "build",
      run: "mkdir -p deps/sub; echo x >> deps/sub/count; chmod 500 deps/sub; ln -s sub deps/link",
      cache: ["deps", "../outside", "missing"])
    try await bench.run(step)
    #expect(bench.log("build").contains("cache ../outside: not a directory within the checkout"))
    try FileTree.remove(bench.checkout)
    let second = StepSpec(
      name: "build", run: "test -L deps/link; cat deps/sub/count", cache: ["deps"])
    let result = try await bench.run(second)
    #expect(result.steps["build"]?.outcome == .passed)
    #expect(bench.log("build") == "x\n")
  }

  @Test func aFailedStepDoesNotReplaceItsCache() async throws {
    let bench = try Bench()
    try await bench.run(
      StepSpec(name: "build", run: "mkdir deps; echo good > deps/x", cache: ["deps"]))
    try FileTree.remove(bench.checkout)
    try await bench.run(
      StepSpec(name: "build", run: "echo bad > deps/x; false", cache: ["deps"]))
    try FileTree.remove(bench.checkout)
    try await bench.run(StepSpec(name: "build", run: "cat deps/x", cache: ["deps"]))
    #expect(bench.log("build") == "good\n")
  }
}
