import NIOCore
import NIOPosix
import NIOSSL
public import Ports
public import SegueModel

/// How mail is handed to a mail server.
public struct SMTPSettings: Sendable {
  public enum Security: Hashable, Sendable {
    /// TLS from the first octet, by custom on port 465 (RFC 8314).
    case implicitTLS
    /// STARTTLS, without which nothing is sent: by custom port 587.
    case startTLS
    /// Everybody on the way reads the mail and the password. For a server on this machine.
    case none
  }

  public var host: String
  public var port: Int
  public var security: Security
  public var user: String?
  public var password: Secret?
  public var from: EmailAddress
  public var to: [EmailAddress]
  /// Certificates in PEM to trust instead of the system's.
  public var trustedCertificates: String?
  /// From the first packet to the server's word that it has the mail.
  public var deadline = Milliseconds.seconds(60)

  public init(
    host: String, port: Int, security: Security, user: String? = nil, password: Secret? = nil,
    from: EmailAddress, to: [EmailAddress]
  ) {
    self.host = host
    self.port = port
    self.security = security
    self.user = user
    self.password = password
    self.from = from
    self.to = to
  }
}

/// People who read mail.
public struct SMTPSender: ChannelSender {
  private let settings: SMTPSettings
  private let credentials: SMTPDialogue.Credentials?
  private let tls: NIOSSLContext?
  private let group: any EventLoopGroup

  /// - Throws: a sentence about what is wrong with the settings, without the password.
  public init(_ settings: SMTPSettings) throws(ChannelFault) {
    guard (1...65_535).contains(settings.port), !settings.host.isEmpty,
      settings.host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else { throw ChannelFault("the mail server is not given as a host name and a port") }
    guard (1...100).contains(settings.to.count) else {
      throw ChannelFault("mail goes to 1 to 100 addresses; use a mailing list for more")
    }
    switch (settings.user, settings.password) {
    case (let user?, let password?):
      guard !user.isEmpty, !user.utf8.contains(0), !password.reveal().utf8.contains(0) else {
        throw ChannelFault("the mail server's user name or password cannot be sent")
      }
      credentials = .init(user: user, password: password)
    case (nil, nil): credentials = nil
    default:
      throw ChannelFault("a mail server needs both a user name and a password, or neither")
    }
    self.settings = settings
    group = MultiThreadedEventLoopGroup.singleton
    guard settings.security != .none else {
      tls = nil
      return
    }
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    if let file = settings.trustedCertificates { configuration.trustRoots = .file(file) }
    do {
      tls = try NIOSSLContext(configuration: configuration)
    } catch {
      throw ChannelFault(
        "the certificates to trust could not be read; check trustedCertificates")
    }
  }

  public func send(_ message: ChannelMessage, at now: Instant) async throws(DeliveryFailure) {
    let loop = group.next()
    let outcome = loop.makePromise(of: SMTPHandler.Outcome.self)
    let deadline = settings.deadline
    let tooLate = loop.scheduleTask(in: .milliseconds(max(deadline.count, 1))) {
      outcome.succeed(.failed(.tryAgain("it was not done within \(deadline)", after: nil)))
    }
    let mail = EmailMessage.render(message, from: settings.from, to: settings.to, at: now)
    let connected = connect(on: loop, mail: mail, outcome: outcome)
    // A completed promise ignores later completions, so whatever decides first decides.
    let result = await withTaskCancellationHandler {
      (try? await outcome.futureResult.get())
        ?? .failed(.tryAgain("the attempt broke off", after: nil))
    } onCancel: {
      outcome.succeed(.failed(.tryAgain("the attempt was cancelled", after: nil)))
    }
    tooLate.cancel()
    connected.whenSuccess { $0.close(promise: nil) }
    if case .failed(let failure) = result { throw failure }
  }

