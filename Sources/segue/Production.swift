import CLinux
import Commands
import ControlPlane
import ControlProtocol
import ControlServer
import EvidenceStore
import Foundation
import HTTPProbe
import Logging
import MetricSources
import OutboundHTTP
import PipelineRunner
import Ports
import ProcessPlatform
import Provenance
import Proxy
import SQLiteJournal
import SegueModel
import ServiceLifecycle
import SpecFile
import TrafficRouting
import UnixSignals

/// Segue as it is in production: every port with its real adapter.
struct Production: Composition {
  /// How long a control plane that was told to stop may finish what it holds.
  private static let shutdownPatience = Duration.seconds(10)
  /// How long one question to a source of metrics may take.
  private static let metricPatience = Milliseconds.seconds(5)

  func serve(_ options: ServeOptions) async throws {
    do {
      try await serveOrThrow(options)
    } catch let error as PortError {
      throw ControlError(
        error.fault == .user ? .refused : .failed, error.what, causes: error.causes,
        nextStep: error.nextStep)
    }
  }

  private func serveOrThrow(_ options: ServeOptions) async throws {
    let lock = try StateLock.acquire(directory: options.state)
    defer { lock.release() }
    let logger = Logger(label: "segue") { _ in StreamLogHandler.standardError(label: "segue") }
    let journal = try await SQLiteJournal.open(directory: options.state)
    let source = try await source(options)
    let supervisor = ProxySupervisor(options, logger: logger)
    try await supervisor.start()
    let platform = try platform(options, logger)
    let migrations = try ProcessMigrationRunner(
      stateDirectory: options.state, secrets: SecretFiles(directory: options.state + "/secrets"),
      time: SystemTime(), logger: logger)
    var world = try world(
      options, journal, source, platform, migrations, supervisor.director, logger)
    let certificates = CertificateDesk(options, logger: logger)
    if options.tls != nil { world.certificates = certificates }
    let metrics = OutboundClient(time: SystemTime(), deadline: Self.metricPatience)
    world.metricSource = { Self.metricSource($0, metrics) }
    let history = try await EvidenceStore.open(directory: options.state)
    world.evidence = EvidenceParts.desk(history)
    world.papers = ReleaseNotary(
      key: try SigningKey.open(directory: options.state), builder: Self.builderName,
      version: segueVersion)
    let outreach = Outreach(options, source: source, logger: logger)
    outreach.join(&world)
    let controlPlane = ControlPlane(
      world: world,
      settings: await settings(options, source)
    ) { await supervisor.status() }
    try await controlPlane.start()
    let server = ControlServer(
      api: controlPlane, socketPath: options.controlSocket, logger: logger
    ) {
      logger.info(
        "serving",
        metadata: ["proxy": "\(options.listen)", "remote": "\(options.remote)"])
      ServiceManager.notify("READY=1")
    }
    var configuration = ServiceGroupConfiguration(
      services: [
        .init(service: supervisor), .init(service: controlPlane), .init(service: server),
        .init(service: certificates),
        .init(
          service: Housekeeping(platform: platform, migrations: migrations, logger: logger)),
        .init(service: EvidenceKeeping(store: history, logger: logger)),
      ] + outreach.services(for: controlPlane), gracefulShutdownSignals: [.sigterm, .sigint],
      logger: Self.quiet)
    configuration.maximumGracefulShutdownDuration = Self.shutdownPatience
    try await ServiceGroup(configuration: configuration).run()
    ServiceManager.notify("STOPPING=1")
    await metrics.shutdown()
    try await history.close()
    try await journal.close()
  }

  /// What statements about releases name as their builder: this machine's Segue.
  private static var builderName: String {
    "https://segue.invalid/\(ProcessInfo.processInfo.hostName)"
  }

  /// The lifecycle's own messages are of no use to operators.
  private static var quiet: Logger {
    var logger = Logger(label: "segue.lifecycle") { _ in
      StreamLogHandler.standardError(label: "segue.lifecycle")
    }
    logger.logLevel = .error
    return logger
  }

  // MARK: Parts

