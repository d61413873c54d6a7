public import SegueModel

/// What the executable puts together for the commands: they know what is to run, and only the
/// composition root knows what it is made of.
public protocol Composition: Sendable {
  /// Runs the control plane until it is told to stop.
  func serve(_ options: ServeOptions) async throws
  /// Runs the proxy until it is told to stop.
  func proxy(_ options: ProxyOptions) async throws
  /// Has a proxy of this very binary take over from the one that runs with `state`; says which did from
  /// which. Returns when the new one serves; the old one may still be finishing what it has.
  func upgradeProxy(state: String, controlSocket: String) async throws -> String
  /// Keeps open, for every control plane to come, the sockets it is given through descriptor 3; until
  /// it is killed.
  func keepSockets() async throws
  /// Stops the control plane, every instance and the proxy of a state directory; says what it
  /// stopped.
  func down(state: String) async throws -> String
  /// Starts `segue serve` with these options, in a session of its own, its output going to `log`.
  /// Returns as soon as the process exists.
  func startDaemon(_ options: ServeOptions, log: String) async throws -> DaemonProcess
  /// Holds a push against the policy, in Git's hook and before anything of it is taken.
  func judge(_ push: PushedRefs) async throws -> PushJudgement
}

/// What somebody pushes to the embedded remote.
public struct PushedRefs: Hashable, Sendable {
  public struct Update: Hashable, Sendable {
    public var branch: String
    /// `nil`: the branch is new.
    public var old: CommitID?
    public var new: CommitID

    public init(branch: String, old: CommitID?, new: CommitID) {
      self.branch = branch
      self.old = old
      self.new = new
    }
  }

  public var updates: [Update]
  public var deployBranch: String
  /// The bare repository.
  public var repository: String
  public var state: String
  /// Of the hook: Git says in it where it keeps what is being pushed.
  public var environment: [String: String]

  public init(
    updates: [Update], deployBranch: String, repository: String, state: String,
    environment: [String: String]
  ) {
    self.updates = updates
    self.deployBranch = deployBranch
    self.repository = repository
    self.state = state
    self.environment = environment
  }
}

/// What the policy says to a push. Each entry is what is wrong, and what to do.
public struct PushJudgement: Hashable, Sendable {
  public struct Remark: Hashable, Sendable {
    public var what: String
    public var nextStep: String

    public init(what: String, nextStep: String) {
      self.what = what
      self.nextStep = nextStep
    }
  }

  /// With one of these the push is refused.
  public var refusals: [Remark]
  /// What could not be found out now, and is asked again before a rollout.
  public var open: [Remark]

  public init(refusals: [Remark] = [], open: [Remark] = []) {
    self.refusals = refusals
    self.open = open
  }
}

extension Composition {
  /// Everything may come in.
  public func judge(_ push: PushedRefs) async throws -> PushJudgement { PushJudgement() }

  public func startDaemon(_ options: ServeOptions, log: String) async throws -> DaemonProcess {
    try DaemonProcess(
      executable: "/proc/self/exe", arguments: ["segue", "serve"] + options.arguments, log: log)
  }
}

/// What `segue serve` is told.
public struct ServeOptions: Hashable, Sendable {
  /// The directory for everything that has to survive a restart.
  public var state: String
  /// The repository whose deploy branch is deployed: an absolute path or a URL.
  public var source: String
  /// Where the proxy takes requests.
  public var listen: ListenAddress
  /// Between two looks at the source.
  public var pollInterval: Milliseconds
  /// Steps of one pipeline that may run at the same time; `nil`: one for each core.
  public var parallelSteps: Int?
  /// Whether to keep a bare repository in the state directory that people can push to.
  public var embeddedRemote: Bool
  /// Where the proxy tells its figures: `HOST:PORT` or `unix:/path`; `nil`: nowhere.
  public var metrics: String?
  /// How the proxy speaks TLS; `nil`: not at all.
  public var tls: TLSOptions?
  public var requests: RequestOptions
  /// Where the forge's webhooks are taken; `nil`: nowhere.
  public var webhooks: ListenAddress?

  public init(
    state: String, source: String, listen: ListenAddress = ListenAddress(),
    pollInterval: Milliseconds = .seconds(2), parallelSteps: Int? = nil,
    embeddedRemote: Bool = true, metrics: String? = nil, tls: TLSOptions? = nil,
    requests: RequestOptions = RequestOptions(), webhooks: ListenAddress? = nil
  ) {
    self.state = state
    self.source = source
    self.listen = listen
    self.pollInterval = pollInterval
    self.parallelSteps = parallelSteps
    self.embeddedRemote = embeddedRemote
    self.metrics = metrics
    self.tls = tls
    self.requests = requests
    self.webhooks = webhooks
  }

  /// The control API's socket.
  public var controlSocket: String { StateDirectory.controlSocket(in: state) }
  /// The bare repository to push to.
  public var remote: String { StateDirectory.remote(in: state) }

  /// The arguments after `segue serve` that say the same.
  public var arguments: [String] {
    var arguments = [
      "--state", state, "--source", source, "--listen", "\(listen)", "--poll-interval",
      "\(pollInterval.count)ms",
    ]
    if let parallelSteps { arguments += ["--parallel", "\(parallelSteps)"] }
    arguments += proxyArguments
    if let webhooks { arguments += ["--webhooks", "\(webhooks)"] }
    arguments.append(embeddedRemote ? "--embedded-remote" : "--no-embedded-remote")
    return arguments
  }
}

