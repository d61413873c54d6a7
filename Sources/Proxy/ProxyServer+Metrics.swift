import Logging
import NIOCore
import SegueModel
import TrafficRouting

/// The figures of a running proxy.
extension ProxyServer {
  /// What the figures ask the server itself.
  struct Standing {
    var isDraining: @Sendable () -> Bool
    /// The certificates in use, and when each ends, in seconds since 1970.
    var certificates: @Sendable () -> [(name: String, ends: Int64)]
  }

  /// Begins to tell them if the configuration says where. An address that cannot be had costs the
  /// figures and not the requests: it may be taken by a proxy that is still draining.
  ///
  /// - Throws: `PortError` when the address is no address, which no waiting will mend.
  static func openMetrics(
    _ configuration: ProxyConfiguration, group: any EventLoopGroup, keeper: TableKeeper,
    accessLog: AccessLog?, logger: Logger, standing: Standing
  ) async throws -> MetricsListener? {
    guard let text = configuration.metrics else { return nil }
    let address = try MetricsAddress(parsing: text)
    let start = NIODeadline.now()
    let version = configuration.version
    let source = MetricsListener.Source(
      text: {
        keeper.report().and(keeper.status()).and(keeper.figures()).map { parts, figures in
          let (reports, status) = parts
          var gauges = ProxyGauges(version: version)
          gauges.connectionsOpen = status.connections
          gauges.connectionsAccepted = figures.reduce(0) { $0 + $1.accepted }
          gauges.upgrades = figures.reduce(0) { $0 + $1.upgrades }
          gauges.loopLag = figures.map(\.lag)
          for report in reports { gauges.ejections[report.key] = report.ejections }
          for certificate in standing.certificates() {
            gauges.certificatesEnd[certificate.name] = certificate.ends
          }
          gauges.accessLogDropped = accessLog?.dropped
          let uptime = (NIODeadline.now() - start).nanoseconds / 1_000_000
          gauges.uptime = Milliseconds(uptime)
          return PrometheusText.render(reports, proxy: gauges)
        }
      }, isDraining: standing.isDraining)
    do {
      return try await MetricsListener.open(address, group: group, source: source)
    } catch {
      logger.error(
        "metrics are not served", metadata: ["address": "\(text)", "reason": "\(error)"])
      return nil
    }
  }
}