  private func platform(_ options: ServeOptions, _ logger: Logger) throws -> ProcessPlatform {
    try ProcessPlatform(
      stateDirectory: options.state, secrets: SecretFiles(directory: options.state + "/secrets"),
      time: SystemTime(), keeper: [Self.executable, "keep-sockets"], logger: logger)
  }

  private func world(
    _ options: ServeOptions, _ journal: SQLiteJournal, _ source: any Source,
    _ platform: ProcessPlatform, _ migrations: ProcessMigrationRunner,
    _ director: ProxyDirector, _ logger: Logger
  ) throws -> Dependencies {
    let environment = ProcessInfo.processInfo.environment
    return Dependencies(
      journal: journal, source: source,
      pipeline: LocalPipelineExecutor(
        source: source, secrets: SecretFiles(directory: options.state + "/secrets"),
        stateDirectory: options.state, environment: environment,
        searchPath: environment["PATH"] ?? LocalPipelineExecutor.standardSearchPath,
        parallelism: options.parallelSteps),
      releases: ContentReleaseStore(), platform: platform, migrations: migrations,
      director: director, probe: HTTPProbe(), time: SystemTime(), readSpec: Self.readSpec,
      zones: SystemZones.library, logger: logger)
  }

  private static func metricSource(
    _ metric: MetricSpec, _ http: OutboundClient
  ) -> any MetricSource {
    switch metric.source {
    case .prometheus(let address, let query):
      PrometheusSource(address: address, kind: .value(query: query), http: http)
    case .prometheusCounts(let address, let events, let bad):
      PrometheusSource(address: address, kind: .counts(events: events, bad: bad), http: http)
    case .json(let address, let path): JSONSource(address: address, path: path, http: http)
    case .command(let line, let path): CommandSource(command: line, path: path)
    }
  }

  private static func readSpec(_ bytes: [UInt8]) throws(PortError) -> ProjectSpec {
    do {
      return try SpecReader.read(bytes: bytes)
    } catch {
      throw PortError(
        "segue.yaml is refused:\n\(error.rendered)", fault: .user, retry: .never)
    }
  }

  private func settings(_ options: ServeOptions, _ source: any Source) async
    -> ControlPlaneSettings
  {
    let spec = await currentSpec(source)
    return ControlPlaneSettings(
      version: segueVersion, project: spec?.project, deployBranch: spec?.deployBranch ?? "main",
      pollInterval: options.pollInterval, stateDirectory: options.state,
      sourceName: options.source)
  }

  /// What the source's own head says, where there is one already: it names the deploy branch.
  private func currentSpec(_ source: any Source) async -> ProjectSpec? {
    guard let head = try? await source.resolve("HEAD"),
      let bytes = try? await source.file("segue.yaml", at: head.id, limit: 256 * 1_024)
    else { return nil }
    return try? SpecReader.read(bytes: bytes)
  }

  private func source(_ options: ServeOptions) async throws -> any Source {
    let environment = ProcessInfo.processInfo.environment
    let cache = options.state + "/mirror"
    let isRemote = options.source.contains("://") || options.source.contains(":")
    let watched: any Source =
      isRemote
      ? RemoteSource(address: options.source, cacheDirectory: cache, environment: environment)
      : LocalSource(path: options.source, cacheDirectory: cache, environment: environment)
    guard options.embeddedRemote else { return watched }
    let embedded = EmbeddedRemote(directory: options.remote, environment: environment)
    let branch = await currentSpec(watched)?.deployBranch ?? "main"
    try await embedded.install(
      binary: Self.executable, stateDirectory: options.state, branch: branch)
    return options.source == options.remote
      ? embedded : PushedSource(watched: watched, embedded: embedded)
  }

