internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SegueModel

struct StatusCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show what is live and what is going on.",
    discussion: """
      Exits with 1 when something needs a person.

      EXAMPLES:
        segue status
        segue status --environment production
        segue status --json | jq -r '.services[].live.commit'
      """)

  @OptionGroup var common: CommonOptions
  @Option(name: [.customShort("e"), .long], help: "Only this environment's services.")
  var environment: String?

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    return try await context.withAPI(common) { [json = common.json, environment] api in
      var status = try await api.status()
      if let environment {
        let all = status.services
        status.services = all.filter { $0.key.environment.rawValue == environment }
        status.waiting = status.waiting?.filter { $0.environment.rawValue == environment }
        guard all.isEmpty || !status.services.isEmpty else {
          let names = Set(all.map(\.key.environment)).sorted().map(\.rawValue)
          throw ControlError(
            .notFound, "nothing runs in an environment \(environment)",
            nextStep: "There are: \(names.joined(separator: ", "))")
        }
      }
      if json {
        try await console.print(JSONText.document(status))
      } else {
        try await console.printWhole(
          ReportText(glyphs: console.glyphs, zone: .current).status(status))
      }
      return status.problems.isEmpty && status.proxy.running ? .success : .negative
    }
  }
}

struct HistoryCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "List finished rollouts and refused commits, newest first.",
    discussion: """
      EXAMPLES:
        segue history --limit 50
        segue receipt ROLLOUT      shows one of them in full
      """)

  @OptionGroup var common: CommonOptions
  @Option(name: [.short, .long], help: ArgumentHelp("How many.", valueName: "n"))
  var limit = 20

  func validate() throws {
    guard (1...10_000).contains(limit) else {
      throw ValidationError("--limit must be from 1 to 10000.")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    return try await context.withAPI(common) { [json = common.json, limit] api in
      let entries = try await api.history(limit: limit)
      if json {
        try await console.print(JSONText.document(entries))
      } else {
        try await console.print(
          ReportText(glyphs: console.glyphs, zone: .current).history(entries))
      }
      return .success
    }
  }
}

struct ReceiptCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "receipt",
    abstract: "Show the account of a finished rollout.",
    discussion: """
      Requests by version, what failed or was cut, latency beside the steady state, phases, cost, \
      and the hash that chains it to the receipt before.

      EXAMPLES:
        segue receipt              the last one
        segue receipt ROLLOUT --json
        segue receipt --svg evidence.svg
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "A rollout, as `segue history` names it. Default: the last finished one.")
  var rollout: String?
  @Option(
    help: ArgumentHelp(
      "Draw how the evidence of live traffic grew, into this file.", valueName: "file"))
  var svg: String?

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let picture = svg.map { Parse.path($0, from: context.directory) }
    return try await context.withAPI(common) { [json = common.json, rollout] api in
      let receipt = try await api.receipt(rollout.map { RolloutID($0) })
      if let picture { try Self.draw(receipt, into: picture) }
      if json {
        try await console.print(JSONText.document(receipt))
      } else {
        try await console.print(
          ReceiptText(glyphs: console.glyphs, zone: .current).lines(receipt))
      }
      return .success
    }
  }
}

extension ReceiptCommand {
  private static func draw(_ receipt: Receipt, into path: String) throws {
    guard let judgement = receipt.judgement else {
      throw ControlError(
        .refused, "nothing was judged in this rollout, so there is no evidence to draw",
        nextStep: "`segue history` lists the rollouts")
    }
    do {
      try JudgementText.svg(judgement).write(toFile: path, atomically: true, encoding: .utf8)
    } catch {
      throw ControlError(.failed, "\(path) cannot be written", causes: [error.localizedDescription])
    }
  }
}

struct ExplainCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say why a commit is live, or why it is not.",
    discussion: """
      EXAMPLES:
        segue explain              about the newest commit
        segue explain 1a2b3c4d
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "A release or a commit; a part of it is enough. Default: the newest commit.")
  var subject: String?

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    return try await context.withAPI(common) { [json = common.json, subject] api in
      let explanation = try await api.explain(subject)
      if json {
        try await console.print(JSONText.document(explanation))
      } else {
        try await console.printWhole(
          ReportText(glyphs: console.glyphs, zone: .current).explanation(explanation))
      }
      return .success
    }
  }
}

struct LogsCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Print what steps and instances wrote.",
    discussion: """
      EXAMPLES:
        segue logs --service web -f
        segue logs --commit 1a2b3c4d --step test
      """)

  @OptionGroup var common: CommonOptions
  @Option(help: "Only this step of a pipeline.")
  var step: String?
  @Option(help: "The pipeline of this commit. Default: the last one.")
  var commit: String?
  @Option(help: "Only the instances of this service.")
  var service: String?
  @Option(name: [.customShort("e"), .long], help: "Only the instances in this environment.")
  var environment: String?
  @Option(help: "Only this instance.")
  var instance: String?
  @Option(
    name: [.customShort("n"), .long],
    help: ArgumentHelp("Begin with the last n lines.", valueName: "n"))
  var tail = 100
  @Flag(name: [.short, .long], help: "Go on as more is written, until Ctrl-C.")
  var follow = false

  func validate() throws {
    guard tail >= 0 else { throw ValidationError("--tail must be at least 0.") }
    guard
      step == nil && commit == nil
        || service == nil && instance == nil && environment == nil
    else {
      throw ValidationError("Ask for steps or for instances, not for both.")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let request = LogsRequest(
      step: step.map { StepName($0) }, commit: commit, service: service.map { ServiceName($0) },
      environment: environment.map { EnvironmentName($0) },
      instance: instance.map { InstanceID($0) }, tail: tail, follow: follow)
    return try await context.withAPI(common) { [json = common.json] api in
      for try await line in api.logs(request) {
        if json {
          try await console.print(JSONText.line(line))
        } else {
          // Whole, however long: people search and copy it.
          let text = Line("\(line.source) | ", .dim) + Line(line.text)
          try await console.print(text.rendered(width: .max, color: console.color))
        }
      }
      return .success
    }
  }
}

struct WatchCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Show everything that happens, as it happens.",
    discussion: """
      On a terminal this is a live view; elsewhere, or with --plain, one line for each event. It \
      survives restarts of the control plane. Ctrl-C ends it.
      """)

  @OptionGroup var common: CommonOptions
  @Flag(help: "Lines instead of the live view.")
  var plain = false

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let presentation = Presentation(json: common.json, plain: plain, console: console)
    return try await context.withAPI(common) { api in
      let status = try await api.status()
      let show = presentation.show(commit: nil, footer: "Ctrl-C leaves")
      let follower = Follower(api: api, show: show, interrupts: context.interrupts())
      _ = try await follower.follow(.everything, after: status.sequence)
      return .success
    }
  }
}
