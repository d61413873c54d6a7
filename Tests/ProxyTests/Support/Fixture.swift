import Foundation
import Logging
import Ports
import SegueModel
import Testing

@testable import Proxy

/// A proxy with its own directory, and a director to steer it.
struct Fixture: Sendable {
  let server: ProxyServer
  let director: ProxyDirector
  let directory: String

  var port: Int { server.port }
  static let key = ServiceKey(environment: "production", service: "web")

  func connect(receiveBuffer: Int32? = nil) throws -> Socket {
    try Socket.connect(port: port, receiveBuffer: receiveBuffer)
  }

  /// Sends everything to these ports.
  func route(_ ports: [Int], generation: UInt64 = 1) async throws {
    try await director.apply(Self.table(ports, generation: generation))
  }

  static func table(
    _ ports: [Int], generation: UInt64 = 1, release: ReleaseID = "r-1", key: ServiceKey = key,
    route: RouteSpec = RouteSpec()
  ) -> ServiceTable {
    ServiceTable(
      key: key, generation: Generation(generation), route: route,
      versions: ports.isEmpty
        ? []
        : [
          VersionTarget(
            release: release, weight: .all,
            endpoints: ports.map { Endpoint(instance: InstanceID("i-\($0)"), port: $0) })
        ])
  }

  func report() async throws -> ServiceReport {
    try #require(try await director.report().first { $0.key == Self.key })
  }

  static func temporaryDirectory() throws -> String {
    var template = Array("/tmp/segue-proxy-XXXXXX".utf8CString)
    guard let path = mkdtemp(&template) else { throw CocoaError(.fileWriteUnknown) }
    return String(cString: path)
  }
}

/// Runs a test against a proxy that is stopped whatever happens.
///
/// - Parameter secureHost: whom TLS is spoken for besides, with a certificate of its own.
func withProxy(
  limits: ProxyLimits = ProxyLimits(), directory: String? = nil, threads: Int = 2,
  naming: RequestNaming = RequestNaming(), accessLog: String? = nil, errorPages: String? = nil,
  secureHost: String? = nil, _ body: (Fixture) async throws -> Void
) async throws {
  let own = try directory ?? Fixture.temporaryDirectory()
  defer { if directory == nil { try? FileManager.default.removeItem(atPath: own) } }
  var configuration = ProxyConfiguration(
    controlSocket: own + "/control", stateDirectory: own, threads: threads, limits: limits)
  configuration.naming = naming
  configuration.accessLog = accessLog
  configuration.errorPages = errorPages
  if let secureHost {
    let certificates = own + "/certificates"
    try await Certificates.make(for: secureHost, in: certificates)
    configuration.tls = TLSListening(
      host: "127.0.0.1", port: 0, certificates: [.directory(certificates)])
  }
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  let server = try await ProxyServer.start(configuration, logger: logger)
  let fixture = Fixture(
    server: server,
    director: ProxyDirector(controlSocket: own + "/control", deadline: .seconds(60)),
    directory: own)
  do {
    try await body(fixture)
  } catch {
    await server.shutdownGracefully(deadline: .zero)
    throw error
  }
  await server.shutdownGracefully(deadline: .zero)
}

/// Waits until a condition holds, at most 60 s.
func eventually(
  _ what: Comment, _ condition: () async throws -> Bool,
  sourceLocation: SourceLocation = #_sourceLocation
) async throws {
  let end = ContinuousClock.now + .seconds(60)
  while ContinuousClock.now < end {
    if try await condition() { return }
    try await Task.sleep(for: .milliseconds(5))
  }
  Issue.record(what, sourceLocation: sourceLocation)
}
