internal import ArgumentParser
internal import ControlProtocol
internal import SegueModel

/// Which rollouts, and why.
struct SteeringOptions: ParsableArguments {
  @OptionGroup var common: CommonOptions
  @Option(help: "Only this service.")
  var service: String?
  @Option(name: [.customShort("e"), .long], help: "Only in this environment.")
  var environment: String?
  @Option(help: "Why, for the receipt.")
  var reason: String?

  var serviceName: ServiceName? { service.map { ServiceName($0) } }
  var environmentName: EnvironmentName? { environment.map { EnvironmentName($0) } }
}

/// Whether a command waits for what it set going, and how it shows it.
struct WaitingOptions: ParsableArguments {
  @Flag(inversion: .prefixedNo, help: "Wait until it is over.")
  var wait = true
  @Flag(help: "Lines instead of the live view.")
  var plain = false
}

struct PauseCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "pause",
    abstract: "Keep rollouts from going on to their next stage.",
    discussion: """
      What is under way in a stage is finished; traffic stays divided as it is. Without --service \
      and --environment it pauses every rollout in progress. A rollout that nobody resumes in time \
      (deadlines.pause, normally 24 hours) is taken back. `segue abort` goes before a pause.

      EXAMPLES:
        segue pause --reason "checking the new basket by hand"
        segue resume
      """)

  @OptionGroup var options: SteeringOptions

  func run(in context: Context) async throws -> ExitStatus {
    let request = PauseRequest(
      service: options.serviceName, environment: options.environmentName, who: context.who,
      reason: options.reason)
    return try await context.steer(options, waiting: nil) { try await $0.pause(request) }
  }
}

struct ResumeCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract: "Let paused rollouts go on.",
    discussion: """
      Without --service and --environment it resumes every rollout that is paused. A hold that has \
      not ended is kept: `segue promote` ends it.

      EXAMPLES:
        segue resume
        segue resume --service web
      """)

  @OptionGroup var options: SteeringOptions

  func run(in context: Context) async throws -> ExitStatus {
    let request = ResumeRequest(
      service: options.serviceName, environment: options.environmentName, who: context.who,
      reason: options.reason)
    return try await context.steer(options, waiting: nil) { try await $0.resume(request) }
  }
}

struct PromoteCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "promote",
    abstract: "End the hold of a rollout, or bring a release into an environment.",
    discussion: """
      A rollout holds between two stages until a time has passed, somebody promotes it, or the judge \
      has a verdict. This ends one hold, also a paused rollout's; with --all it ends every later one \
      too, and the last stage comes next. It means the one rollout in progress; when there are \
      several, say which. Waits until the next hold or the end: exit status 0, or 1 when the rollout \
      was taken back.

      With --to, a release that proved itself elsewhere goes to an environment that waits for \
      somebody to promote it. Waits until it is live there, or will not be.

      EXAMPLES:
        segue promote --reason "no complaints from the first 5 %"
        segue promote --service web --all
        segue promote --to production
        segue promote --to production r-0123456789abcdef
      """)

  @OptionGroup var options: SteeringOptions
  @OptionGroup var waiting: WaitingOptions
  @Flag(help: "End every hold, up to the last stage.")
  var all = false
  @Option(help: ArgumentHelp("Promote a release to this environment.", valueName: "environment"))
  var to: String?
  @Argument(help: "With --to: a release or commit. Default: the one that is live before it.")
  var release: String?

  func validate() throws {
    guard to == nil else {
      guard !all, options.service == nil, options.environment == nil else {
        throw ValidationError("--to goes with none of --all, --service and --environment.")
      }
      return
    }
    if let release {
      throw ValidationError(
        "A release is promoted to an environment: segue promote --to ENVIRONMENT \(release)")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    if let to { return try await promote(to: EnvironmentName(to), in: context) }
    let request = PromoteRequest(
      service: options.serviceName, environment: options.environmentName, toTheEnd: all,
      who: context.who, reason: options.reason)
    return try await context.steer(options, waiting: waiting, good: ["live"], untilHold: true) {
      try await $0.promote(request)
    }
  }

  private func promote(to environment: EnvironmentName, in context: Context) async throws
    -> ExitStatus
  {
    let presentation = Presentation(
      json: options.common.json, plain: waiting.plain, console: context.console(options.common))
    let request = PromoteReleaseRequest(
      environment: environment, release: release, who: context.who, reason: options.reason)
    return try await context.withAPI(options.common) { [wait = waiting.wait] api in
      let reply = try await api.promoteRelease(request)
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
      The exact earlier release, with its exact configuration; nothing is built. Without --service \
      it means every service. Waits until it is live.

      EXAMPLES:
        segue rollback --reason "checkout is slow"
        segue rollback r-0123456789abcdef --service web
        segue rollback --environment production
      """)

  @OptionGroup var options: SteeringOptions
  @OptionGroup var waiting: WaitingOptions
  @Argument(help: "A release or commit. Default: the release that was live before.")
  var release: String?

  func run(in context: Context) async throws -> ExitStatus {
    let request = RollbackRequest(
      service: options.serviceName, environment: options.environmentName, to: release,
      who: context.who, reason: options.reason)
    return try await context.steer(options, waiting: waiting, good: ["live"]) {
      try await $0.rollback(request)
    }
  }
}

struct AbortCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "abort",
    abstract: "Stop what is under way, and take it back.",
    discussion: """
      Without --service and --environment it ends the running pipeline and every rollout in \
      progress; what was live stays, or becomes live again. Waits until it is.

      EXAMPLES:
        segue abort
        segue abort --service web --reason "wrong branch"
      """)

  @OptionGroup var options: SteeringOptions
  @OptionGroup var waiting: WaitingOptions

  func run(in context: Context) async throws -> ExitStatus {
    let request = AbortRequest(
      service: options.serviceName, environment: options.environmentName, who: context.who,
      reason: options.reason)
    return try await context.steer(
      options, waiting: waiting, good: ["aborted", "rolled back", "superseded"]
    ) { try await $0.abort(request) }
  }
}

extension Context {
  /// Asks for something about rollouts, shows what follows, and says how the command ends.
  ///
  /// - Parameters:
  ///   - waiting: `nil`: nothing follows that is worth waiting for.
  ///   - good: The outcomes that were asked for.
  ///   - untilHold: A rollout that holds again is waited for no longer.
  fileprivate func steer(
    _ options: SteeringOptions, waiting: WaitingOptions?, good: Set<String> = [],
    untilHold: Bool = false,
    _ ask: @escaping @Sendable (any ControlAPI) async throws -> RolloutReply
  ) async throws -> ExitStatus {
    let presentation = Presentation(
      json: options.common.json, plain: waiting?.plain ?? true, console: console(options.common))
    return try await withAPI(options.common) { [wait = waiting?.wait ?? false] api in
      try await RolloutWatch(
        api: api, presentation: presentation, interrupts: interrupts(), good: good,
        untilHold: untilHold
      ).run(try await ask(api), wait: wait)
    }
  }
}
