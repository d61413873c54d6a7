import ControlProtocol
import Foundation
import SegueModel
import Testing

@testable import Commands

@Suite struct ExitStatusTests {
  @Test(arguments: [
    (ControlError.Kind.invalid, Int32(2)), (.notFound, 2), (.refused, 4), (.failed, 5),
    (.unreachable, 3),
  ])
  func errorsEndCommandsAsDocumented(kind: ControlError.Kind, status: Int32) async throws {
    let error = ControlError(kind, "No.", nextStep: "Do something else")
    for verb in ["status", "history", "receipt", "explain", "deploy", "rollback", "abort"] {
      let plain = try await segue(verb, api: ScriptedAPI(failure: error))
      #expect(plain.status.rawValue == status, "\(verb)")
      #expect(plain.output.isEmpty)
      #expect(plain.errors == "segue: No.\n  next: Do something else\n")
      let json = try await segue(verb, "--json", api: ScriptedAPI(failure: error))
      #expect(json.status.rawValue == status)
      #expect(json.errors.isEmpty)
      let document = try #require(
        try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
      #expect(document["exit"] as? Int == Int(status))
      #expect((document["error"] as? [String: Any])?["kind"] as? String == kind.rawValue)
    }
  }

  @Test(arguments: [
    ["nonsense"], ["status", "--nonsense"], ["history", "--limit", "0"],
    ["logs", "--tail", "-1"], ["logs", "--step", "a", "--service", "b"],
    ["serve", "--listen", "here"], ["serve", "--poll-interval", "2"],
    ["serve", "--poll-interval", "1ms"], ["serve", "--parallel", "0"],
    ["up", "--detach", "--foreground"], ["hook", "update"], ["proxy", "--threads", "0"],
  ])
  func badUsageIsTwo(arguments: [String]) async throws {
    let context = Context(
      composition: RecordingComposition(), environment: ["SEGUE_STATE": "/nowhere"],
      output: open("/dev/null", O_WRONLY), errors: open("/dev/null", O_WRONLY),
      connect: { _, body in try await body(ScriptedAPI()) })
    defer {
      close(context.output)
      close(context.errors)
    }
    #expect(await SegueCommand.run(arguments, in: context) == .usage)
  }

  @Test func helpListsEveryStatusAndIsNoFailure() async throws {
    let help = try await segue("--help")
    #expect(help.status == .success)
    for status in ExitStatus.allCases {
      #expect(help.output.contains("\(status.rawValue)\t\(status.meaning)"))
    }
    #expect(try await segue("--version").output == "\(segueVersion)\n")
    for shell in ["bash", "zsh", "fish"] {
      let script = try await segue("--generate-completion-script", shell)
      #expect(script.status == .success)
      #expect(script.output.contains("rollback"))
    }
  }

  @Test func statusIsOneWhenSomethingNeedsAPerson() async throws {
    #expect(try await segue("status").status == .success)
    let problem = ScriptedAPI(statusReply: { Samples.status(problems: ["Look here"]) })
    let outcome = try await segue("status", api: problem)
    #expect(outcome.status == .negative)
    #expect(outcome.output.contains("! Look here"))
    let down = ScriptedAPI(statusReply: { Samples.status(proxyRuns: false) })
    #expect(try await segue("status", api: down).status == .negative)
  }

  @Test(arguments: [
    (FeedItem.Level.success, ExitStatus.success), (.info, .success), (.warning, .negative),
    (.failure, .negative),
  ])
  func deployEndsAsTheCommitsFateWas(level: FeedItem.Level, status: ExitStatus) async throws {
    let api = ScriptedAPI(
      items: { sequence in
        #expect(sequence == 3)
        return .open([Samples.item(4), Samples.item(5, level, rollout: "R1", final: true)])
      })
    let outcome = try await segue("deploy", api: api)
    #expect(outcome.status == status)
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines.first == "1a2b3c4d5e6f is being built")
    #expect(lines.last?.hasPrefix("receipt 12: ") == true)

    let json = try await segue("deploy", "--json", api: api)
    #expect(json.status == status)
    let documents = try json.output.split(separator: "\n").map {
      try JSONSerialization.jsonObject(with: Data($0.utf8))
    }
    #expect(documents.count == 3)
  }

  @Test func deployWithoutWaitingEndsAtOnce() async throws {
    let api = ScriptedAPI(items: { _ in
      Issue.record("nobody asked for the feed")
      return .of([])
    })
    #expect(try await segue("deploy", "--no-wait", api: api).status == .success)
  }

  @Test func ctrlCLeavesAndSaysThatItGoesOn() async throws {
    let api = ScriptedAPI(items: { _ in .open([]) })
    let outcome = try await segue("deploy", api: api) {
      AsyncStream { $0.yield() }
    }
    #expect(outcome.status == .interrupted)
    #expect(outcome.errors.contains("the control plane goes on with 1a2b3c4d5e6f"))
  }

  @Test func aCommitThatIsLiveAlreadyIsASuccess() async throws {
    let api = ScriptedAPI(statusReply: { Samples.status(services: [Samples.service()]) })
    #expect(try await segue("deploy", api: api).status == .success)
    var other = api
    other.deployReply.commit = "ffff"
    #expect(try await segue("deploy", api: other).status == .negative)
  }

  /// The feed goes on for ever, and has nothing to say about it.
  @Test func whatIsLiveAlreadyIsNotWaitedFor() async throws {
    var api = ScriptedAPI(
      statusReply: { Samples.status(services: [Samples.service()]) }, items: { _ in .open([]) })
    api.deployReply.accepted = false
    #expect(try await segue("deploy", api: api).status == .success)
  }

  @Test(arguments: [
    ("rollback", "live", ExitStatus.success), ("rollback", "rolled back", .negative),
    ("rollback", "aborted", .negative),
    ("abort", "aborted", .success), ("abort", "rolled back", .success),
    ("abort", "live", .negative),
    ("abort", "incident", .negative),
  ])
  func rolloutsAreFollowedToTheirEnd(
    verb: String, result: String, status: ExitStatus
  ) async throws {
    var api = ScriptedAPI(items: { _ in .open([Samples.item(4)]) })
    api.entries = [
      HistoryEntry(
        outcome: result, commit: Samples.commit.id, subject: "", author: "", rollout: "R1",
        release: nil, key: Samples.key, startedAt: moment(0), endedAt: moment(1), reason: "as said")
    ]
    api.statusReply = { Samples.status(sequence: 4) }
    let outcome = try await segue(verb, api: api)
    #expect(outcome.status == status)
    #expect(outcome.output.contains("production/web: \(result), as said"))
  }

  @Test func logsPrintEveryLineWholeAndTamed() async throws {
    let long = String(repeating: "x", count: 300)
    let api = ScriptedAPI(lines: [
      LogLine(source: "web-1", text: long), LogLine(source: "web-2", text: "\u{1b}[31mred"),
    ])
    let outcome = try await segue("logs", api: api)
    #expect(outcome.output == "web-1 | \(long)\nweb-2 | red\n")
  }
}
