import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

@Suite struct StepTests {
  @Test func keepsOutputInOrderAndSaysHowItEnded() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(name: "ok", run: "echo one; echo two >&2; echo three; printf four"),
      StepSpec(name: "bad", run: "echo why; false; echo never"),
      StepSpec(name: "dead", run: "kill -9 $$"))
    #expect(bench.log("ok") == "one\ntwo\nthree\nfour\n")
    #expect(bench.recorder.lines(of: "ok") == ["one", "two", "three", "four"])
    #expect(result.steps["ok"]?.outcome == .passed)
    #expect(result.steps["bad"]?.outcome == .failed(status: 1))
    #expect(result.steps["bad"]?.tail == ["why"])
    #expect(result.steps["dead"]?.outcome == .killed(signal: 9))
  }

  @Test func givesACleanEnvironment() async throws {
    setenv("SEGUE_TEST_LEAK", "leaked", 1)
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(
        name: "env",
        run:
          "env; test -d \"$TMPDIR\"; touch \"$TMPDIR/x\"; ! read line; pwd; ps -o sid= -p $$ || :",
        environment: ["MODE": "fast", "SEGUE_STEP": "forged"]))
    #expect(result.steps["env"]?.outcome == .passed)
    let lines = bench.log("env").split(separator: "\n").map(String.init)
    #expect(lines.contains("MODE=fast"))
    #expect(lines.contains("CI=true"))
    #expect(lines.contains("SEGUE_STEP=env"))
    #expect(lines.contains("SEGUE_PROJECT=shop"))
    #expect(lines.contains("SEGUE_BRANCH=main"))
    #expect(lines.contains("SEGUE_PIPELINE=p-1"))
    #expect(lines.contains(bench.checkout))
    #expect(!bench.log("env").contains("leaked"))
    let known: Set = [
      "PATH", "HOME", "LANG", "CI", "SHELL", "MODE", "TMPDIR", "PWD", "_", "SHLVL", "OLDPWD",
    ]
    let names = lines.filter { $0.contains("=") }.map { String($0.prefix { $0 != "=" }) }
    #expect(names.allSatisfy { known.contains($0) || $0.hasPrefix("SEGUE_") }, "\(names)")
    #expect(access("\(bench.state)/tmp/p-1/env", F_OK) != 0)
  }

  /// What serves requests on the same machine goes first.
  @Test func stepsBackBehindWhatServes() async throws {
    let bench = try Bench()
    try await bench.run(StepSpec(name: "nice", run: "cut -d ' ' -f 19 /proc/self/stat"))
    let own = getpriority(__priority_which_t(0), 0)
    #expect(bench.log("nice") == "\(min(own + 10, 19))\n")
  }

  @Test func passesNoDescriptorsOn() async throws {
    let held = open("/dev/null", O_RDONLY)
    defer { close(held) }
    let bench = try Bench()
    try await bench.run(
      StepSpec(name: "fds", run: "for f in /proc/$$/fd/*; do echo ${f##*/}; done"))
    let numbers = bench.log("fds").split(separator: "\n").compactMap { Int($0) }
    // The shell itself may hold one on the directory that it lists.
    #expect(numbers.filter { $0 > 2 && $0 != 255 }.count <= 1, "\(numbers)")
    #expect(numbers.contains(0) && numbers.contains(1) && numbers.contains(2))
  }

  @Test func refusesAStepWithoutItsSecretBeforeItStarts() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(name: "push", run: "touch ran", secrets: ["TOKEN"]))
    guard case .refused(let why)? = result.steps["push"]?.outcome else {
      Issue.record("not refused")
      return
    }
    #expect(why.contains("there is no secret TOKEN"))
    #expect(access("\(bench.checkout)/ran", F_OK) != 0)
  }

  @Test func masksSecretsAlsoWhenTheyArriveInPieces() async throws {
    var bench = try Bench()
    bench.secrets.values = ["TOKEN": "s3cret-value", "KEY": "line-one\nline-two", "PIN": "12"]
    let result = try await bench.run(
      StepSpec(
        name: "leak",
        run: """
          printf 's3cr'; sync; printf 'et-value\\n'
          echo "$KEY"; echo "x${TOKEN}y"
          printf 'user:%s' "$TOKEN" | base64
          printf s3cr; echo
          exit 3
          """, secrets: ["TOKEN", "KEY", "PIN"]))
    let log = bench.log("leak")
    #expect(!log.contains("s3cret-value") && !log.contains("line-one") && !log.contains("line-two"))
    #expect(log.contains("x***y"))
    #expect(log.contains("s3cr\n"))
    #expect(log.contains("the secret PIN is too short to be masked"))
    #expect(!log.contains(Data("user:s3cret-value".utf8).base64EncodedString()))
    #expect(!bench.recorder.lines(of: "leak").joined().contains("s3cret-value"))
    #expect(result.steps["leak"]?.tail.joined().contains("s3cret-value") == false)
  }

  @Test func endsAStepThatTakesTooLong() async throws {
    var bench = try Bench()
    bench.grace = Milliseconds(200)
    let result = try await bench.run(
      StepSpec(
        name: "slow",
        run:
          "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; sleep 600 & wait' & echo $$ > self; wait; while :; do sleep 600; done",
        timeout: Milliseconds(700)))
    #expect(result.steps["slow"]?.outcome == .timedOut)
    #expect(bench.log("slow").contains("ended after 700 ms, the timeout of this step"))
    for name in ["self", "child"] {
      let pid = try #require(pidWritten(to: "\(bench.checkout)/\(name)"))
      #expect(!isRunning(pid))
    }
  }

  @Test func endsWhatForksAwayWithASessionOfItsOwn() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(
        name: "fork",
        run: """
          setsid sh -c 'echo $$ > away; exec sleep 600' > /dev/null 2>&1 &
          sh -c 'echo $$ > near; exec sleep 600' &
          until test -s away && test -s near; do :; done
          """))
    #expect(result.steps["fork"]?.outcome == .passed)
    #expect(bench.log("fork").contains("2 processes still ran"))
    for name in ["away", "near"] {
      let pid = try #require(pidWritten(to: "\(bench.checkout)/\(name)"))
      #expect(!isRunning(pid))
    }
  }

  /// A process without the mark, in another session, that holds the step's output open.
  @Test func doesNotWaitForAStrangerThatHoldsItsOutput() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(
        name: "held",
        run: """
          echo before
          setsid env -i sh -c 'echo $$ > stranger; exec sleep 600' &
          until test -s stranger; do :; done
          """))
    let stranger = try #require(pidWritten(to: "\(bench.checkout)/stranger"))
    defer { kill(stranger, SIGKILL) }
    #expect(result.steps["held"]?.outcome == .passed)
    #expect(bench.log("held").contains("before"))
  }

  @Test func cancellationEndsTheWholeGroup() async throws {
    let bench = try Bench()
    let run = bench.pipeline([
      StepSpec(name: "long", run: "sh -c 'echo $$ > child; exec sleep 600' & echo $$ > self; wait"),
      StepSpec(name: "next", run: "true", needs: ["long"]),
    ])
    let executor = bench.executor
    let recorder = bench.recorder
    let task = Task { try await executor.execute(run) { recorder.record($0) } }
    let names = ["self", "child"].map { "\(bench.checkout)/\($0)" }
    #expect(try await eventually { names.allSatisfy { pidWritten(to: $0) != nil } })
    task.cancel()
    let result = try await task.value
    #expect(result.steps["long"]?.outcome == .cancelled)
    #expect(result.steps["next"]?.outcome == .cancelled)
    for name in names { #expect(!isRunning(try #require(pidWritten(to: name)))) }
  }

  @Test func endsWhatACrashedDaemonLeft() async throws {
    let bench = try Bench()
    let other = try Bench()
    func start(_ bench: Bench, _ id: PipelineID) async throws -> Int32 {
      let mark = bench.executor.mark(of: id).split(separator: "=", maxSplits: 1)
      try await shell(
        "setsid sh -c 'echo $$ > pid; exec sleep 600' > /dev/null 2>&1 & until test -s pid; do :; done",
        in: bench.directory.path, environment: [String(mark[0]): mark[1] + "build#1"])
      return try #require(pidWritten(to: "\(bench.directory.path)/pid"))
    }
    let mine = try await start(bench, "p-1")
    let theirs = try await start(other, "p-1")
    defer { for pid in [mine, theirs] where isRunning(pid) { kill(pid, SIGKILL) } }
    await bench.executor.endLeftovers(of: "p-2")
    #expect(isRunning(mine))
    await bench.executor.endLeftovers(of: "p-1")
    #expect(!isRunning(mine))
    #expect(isRunning(theirs), "it belongs to another state directory")
  }

  @Test func aStepThatPrintsALotIsBoundedAndNotHeldUp() async throws {
    let bench = try Bench()
    let result = try await bench.run(
      StepSpec(
        name: "loud",
        run: "echo first; head -c 200000000 /dev/zero | tr '\\0' 'x' ; echo; echo last"),
      StepSpec(name: "lines", run: "echo first; yes | head -c 100000000; echo last"))
    for step in ["loud", "lines"] as [StepName] {
      #expect(result.steps[step]?.outcome == .passed)
      let log = bench.log(step)
      #expect(log.hasPrefix("first\n"))
      #expect(log.hasSuffix("last\n"))
      #expect(log.contains("bytes left out …]"))
      #expect(log.utf8.count <= 16 << 20)
      #expect(log.utf8.count >= 8 << 20)
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(bench.directory.path)/logs")
    #expect(names.sorted() == ["lines.log", "loud.log"])
  }

  @Test func aSlowWatcherDoesNotHoldUpAStep() async throws {
    let bench = try Bench()
    let (released, release) = AsyncStream.makeStream(of: Void.self)
    let directory = bench.checkout
    let recorder = bench.recorder
    let executor = bench.executor
    let run = bench.pipeline([
      StepSpec(name: "fast", run: "yes 0123456789 | head -c 20000000; touch ended")
    ])
    let task = Task {
      try await executor.execute(run) { progress in
        recorder.record(progress)
        if case .output = progress { for await _ in released {} }
      }
    }
    // The first lines are not taken yet, and the command ends all the same.
    #expect(try await eventually { access("\(directory)/ended", F_OK) == 0 })
    release.finish()
    #expect(try await task.value.steps["fast"]?.outcome == .passed)
    #expect(recorder.lines(of: "fast").contains { $0.contains("bytes not shown here") })
    #expect(!bench.log("fast").contains("not shown"))
  }

  private func pidWritten(to path: String) -> Int32? {
    text(of: path).flatMap { Int32($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }
}
