internal import ArgumentParser
internal import ControlProtocol

struct ProxyCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "proxy",
    abstract: "Run the proxy in the foreground; the control plane starts it by itself.",
    subcommands: [UpgradeProxyCommand.self])

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: ProxyPlace
  @Option(
    help: ArgumentHelp("Where to take requests: HOST:PORT.", valueName: "address"),
    transform: Parse.address)
  var listen = ListenAddress()
  @Option(help: ArgumentHelp("Event loops. Default: one a core.", valueName: "n"))
  var threads: Int?
  @Option(
    help: ArgumentHelp(
      "Where the proxy tells its figures to Prometheus: HOST:PORT, PORT or unix:/PATH. "
        + "Default: nowhere.", valueName: "address"), transform: Parse.metrics)
  var metrics: String?
  @OptionGroup var tls: TLSArguments
  @OptionGroup var requests: RequestArguments
  @Flag(
    help: """
      Take over from the proxy that runs: its address, its tables, then its clients. `segue proxy \
      upgrade` does this in the background.
      """)
  var takeOver = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1.") }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let state = try context.state(common)
    let options = ProxyOptions(
      listen: listen, controlSocket: place.socket(in: state), state: state, threads: threads,
      takesOver: takeOver, metrics: metrics, tls: tls.options(from: context.directory),
      requests: requests.options(from: context.directory))
    try await context.composition.proxy(options)
    return .success
  }
}

/// How a proxy speaks TLS.
struct TLSArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where to take requests inside TLS: HOST:PORT. Certificates that routes want, and those in "
        + "`certificates` of the state directory, need not be named.", valueName: "address"),
    transform: Parse.address)
  var tlsListen: ListenAddress?
  @Option(
    help: ArgumentHelp(
      "A certificate with its chain, and its key, both PEM. May be given more than once; the first "
        + "is for clients that name no host. Read again when a file changes.",
      valueName: "cert:key"), transform: Self.pair)
  var certificate: [CertificatePaths] = []
  @Option(
    help: ArgumentHelp(
      "A folder of certificates: NAME.crt or NAME.pem, each with NAME.key.", valueName: "folder"))
  var certificates: String?
  @Flag(help: "Answer requests without TLS with the address with it.")
  var redirectToTLS = false

  private static func pair(_ text: String) throws -> CertificatePaths {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts.contains("") else {
      throw ValidationError("\"\(text)\" is no certificate and key: write CERT:KEY.")
    }
    return CertificatePaths(certificate: String(parts[0]), key: String(parts[1]))
  }

  func validate() throws {
    guard tlsListen == nil else {
      return
    }
    if !certificate.isEmpty || certificates != nil || redirectToTLS {
      throw ValidationError("Certificates and redirects need --tls-listen.")
    }
  }

  /// - Parameter directory: what relative paths begin at.
  func options(from directory: String) -> TLSOptions? {
    tlsListen.map { address in
      TLSOptions(
        listen: address,
        certificates: certificate.map { pair in
          CertificatePaths(
            certificate: Parse.path(pair.certificate, from: directory),
            key: Parse.path(pair.key, from: directory))
        }, folder: certificates.map { Parse.path($0, from: directory) }, redirects: redirectToTLS)
    }
  }
}

/// What a proxy says of requests, and whom it believes.
struct RequestArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A file that gets a line of JSON for each request; opened anew on SIGHUP.",
      valueName: "file"))
  var accessLog: String?
  @Option(
    help: ArgumentHelp(
      "A directory with pages for answers of the proxy's own: 502.html, 5xx.html. "
        + "{{status}}, {{phrase}}, {{reason}} and {{request}} are filled in.",
      valueName: "directory"))
  var errorPages: String?
  @Option(
    help: ArgumentHelp(
      "A proxy or a network of proxies before this one, such as 10.0.0.0/8, whose word about where "
        + "a request comes from is believed. May be given more than once.", valueName: "network"))
  var trust: [String] = []
  @Flag(inversion: .prefixedNo, help: "Name each request in X-Request-Id.")
  var requestIds = true
  @Flag(help: "Tell instances in Forwarded (RFC 7239), too, where a request comes from.")
  var forwarded = false
  @Option(
    help: ArgumentHelp(
      "What becomes of requests without a traceparent: pass (nothing), begin (a trace that is not "
        + "sampled), sample (one that is).", valueName: "how"), transform: Self.traces)
  var traces = RequestOptions.Traces.pass

  private static func traces(_ text: String) throws -> RequestOptions.Traces {
    guard let traces = RequestOptions.Traces(rawValue: text) else {
      throw ValidationError("\"\(text)\" is no way to treat traces: write pass, begin or sample.")
    }
    return traces
  }

  /// - Parameter directory: what relative paths begin at.
  func options(from directory: String) -> RequestOptions {
    RequestOptions(
      accessLog: accessLog.map { Parse.path($0, from: directory) },
      errorPages: errorPages.map { Parse.path($0, from: directory) }, trusted: trust,
      ids: requestIds, forwarded: forwarded, traces: traces)
  }
}

/// Where a proxy is spoken to.
struct ProxyPlace: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The socket on which the control plane speaks to it. Default: proxy.sock in the state "
        + "directory.", valueName: "path"))
  var controlSocket: String?

  func socket(in state: String) -> String {
    controlSocket ?? StateDirectory.proxySocket(in: state)
  }
}

struct UpgradeProxyCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "upgrade",
    abstract: "Replace the running proxy by one of this very binary, without a gap.",
    discussion: """
      The new proxy gets the listening socket of the old one, reads its tables, and begins to serve; \
      only then does the old one stop accepting, finish what it has in flight, and end. If the new \
      one cannot start, or dies on the way, the old one simply goes on.

      EXAMPLES:
        segue proxy upgrade --state /var/lib/segue
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var place: ProxyPlace

  func run(in context: Context) async throws -> ExitStatus {
    let state = try context.state(common)
    let message = try await context.composition.upgradeProxy(
      state: state, controlSocket: place.socket(in: state))
    let console = context.console(common)
    if common.json {
      try await console.print(JSONText.line(["message": message]))
    } else {
      try await console.print(message)
    }
    return .success
  }
}
