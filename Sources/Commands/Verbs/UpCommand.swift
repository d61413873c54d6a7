internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SegueModel
internal import SpecFile

struct UpCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "up",
    abstract: "Start what is not running, deploy, and show what happens.",
    discussion: """
      Checks segue.yaml, starts the control plane in the background unless it runs, and deploys the \
      deploy branch's head.

      On a terminal the live view stays until Ctrl-C, which leaves everything running; with --once \
      it ends at the decision. Without a terminal, or with --plain or --json, it prints lines and \
      ends at the decision. The exit status says whether the commit is live.

      EXAMPLES:
        segue up
        segue up --listen 8081 --once
        segue up --detach
        segue up --foreground        for a container: no second process, ends with the control plane
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var arguments: ServeArguments
  @Flag(name: [.customShort("d"), .long], help: "Return as soon as the deployment has begun.")
  var detach = false
  @Flag(help: "Run the control plane in this process.")
  var foreground = false
  @Flag(help: "End when the commit's fate is decided.")
  var once = false
  @Flag(help: "Lines instead of the live view.")
  var plain = false

  mutating func validate() throws {
    if detach && (foreground || once) {
      throw ValidationError("--detach goes with neither --foreground nor --once.")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let presentation = Presentation(
      json: common.json, plain: plain || foreground, console: context.console(common))
    let options = try arguments.options(common, context)
    try await checkSpec(options.source, presentation)
    try StateDirectory.create(options.state)
    if foreground { return try await runInForeground(options, presentation, context) }
    let starter = DaemonStarter(context: context, options: options, presentation: presentation)
    let interrupts = context.interrupts()
    try await starter.ensureRunning(expectsListen: Self.namesListen(context.arguments))
    return try await deploy(options, presentation, context, interrupts)
  }

  /// A file that cannot be rolled out is told here, before anything is started.
  private func checkSpec(_ source: String, _ presentation: Presentation) async throws {
    guard source.hasPrefix("/"), FileManager.default.fileExists(atPath: source + "/.git") else {
      return
    }
    let reading = try Repository.spec(in: source)
    for warning in reading.warnings { await presentation.console.printError(warning.rendered) }
  }

  private func deploy(
    _ options: ServeOptions, _ presentation: Presentation, _ context: Context,
    _ interrupts: AsyncStream<Void>
  ) async throws -> ExitStatus {
    try await context.withAPI(common) { [detach, once] api in
      let status = try await api.status()
      try await presentation.say("serving http://\(status.proxy.address)")
      if options.embeddedRemote { try await presentation.say("push to   \(options.remote)") }
      let reply = try await api.deploy(DeployRequest(who: context.who))
      if presentation.json { try await presentation.console.print(JSONText.line(reply)) }
      try await presentation.say(reply.message)
      if detach { return .success }
      return try await FateWatch(
        api: api, presentation: presentation, interrupts: interrupts,
        staysOn: presentation.isLive && !once
      ).run(reply)
    }
  }

  /// The control plane and the one who asks it, side by side; the end of the first ends both.
  private func runInForeground(
    _ options: ServeOptions, _ presentation: Presentation, _ context: Context
  ) async throws -> ExitStatus {
    let once = once
    return try await withThrowingTaskGroup(of: ExitStatus?.self) { group in
      group.addTask {
        try await context.composition.serve(options)
        return .success
      }
      group.addTask {
        let starter = DaemonStarter(
          context: context, options: options, presentation: presentation)
        try await starter.waitUntilReady(process: nil)
        // Signals are the control plane's business here.
        let silent = AsyncStream<Void> { _ in }
        let status = try await deploy(options, presentation, context, silent)
        return once ? status : nil
      }
      defer { group.cancelAll() }
      for try await status in group {
        if let status { return status }
      }
      return .success
    }
  }

  private static func namesListen(_ arguments: [String]) -> Bool {
    arguments.contains { $0 == "--listen" || $0.hasPrefix("--listen=") }
  }
}
