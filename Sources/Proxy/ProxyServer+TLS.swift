import Glibc
import Logging
import NIOCore
import Ports
import TransportSecurity

extension ProxyServer {
  /// How often the files of certificates are looked at.
  private static let certificateInterval = TimeAmount.seconds(2)

  /// Begins to speak TLS, if the configuration says where.
  ///
  /// - Parameters:
  ///   - inherited: the listening socket of the proxy that was taken over from.
  ///   - tickets: and its keys, so that sessions are resumed.
  func listenWithTLS(on inherited: CInt?, tickets: TicketKeys?) async throws {
    guard let tls = configuration.tls else {
      if let inherited { close(inherited) }
      return
    }
    let keeper: CertificateKeeper
    do {
      keeper = try CertificateKeeper(tls.certificates, tickets: tickets, logger: logger)
    } catch {
      throw PortError(
        "The proxy cannot speak TLS", fault: .platform, retry: .safe, causes: ["\(error)"])
    }
    // Into a folder, they may come later: a certificate authority has to find the proxy running first.
    guard !keeper.store.certificates.isEmpty || tls.certificates.contains(where: \.canGrow) else {
      if let inherited { close(inherited) }
      throw PortError(
        "The proxy has no certificate to speak TLS with", fault: .user, retry: .never,
        causes: keeper.store.faults.map(\.description),
        nextStep: "Name one with --certificate CERT:KEY, or a folder of them with --certificates")
    }
    let descriptor = try inherited ?? ListeningSocket.tcp(host: tls.host, port: tls.port)
    adopt(descriptor, keeper, redirects: tls.redirects)
    controlLoop.scheduleRepeatedTask(
      initialDelay: Self.certificateInterval, delay: Self.certificateInterval
    ) { [workers] _ in
      guard let store = keeper.refresh() else { return }
      for worker in workers { worker.loop.execute { worker.certificates = store } }
    }
  }

  private func adopt(_ descriptor: CInt, _ keeper: CertificateKeeper, redirects: Bool) {
    ListeningSocket.prepare(descriptor)
    let port = ListeningSocket.address(of: descriptor)?.port ?? 0
    setSecure(descriptor, port: port, keeper)
    let store = keeper.store
    for worker in workers {
      worker.loop.execute {
        worker.certificates = store
        worker.redirectPort = redirects ? port : nil
      }
    }
    accept(from: descriptor, isSecure: true)
    logger.info("proxy speaks TLS", metadata: ["port": "\(port)"])
  }
}
