internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SegueModel

struct GateCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "gate",
    abstract: "Say what stops a commit, and what does not. Nothing is deployed.",
    discussion: """
      Names everything at once: policy, tests, coverage, security, windows and freezes, approvals. The \
      steps of a commit that is named and was not run yet are run for that. Exits with 1 when something \
      stops the commit.

      EXAMPLES:
        segue gate                       about the newest commit that was judged
        segue gate --commit 1a2b3c4d     a commit, tag or branch, also one that nobody deploys
        segue gate --json | jq -r '.record.answers[] | select(.verdict == "fail") | .gate'
      """)

  @OptionGroup var common: CommonOptions
  @Option(help: "A commit or a release; a part of it is enough. Default: the newest one judged.")
  var commit: String?
  @Flag(help: "Only what is known already: run nothing.")
  var known = false

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    return try await context.withAPI(common) { [json = common.json, known, commit] api in
      let reply = try await Self.answer(
        api, commit, known: known, show: json ? nil : console, context)
      if json {
        try await console.print(JSONText.document(reply))
      } else {
        try await console.print(EvidenceText(glyphs: console.glyphs, zone: .current).gates(reply))
      }
      return reply.passes ? .success : .negative
    }
  }

  /// What is known of a commit; what is not known yet is asked first.
  private static func answer(
    _ api: any ControlAPI, _ commit: String?, known: Bool, show console: Console?,
    _ context: Context
  ) async throws -> GateReply {
    do {
      let reply = try await api.gates(commit)
      if known || commit == nil || reply.isComplete != false { return reply }
    } catch let error as ControlError where error.kind == .notFound && commit != nil && !known {
      // Nobody has judged it yet.
    }
    let asked = try await api.deploy(
      DeployRequest(revision: commit, asks: true, who: context.who))
    let show: any Show = console.map { PlainShow(console: $0) } ?? SilentShow()
    try await console?.printWhole([Line(asked.message)])
    let follower = Follower(api: api, show: show, interrupts: context.interrupts())
    if case .interrupted = try await follower.follow(.commit(asked.commit), after: asked.sequence) {
      throw ControlError(
        .refused, "the answer was not waited for; the steps go on",
        nextStep: "Ask again: segue gate --commit \(asked.commit.short)")
    }
    return try await api.gates(asked.commit.rawValue)
  }
}

struct TestsCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "tests",
    abstract: "List tests by what their history tells.",
    discussion: """
      Without an option: those that failed the last time.

      EXAMPLES:
        segue tests --flaky
        segue tests --slow --limit 50 --json
        segue tests --trend              which became slower or faster, and since which commit
        segue tests split --shard 1 --of 4 < all-tests
      """,
    subcommands: [TestsSplitCommand.self])

  @OptionGroup var common: CommonOptions
  @Flag(help: "Those that probably fail without cause, the most probable first.")
  var flaky = false
  @Flag(help: "The slowest first.")
  var slow = false
  @Flag(help: "Those first seen within the last two weeks, the newest first.")
  var new = false
  @Flag(help: "Those that failed the last time, those that have failed longest first.")
  var failing = false
  @Flag(help: "Those that became slower or faster, and since which commit; steps as a whole, too.")
  var trend = false
  @Option(name: [.short, .long], help: ArgumentHelp("How many.", valueName: "n"))
  var limit = 20

  private var questions: [TestsRequest.Question] {
    let asked: [(Bool, TestsRequest.Question)] = [
      (flaky, .flaky), (slow, .slow), (new, .new), (failing, .failing),
    ]
    return asked.filter { $0.0 }.map { $0.1 }
  }

  func validate() throws {
    guard questions.count + (trend ? 1 : 0) <= 1 else {
      throw ValidationError("Ask for one of --flaky, --slow, --new, --failing and --trend.")
    }
    let most = trend ? 100 : 1_000
    guard (1...most).contains(limit) else {
      throw ValidationError("--limit must be from 1 to \(most).")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    if trend { return try await showTrend(console, in: context) }
    let request = TestsRequest(question: questions.first ?? .failing, limit: limit)
    return try await context.withAPI(common) { [json = common.json] api in
      let tests = try await api.tests(request)
      if json {
        try await console.print(JSONText.document(tests))
      } else {
        try await console.print(
          EvidenceText(glyphs: console.glyphs, zone: .current).tests(tests, request.question))
      }
      return .success
    }
  }

  private func showTrend(_ console: Console, in context: Context) async throws -> ExitStatus {
    try await context.withAPI(common) { [json = common.json, limit] api in
      let durations = try await api.testDurations(DurationsRequest(limit: limit))
      if json {
        try await console.print(JSONText.document(durations))
      } else {
        try await console.print(
          EvidenceText(glyphs: console.glyphs, zone: .current).durations(durations))
      }
      return .success
    }
  }
}
