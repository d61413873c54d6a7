internal import ArgumentParser
internal import ControlProtocol
internal import SegueModel

struct DeployCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "deploy",
    abstract: "Build a commit and roll it out.",
    discussion: """
      Waits until the commit is live, or will not be: exit status 0 or 1.

      EXAMPLES:
        segue deploy                 the deploy branch's head
        segue deploy v1.4.2          a tag, branch or commit
        segue deploy --again         although it was refused or taken back before
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "A branch, tag or commit. Default: the head of the deploy branch.")
  var revision: String?
  @Flag(help: "Deploy a commit older than the live one.")
  var allowOlder = false
  @Flag(help: "Try a commit again that was refused or taken back.")
  var again = false
  @Flag(inversion: .prefixedNo, help: "Wait until the commit's fate is decided.")
  var wait = true
  @Flag(help: "Lines instead of the live view.")
  var plain = false

  func run(in context: Context) async throws -> ExitStatus {
    let presentation = Presentation(
      json: common.json, plain: plain, console: context.console(common))
    let request = DeployRequest(
      revision: revision, allowOlder: allowOlder, again: again, who: context.who)
    return try await context.withAPI(common) { [wait] api in
      let reply = try await api.deploy(request)
      if presentation.json { try await presentation.console.print(JSONText.line(reply)) }
      try await presentation.say(reply.message)
      guard wait else { return .success }
      return try await FateWatch(
        api: api, presentation: presentation, interrupts: context.interrupts()
      ).run(reply)
    }
  }
}

struct RollbackCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "rollback",
    abstract: "Put the release back that was live before.",
    discussion: """
      The exact earlier release, with its exact configuration; nothing is built. Waits until it is \
      live.

      EXAMPLES:
        segue rollback --reason "checkout is slow"
        segue rollback r-0123456789abcdef --service web
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "A release or commit. Default: the release that was live before.")
  var release: String?
  @Option(help: "Only this service. Default: all of them.")
  var service: String?
  @Option(help: "Why, for the receipt.")
  var reason: String?
  @Flag(inversion: .prefixedNo, help: "Wait until it is over.")
  var wait = true
  @Flag(help: "Lines instead of the live view.")
  var plain = false

  func run(in context: Context) async throws -> ExitStatus {
    let presentation = Presentation(
      json: common.json, plain: plain, console: context.console(common))
    let request = RollbackRequest(
      service: service.map { ServiceName($0) }, to: release, who: context.who, reason: reason)
    return try await context.withAPI(common) { [wait] api in
      let reply = try await api.rollback(request)
      return try await RolloutWatch(
        api: api, presentation: presentation, interrupts: context.interrupts(),
        good: ["live", "rolled back"]
      ).run(reply, wait: wait)
    }
  }
}

struct AbortCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "abort",
    abstract: "Stop what is under way, and take it back.",
    discussion: """
      Ends the running pipeline and every rollout in progress; what was live stays, or becomes live \
      again. Waits until it is.

      EXAMPLES:
        segue abort
        segue abort --service web --reason "wrong branch"
      """)

  @OptionGroup var common: CommonOptions
  @Option(help: "Only this service's rollout. Default: everything.")
  var service: String?
  @Option(help: "Why, for the receipt.")
  var reason: String?
  @Flag(inversion: .prefixedNo, help: "Wait until it is over.")
  var wait = true
  @Flag(help: "Lines instead of the live view.")
  var plain = false

  func run(in context: Context) async throws -> ExitStatus {
    let presentation = Presentation(
      json: common.json, plain: plain, console: context.console(common))
    let request = AbortRequest(
      service: service.map { ServiceName($0) }, who: context.who, reason: reason)
    return try await context.withAPI(common) { [wait] api in
      let reply = try await api.abort(request)
      return try await RolloutWatch(
        api: api, presentation: presentation, interrupts: context.interrupts(),
        good: ["aborted", "rolled back"]
      ).run(reply, wait: wait)
    }
  }
}

/// Waits until rollouts are over and says how a command ends that asked for them.
struct RolloutWatch: Sendable {
  var api: any ControlAPI
  var presentation: Presentation
  var interrupts: AsyncStream<Void>
  /// The outcomes that were asked for.
  var good: [String]

  func run(_ reply: RolloutReply, wait: Bool) async throws -> ExitStatus {
    if presentation.json { try await presentation.console.print(JSONText.line(reply)) }
    try await presentation.say(reply.message)
    guard wait, !reply.rollouts.isEmpty else { return .success }
    let show = presentation.show(
      commit: nil, footer: "Ctrl-C leaves; the control plane goes on")
    let follower = Follower(api: api, show: show, interrupts: interrupts)
    if case .interrupted = try await follower.follow(
      .rollouts(reply.rollouts), after: reply.sequence)
    {
      await presentation.console.printError("segue: left; the control plane goes on")
      return .interrupted
    }
    return try await verdict(reply.rollouts)
  }

  private func verdict(_ rollouts: [RolloutID]) async throws -> ExitStatus {
    let history = try await api.history(limit: 100)
    var status = ExitStatus.success
    for rollout in rollouts {
      guard let entry = history.first(where: { $0.rollout == rollout }) else {
        try await presentation.say("\(rollout): not in the history yet")
        status = .negative
        continue
      }
      let service = entry.key.map { "\($0): " } ?? ""
      try await presentation.say(
        "\(service)\(entry.outcome)\(entry.reason.map { ", \($0)" } ?? "")")
      if !good.contains(entry.outcome) { status = .negative }
    }
    return status
  }
}
