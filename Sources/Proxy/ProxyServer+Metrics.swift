import Logging
import NIOCore
import SegueModel
import TrafficRouting

/// The figures of a running proxy.
extension ProxyServer {
  /// Begins to tell them if the configuration says where. An address that cannot be had costs the
  /// figures and not the requests: it may be taken by a proxy that is still draining.
  ///
  /// - Throws: `PortError` when the address is no address, which no waiting will mend.
  static func openMetrics(
    _ configuration: ProxyConfiguration, group: any EventLoopGroup, keeper: TableKeeper,
    accessLog: AccessLog?, logger: Logger, isDraining: @escaping @Sendable () -> Bool
  ) async throws -> MetricsListener? {
    guard let text = configuration.metrics else { return nil }
    let address = try MetricsAddress(parsing: text)
    let start = NIODeadline.now()
    let version = configuration.version
    let source = MetricsListener.Source(
      text: {
        keeper.report().and(keeper.status()).map { reports, status in
          var gauges = ProxyGauges(version: version)
          gauges.connectionsOpen = status.connections
          gauges.accessLogDropped = accessLog?.dropped
          let uptime = (NIODeadline.now() - start).nanoseconds / 1_000_000
          gauges.uptime = Milliseconds(uptime)
          return PrometheusText.render(reports, proxy: gauges)
        }
      }, isDraining: isDraining)
    do {
      return try await MetricsListener.open(address, group: group, source: source)
    } catch {
      logger.error(
        "metrics are not served", metadata: ["address": "\(text)", "reason": "\(error)"])
      return nil
    }
  }
}
