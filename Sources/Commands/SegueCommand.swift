internal import ArgumentParser
internal import ControlClient
internal import ControlProtocol
internal import Foundation
internal import Glibc
internal import SpecFile

/// The version of this binary.
public let segueVersion = "0.1.0"

/// The command line: `segue VERB ...`.
public enum SegueCommand {
  /// Runs one command to its end.
  ///
  /// - Parameter arguments: Without the program's name.
  /// - Returns: The status to exit with; see ``ExitStatus``.
  public static func run(
    composition: any Composition, arguments: [String] = Array(CommandLine.arguments.dropFirst())
  ) async -> Int32 {
    // A reader that went away is an error of `write`, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
    return await run(
      arguments, in: Context(composition: composition, arguments: arguments)
    ).rawValue
  }

  static func run(_ arguments: [String], in context: Context) async -> ExitStatus {
    let wantsJSON = arguments.prefix { $0 != "--" }.contains("--json")
    do {
      var command = try Segue.parseAsRoot(arguments)
      guard let verb = command as? any Verb else {
        try command.run()
        return .success
      }
      return try await verb.run(in: context)
    } catch {
      return await report(error, json: wantsJSON, console: context.console())
    }
  }

  /// Tells what went wrong, and says how to exit.
  static func report(_ error: any Error, json: Bool, console: Console) async -> ExitStatus {
    switch error {
    case is Console.Closed: return .success
    case is CancellationError: return .interrupted
    case let error as ControlError: return await tell(error, ExitStatus(error.kind), json, console)
    case let error as SpecReport:
      guard !json else {
        let failure = ControlError(.invalid, "segue.yaml is refused", causes: [error.rendered])
        return await tell(failure, .usage, json, console)
      }
      await console.printError(error.rendered)
      return .usage
    default: break
    }
    // ArgumentParser's own: help and completions are no failures.
    let code = Segue.exitCode(for: error)
    let message = Segue.fullMessage(for: error)
    if code.isSuccess {
      return (try? await console.print(message)) == nil ? .failure : .success
    }
    if code == ExitCode.validationFailure {
      guard json else {
        await console.printError(message)
        return .usage
      }
      return await tell(ControlError(.invalid, Segue.message(for: error)), .usage, json, console)
    }
    return await tell(ControlError(.failed, "\(error)"), .failure, json, console)
  }

  private struct Failure: Encodable {
    var error: ControlError
    var exit: Int32
  }

  private static func tell(
    _ error: ControlError, _ status: ExitStatus, _ json: Bool, _ console: Console
  ) async -> ExitStatus {
    if json, let text = try? JSONText.line(Failure(error: error, exit: status.rawValue)) {
      try? await console.print(text)
    } else {
      await console.printError(ReportText.error(error))
    }
    return status
  }
}

/// The root of the command tree.
struct Segue: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segue",
    abstract: "Every commit that earns it reaches production, and no request notices.",
    discussion: """
      In a Git repository with a segue.yaml, `segue up` does everything: it starts what is not \
      running, deploys the deploy branch's head, and shows what happens. `segue init` proposes a \
      segue.yaml.

      EXIT STATUS:
      \(ExitStatus.allCases.map { "  \($0.rawValue)\t\($0.meaning)" }.joined(separator: "\n"))

      ENVIRONMENT:
        SEGUE_STATE     the state directory, as --state
        XDG_STATE_HOME  where state directories are, if neither is given
        NO_COLOR        no colours, when set to anything
      """,
    version: segueVersion,
    groupedSubcommands: [
      CommandGroup(
        name: "Begin",
        subcommands: [
          InitCommand.self, UpCommand.self, DoctorCommand.self, ImportCommand.self,
        ]),
      CommandGroup(
        name: "Change what is live",
        subcommands: [
          DeployCommand.self, PromoteCommand.self, PauseCommand.self, ResumeCommand.self,
          AbortCommand.self, RollbackCommand.self, DownCommand.self, ApproveCommand.self,
          FreezeCommand.self, GoalCommand.self,
        ]),
      CommandGroup(
        name: "Look",
        subcommands: [
          StatusCommand.self, WatchCommand.self, LogsCommand.self, HistoryCommand.self,
          ReceiptCommand.self, ExplainCommand.self, ExperimentCommand.self, GateCommand.self,
          TestsCommand.self,
          CalendarCommand.self, AdviseCommand.self, SchemaCommand.self, SimulateCommand.self,
        ]),
      CommandGroup(
        name: "Run by Segue itself",
        subcommands: [
          ServeCommand.self, ProxyCommand.self, KeepSocketsCommand.self, HookCommand.self,
        ]),
    ])
}

/// One command.
protocol Verb: ParsableCommand {
  func run(in context: Context) async throws -> ExitStatus
}

/// Calls `body` with the control API at a socket.
typealias Connect =
  @Sendable (
    _ socketPath: String, _ body: @Sendable (any ControlAPI) async throws -> ExitStatus
  ) async throws -> ExitStatus

/// What a command stands on.
struct Context: Sendable {
  var composition: any Composition
  var environment: [String: String] = ProcessInfo.processInfo.environment
  /// The command line, without the program's name.
  var arguments: [String] = []
  var directory: String = FileManager.default.currentDirectoryPath
  var output: CInt = STDOUT_FILENO
  var errors: CInt = STDERR_FILENO
  /// What ends a command that follows.
  var interrupts: @Sendable () -> AsyncStream<Void> = { Interrupts.stream() }
  var input: @Sendable () async -> String = { await Console.standardInput() }
  var connect: Connect = { path, body in
    try await ControlClient.with(socketPath: path) { try await body($0) }
  }

  func console(color: Bool = true) -> Console {
    Console(output: output, errors: errors, environment: environment, color: color)
  }

  func console(_ options: CommonOptions) -> Console { console(color: !options.noColor) }

  func state(_ options: CommonOptions) throws(ControlError) -> String {
    try StateDirectory.resolve(
      explicit: options.state, environment: environment, directory: directory)
  }

  func withAPI(
    _ options: CommonOptions,
    _ body: @Sendable (any ControlAPI) async throws -> ExitStatus
  ) async throws -> ExitStatus {
    try await connect(StateDirectory.controlSocket(in: try state(options)), body)
  }

  /// Who asks, as receipts will name them.
  var who: String { environment["USER"] ?? environment["LOGNAME"] ?? NSUserName() }
}

/// What every command understands.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print JSON: one document, or one a line where things go on.")
  var json = false
  @Flag(help: "Print no colours.")
  var noColor = false
  @Option(
    help: ArgumentHelp(
      "The state directory. Default: $SEGUE_STATE, or one that belongs to this repository.",
      valueName: "dir"))
  var state: String?
}
