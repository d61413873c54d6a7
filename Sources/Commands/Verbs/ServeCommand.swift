internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// What `serve` and `up` have in common.
struct ServeArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The repository to deploy from: a path or a URL. Default: this one.", valueName: "repository")
  )
  var source: String?
  @Option(
    help: ArgumentHelp(
      "Where the proxy takes requests: HOST:PORT, or PORT on this machine only.",
      valueName: "address"), transform: Parse.address)
  var listen = ListenAddress()
  @Option(
    help: ArgumentHelp("How often to look for new commits: 500ms, 2s, 1m.", valueName: "time"),
    transform: Parse.time)
  var pollInterval = Milliseconds.seconds(2)
  @Option(
    help: ArgumentHelp("Steps that run at the same time. Default: one a core.", valueName: "n"))
  var parallel: Int?
  @Flag(
    inversion: .prefixedNo,
    help: "Keep a repository in the state directory that can be pushed to.")
  var embeddedRemote = true
  @Option(
    help: ArgumentHelp(
      "Where the proxy tells its figures to Prometheus: HOST:PORT, PORT or unix:/PATH. "
        + "Default: nowhere.", valueName: "address"), transform: Parse.metrics)
  var metrics: String?
  @Option(
    help: ArgumentHelp(
      "Where the forge's webhooks are taken: HOST:PORT, or PORT on this machine only. "
        + "Default: nowhere.", valueName: "address"), transform: Parse.address)
  var webhooks: ListenAddress?
  @OptionGroup var tls: TLSArguments
  @OptionGroup var requests: RequestArguments

  mutating func validate() throws {
    if let parallel, parallel < 1 { throw ValidationError("--parallel must be at least 1.") }
    if pollInterval < Milliseconds(100) {
      throw ValidationError("--poll-interval must be at least 100ms.")
    }
  }

  func options(_ common: CommonOptions, _ context: Context) throws(ControlError) -> ServeOptions {
    ServeOptions(
      state: try context.state(common), source: try repository(context), listen: listen,
      pollInterval: pollInterval, parallelSteps: parallel, embeddedRemote: embeddedRemote,
      metrics: metrics, tls: tls.options(from: context.directory),
      requests: requests.options(from: context.directory), webhooks: webhooks)
  }

  private func repository(_ context: Context) throws(ControlError) -> String {
    guard let source else { return try Repository.requiredRoot(from: context.directory) }
    // `host:path` and `scheme://` are Git's business; anything else is a path.
    guard !source.contains(":") else { return source }
    return Parse.path(source, from: context.directory)
  }
}

/// Arguments that need more than a number or a name.
enum Parse {
  /// Absolute, because the process that opens it may be somewhere else.
  static func path(_ text: String, from directory: String) -> String {
    let url = URL(filePath: text, relativeTo: URL(filePath: directory + "/"))
    return url.standardizedFileURL.path(percentEncoded: false).trimmingSlashes
  }

  static func address(_ text: String) throws -> ListenAddress {
    guard let address = ListenAddress(parsing: text) else {
      throw ValidationError("\"\(text)\" is no address: write HOST:PORT, or PORT alone.")
    }
    return address
  }

  /// An address, or `unix:` and an absolute path.
  static func metrics(_ text: String) throws -> String {
    guard text.hasPrefix("unix:") else { return "\(try address(text))" }
    guard text.hasPrefix("unix:/") else {
      throw ValidationError("\"\(text)\" is no socket: write unix: and an absolute path.")
    }
    return text
  }

  /// `500ms`, `2s`, `1m`; at most a day.
  static func time(_ text: String) throws -> Milliseconds {
    let units = [("ms", Int64(1)), ("s", 1_000), ("m", 60_000)]
    guard let (suffix, scale) = units.first(where: { text.hasSuffix($0.0) }),
      let number = Int64(text.dropLast(suffix.count)), (0...86_400_000).contains(number)
    else { throw ValidationError("\"\(text)\" is no length of time: write 500ms, 2s or 1m.") }
    return Milliseconds(number * scale)
  }
}

struct ServeCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Run the control plane in the foreground.",
    discussion: """
      `segue up` starts it in the background; a service manager runs this. It starts the proxy and \
      the instances in sessions of their own: they go on serving when it stops, and it finds them \
      again when it starts.

      EXAMPLES:
        segue serve --source /srv/git/shop.git --state /var/lib/segue/shop --listen 0.0.0.0:80
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var arguments: ServeArguments

  func run(in context: Context) async throws -> ExitStatus {
    let options = try arguments.options(common, context)
    try StateDirectory.create(options.state)
    try await context.composition.serve(options)
    return .success
  }
}