  private func connect(
    on loop: any EventLoop, mail: [UInt8], outcome: EventLoopPromise<SMTPHandler.Outcome>
  ) -> EventLoopFuture<any Channel> {
    let settings = settings
    let credentials = credentials
    let tls = tls
    let connected = ClientBootstrap(group: loop)
      .connectTimeout(.milliseconds(max(settings.deadline.count, 1)))
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls, settings.security == .implicitTLS {
            try channel.pipeline.syncOperations.addHandler(
              SMTPHandler.encryption(tls, host: settings.host))
          }
          try channel.pipeline.syncOperations.addHandler(
            SMTPHandler(
              settings: settings, credentials: credentials, tls: tls, mail: mail,
              outcome: outcome))
        }
      }
      .connect(host: settings.host, port: settings.port)
    connected.whenFailure { error in
      let number = (error as? IOError).map { " (error \($0.errnoCode))" } ?? ""
      outcome.succeed(.failed(.tryAgain("no connection could be made\(number)", after: nil)))
    }
    return connected
  }
}

/// Carries an ``SMTPDialogue`` out on a connection.
final class SMTPHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  enum Outcome: Sendable {
    case delivered
    case failed(DeliveryFailure)
  }

  private let settings: SMTPSettings
  private let credentials: SMTPDialogue.Credentials?
  private let tls: NIOSSLContext?
  private let mail: [UInt8]
  private let outcome: EventLoopPromise<Outcome>
  private var reader = SMTPReplyReader()
  private var dialogue: SMTPDialogue?

  init(
    settings: SMTPSettings, credentials: SMTPDialogue.Credentials?, tls: NIOSSLContext?,
    mail: [UInt8], outcome: EventLoopPromise<Outcome>
  ) {
    self.settings = settings
    self.credentials = credentials
    self.tls = tls
    self.mail = mail
    self.outcome = outcome
  }

  /// A certificate is checked against the host's name, or against its address where there is no name.
  static func encryption(_ tls: NIOSSLContext, host: String) throws -> NIOSSLClientHandler {
    let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
    return try NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : host)
  }

  func channelActive(context: ChannelHandlerContext) {
    dialogue = SMTPDialogue(
      clientName: Self.name(context.localAddress), wantsTLS: settings.security == .startTLS,
      credentials: credentials, from: settings.from, to: settings.to, mail: mail)
    context.fireChannelActive()
  }

  /// A client without a name of its own gives its address (RFC 5321 section 4.1.3).
  private static func name(_ address: SocketAddress?) -> String {
    guard let address, let text = address.ipAddress else { return "[127.0.0.1]" }
    if case .v6 = address { return "[IPv6:\(text)]" }
    return "[\(text)]"
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    reader.append(unwrapInboundIn(data).readableBytesView)
    do {
      while let reply = try reader.next() {
        guard let action = dialogue?.receive(reply) else { return }
        try perform(action, context)
      }
    } catch {
      fail("it does not speak SMTP", context)
    }
  }

  private func perform(_ action: SMTPDialogue.Action, _ context: ChannelHandlerContext) throws {
    switch action {
    case .send(let octets): write(octets, context)
    case .startTLS:
      // What came in the open must not be taken for a part of what is encrypted.
      guard let tls, !reader.hasLeftover else {
        return fail("it spoke out of turn", context)
      }
      try context.pipeline.syncOperations.addHandler(
        Self.encryption(tls, host: settings.host), position: .first)
      if let next = dialogue?.secured() { try perform(next, context) }
    case .delivered(let goodbye):
      outcome.succeed(.delivered)
      write(goodbye, context)
    case .failed(let failure):
      outcome.succeed(.failed(failure))
      context.close(promise: nil)
    }
  }

  private func write(_ octets: [UInt8], _ context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: octets)), promise: nil)
  }

  private func fail(_ reason: String, _ context: ChannelHandlerContext) {
    outcome.succeed(.failed(.tryAgain(reason, after: nil)))
    context.close(promise: nil)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error {
    case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
      fail("no encrypted connection could be made; is its certificate trusted here?", context)
    default:
      fail("the connection failed", context)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    fail("it closed the connection", context)
    context.fireChannelInactive()
  }
}
