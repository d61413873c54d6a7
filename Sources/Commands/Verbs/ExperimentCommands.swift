internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SegueModel

struct ExperimentCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "experiment",
    abstract: "Show what users do with each of two releases.",
    discussion: """
      An `ab` rollout with `goals` is an experiment: chance gives each user one of the two releases, \
      and Segue counts what users come to. For each goal this shows what a user comes to on average \
      with each release, and by how much the new one differs, with bounds that may be looked at as \
      often as you like. When users were not divided as intended, it says so instead of a winner.

      The experiment under way, or else the last one; `segue receipt` shows those before. `segue \
      promote` and `segue abort` end one by hand.

      EXAMPLES:
        segue experiment
        segue experiment web --json
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "The service. Default: the one with an experiment.")
  var service: String?
  @Option(name: [.customShort("e"), .long], help: "Only in this environment.")
  var environment: String?

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let request = ExperimentRequest(
      service: service.map { ServiceName($0) },
      environment: environment.map { EnvironmentName($0) })
    return try await context.withAPI(common) { [json = common.json] api in
      let reply = try await api.experiment(request)
      if json {
        try await console.print(JSONText.document(reply))
      } else {
        try await console.printWhole(
          ExperimentText(glyphs: console.glyphs, zone: .current).lines(reply))
      }
      return .success
    }
  }
}

struct GoalCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "goal",
    abstract: "Count a goal that a user has reached.",
    discussion: """
      For what a web server does not see: a payment that came later, a complaint on the telephone. \
      The goal is one of `goals` in segue.yaml with `posted: true`; the user is named by the value of \
      the cookie or header field that `route.sticky` names. Who was never answered in the experiment \
      is not counted. Programs can post the same to /v1/goal on the control socket.

      EXAMPLES:
        segue goal paid 9f86d081884c7d65 --value 12.50
        segue goal complaint 9f86d081884c7d65 --service web
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "The name of the goal.")
  var goal: String
  @Argument(help: "What the user is known by.")
  var user: String
  @Option(help: "What it is worth, a number. Default: 1.")
  var value: String?
  @Option(help: "The service. Default: the one with an experiment.")
  var service: String?
  @Option(name: [.customShort("e"), .long], help: "Only in this environment.")
  var environment: String?

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    let request = GoalRequest(
      service: service.map { ServiceName($0) },
      environment: environment.map { EnvironmentName($0) }, goal: goal, unit: user, value: value)
    return try await context.withAPI(common) { [json = common.json] api in
      let reply = try await api.reach(request)
      if json {
        try await console.print(JSONText.line(reply))
      } else {
        try await console.print(reply.message)
      }
      return .success
    }
  }
}