  /// The program that runs now, also after its file was replaced by a newer one.
  static var executable: String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
      ?? CommandLine.arguments[0]
  }

  // MARK: Proxy

  func proxy(_ options: ProxyOptions) async throws {
    let directory = options.state + "/proxy"
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var configuration = ProxyConfiguration(
      host: options.listen.host, port: options.listen.port, controlSocket: options.controlSocket,
      stateDirectory: directory)
    if let threads = options.threads { configuration.threads = threads }
    configuration.takesOver = options.takesOver
    let folder = CertificateDesk.folder(in: options.state)
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    configuration.tls = options.tls.map { tls in
      let pairs = tls.certificates.map { files in
        CertificateSource.pair(certificate: files.certificate, key: files.key)
      }
      return TLSListening(
        host: tls.listen.host, port: tls.listen.port,
        certificates: pairs + (tls.folder.map { [.directory($0)] } ?? []) + [.directory(folder)],
        redirects: tls.redirects)
    }
    configuration.certificateFolder = folder
    configuration.metrics = options.metrics
    configuration.accessLog = options.requests.accessLog
    configuration.errorPages = options.requests.errorPages
    configuration.naming = try naming(options.requests)
    configuration.version = segueVersion
    let logger = Logger(label: "segue.proxy") { _ in
      StreamLogHandler.standardError(label: "segue.proxy")
    }
    do {
      try await ProxyProcess.run(configuration, logger: logger) { segue_release_program_pages() }
    } catch let error as PortError {
      throw ControlError(.failed, error.what, causes: error.causes, nextStep: error.nextStep)
    }
  }

  private func naming(_ options: RequestOptions) throws -> RequestNaming {
    var naming = RequestNaming()
    naming.ids = options.ids
    naming.forwarded = options.forwarded
    switch options.traces {
    case .pass: naming.traces = .passOn
    case .begin: naming.traces = .begin(isSampled: false)
    case .sample: naming.traces = .begin(isSampled: true)
    }
    do {
      naming.trusted = try TrustedPeers(parsing: options.trusted)
    } catch {
      throw ControlError(
        .refused, "--trust: \(error.description)", nextStep: "Write a network such as 10.0.0.0/8")
    }
    return naming
  }

  func upgradeProxy(state: String, controlSocket: String) async throws -> String {
    do {
      let (old, new) = try await ProxyUpgrade(state: state, controlSocket: controlSocket).run()
      return "proxy \(new) took over from \(old), which finishes what it has in flight"
    } catch let error as PortError {
      throw ControlError(.failed, error.what, causes: error.causes, nextStep: error.nextStep)
    }
  }

  // MARK: Sockets

  func keepSockets() async throws {
    segue_release_program_pages()
    // Passed descriptors begin at 3 (sd_listen_fds(3)). The call blocks this thread for good, which is
    // what this process is for.
    SocketKeeper.serve(3)
  }

  // MARK: Pushes

  func judge(_ push: PushedRefs) async throws -> PushJudgement { try await PushJudge(push).judge() }

  // MARK: Down

  /// Stops the daemon, then every instance, then the proxy: in this order nothing is started anew.
  func down(state: String) async throws -> String {
    do {
      try await Daemon.stop(state: state)
      let logger = Logger(label: "segue") { _ in StreamLogHandler.standardError(label: "segue") }
      let platform = try ProcessPlatform(
        stateDirectory: state, secrets: SecretFiles(directory: state + "/secrets"),
        time: SystemTime(), logger: logger)
      let running = try await platform.observe()
      for instance in running {
        _ = try await platform.stop(instance, deadline: .seconds(10))
      }
      let proxy = try await ProxySupervisor.stop(state: state)
      try await ProcessPlatform.stopKeeper(stateDirectory: state)
      let count = running.count == 1 ? "1 instance" : "\(running.count) instances"
      return "stopped the daemon, \(count)\(proxy ? " and the proxy" : "")"
    } catch let error as PortError {
      throw ControlError(.failed, error.what, causes: error.causes, nextStep: error.nextStep)
    }
  }
}

/// Keeps logs within their bounds and forgets instances that stopped long ago.
struct Housekeeping: Service {
  let platform: ProcessPlatform
  let migrations: ProcessMigrationRunner
  let logger: Logger

  func run() async throws {
    // Being told to stop is no failure: thrown on, the cancellation would cut the others short.
    try? await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          try await platform.maintain()
          try await migrations.maintain()
        } catch {
          logger.warning("housekeeping failed", metadata: ["error": "\(error)"])
        }
        try await Task.sleep(for: .seconds(5))
      }
    }
  }
}