extension ServeOptions {
  /// What the proxy is told as well, as both say it.
  public var proxyArguments: [String] {
    (metrics.map { ["--metrics", $0] } ?? []) + (tls?.arguments ?? []) + requests.arguments
  }
}

/// What `segue proxy` is told.
public struct ProxyOptions: Hashable, Sendable {
  public var listen: ListenAddress
  /// The Unix socket on which the control plane gives it its tables.
  public var controlSocket: String
  /// Where it keeps the last good table.
  public var state: String
  /// Event loops; `nil`: one for each core.
  public var threads: Int?
  /// Takes over from the proxy that runs, and then listens where that did.
  public var takesOver: Bool
  /// Where it tells its figures: `HOST:PORT` or `unix:/path`; `nil`: nowhere.
  public var metrics: String?
  /// `nil`: no TLS.
  public var tls: TLSOptions?
  public var requests: RequestOptions

  public init(
    listen: ListenAddress, controlSocket: String, state: String, threads: Int? = nil,
    takesOver: Bool = false, metrics: String? = nil, tls: TLSOptions? = nil,
    requests: RequestOptions = RequestOptions()
  ) {
    self.listen = listen
    self.controlSocket = controlSocket
    self.state = state
    self.threads = threads
    self.takesOver = takesOver
    self.metrics = metrics
    self.tls = tls
    self.requests = requests
  }
}

/// What the proxy says of requests, to whom, and whom it believes.
public struct RequestOptions: Hashable, Sendable {
  public enum Traces: String, Hashable, Sendable, CaseIterable {
    /// `traceparent` goes on as it came.
    case pass
    /// A request without one gets one that is not sampled.
    case begin
    /// The same, sampled.
    case sample
  }

  /// A file that gets a line for each request; `nil`: none.
  public var accessLog: String?
  /// A directory with pages such as `502.html`; `nil`: the proxy's own.
  public var errorPages: String?
  /// Networks of proxies before this one, such as `10.0.0.0/8`.
  public var trusted: [String]
  public var ids: Bool
  /// `Forwarded` (RFC 7239) as well.
  public var forwarded: Bool
  public var traces: Traces

  public init(
    accessLog: String? = nil, errorPages: String? = nil, trusted: [String] = [], ids: Bool = true,
    forwarded: Bool = false, traces: Traces = .pass
  ) {
    self.accessLog = accessLog
    self.errorPages = errorPages
    self.trusted = trusted
    self.ids = ids
    self.forwarded = forwarded
    self.traces = traces
  }

  /// The arguments of `segue proxy` and `segue serve` that say the same.
  public var arguments: [String] {
    var arguments: [String] = []
    if let accessLog { arguments += ["--access-log", accessLog] }
    if let errorPages { arguments += ["--error-pages", errorPages] }
    for network in trusted { arguments += ["--trust", network] }
    if !ids { arguments.append("--no-request-ids") }
    if forwarded { arguments.append("--forwarded") }
    if traces != .pass { arguments += ["--traces", traces.rawValue] }
    return arguments
  }
}

/// Where and how the proxy speaks TLS.
public struct TLSOptions: Hashable, Sendable {
  public var listen: ListenAddress
  public var certificates: [CertificatePaths]
  /// A folder of more.
  public var folder: String?
  /// Requests without TLS are sent to it.
  public var redirects: Bool

  public init(
    listen: ListenAddress, certificates: [CertificatePaths], folder: String?, redirects: Bool
  ) {
    self.listen = listen
    self.certificates = certificates
    self.folder = folder
    self.redirects = redirects
  }

  /// The arguments of `segue proxy` and `segue serve` that say the same.
  public var arguments: [String] {
    var arguments = ["--tls-listen", "\(listen)"]
    for pair in certificates { arguments += ["--certificate", "\(pair.certificate):\(pair.key)"] }
    if let folder { arguments += ["--certificates", folder] }
    if redirects { arguments.append("--redirect-to-tls") }
    return arguments
  }
}

/// Files of a certificate with its chain, and of its key.
public struct CertificatePaths: Hashable, Sendable {
  public var certificate: String
  public var key: String

  public init(certificate: String, key: String) {
    self.certificate = certificate
    self.key = key
  }
}

/// An address to listen on. Nothing beyond this machine unless it is said: the default host is
/// `127.0.0.1`.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
  /// A literal address or a name, without brackets.
  public var host: String
  /// 0 takes any free one.
  public var port: Int

  public init(host: String = "127.0.0.1", port: Int = 8080) {
    self.host = host
    self.port = port
  }

  /// `HOST:PORT`, `[::1]:PORT`, or `PORT` alone; `nil` for anything else.
  public init?(parsing text: String) {
    let host: Substring
    let port: Substring
    if let colon = text.lastIndex(of: ":") {
      host = text[..<colon]
      port = text[text.index(after: colon)...]
    } else {
      host = "127.0.0.1"
      port = text[...]
    }
    let bracketed = host.hasPrefix("[") && host.hasSuffix("]")
    let name = bracketed ? host.dropFirst().dropLast() : host
    guard !name.isEmpty, bracketed || !name.contains(":"), !name.contains("/"),
      !port.isEmpty, port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
      let number = Int(port), number <= 65_535
    else { return nil }
    self.init(host: String(name), port: number)
  }

  public var description: String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}
