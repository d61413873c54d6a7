internal import ArgumentParser
internal import ControlProtocol

struct DeployCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "deploy",
    abstract: "Build a commit and roll it out.",
    discussion: """
      Waits until the commit is live, or will not be: exit status 0 or 1. When the calendar or a \
      missing approval does not let it start, it leaves with 4; the commit goes on by itself.

      EXAMPLES:
        segue deploy                 the deploy branch's head
        segue deploy v1.4.2          a tag, branch or commit
        segue deploy --again         although it was refused or taken back before
        segue deploy --override "shop is down"   in spite of windows and freezes
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "A branch, tag or commit. Default: the head of the deploy branch.")
  var revision: String?
  @Flag(help: "Deploy a commit older than the live one.")
  var allowOlder = false
  @Flag(help: "Try a commit again that was refused or taken back.")
  var again = false
  @Option(
    help: ArgumentHelp(
      "Start in spite of windows and freezes, within a day; everybody is told why.",
      valueName: "reason"))
  var override: String?
  @Flag(inversion: .prefixedNo, help: "Wait until the commit's fate is decided.")
  var wait = true
  @Flag(help: "Lines instead of the live view.")
  var plain = false

  func run(in context: Context) async throws -> ExitStatus {
    let presentation = Presentation(
      json: common.json, plain: plain, console: context.console(common))
    let request = DeployRequest(
      revision: revision, allowOlder: allowOlder, again: again, override: override,
      who: context.who)
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
