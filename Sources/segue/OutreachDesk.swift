import ControlPlane
import ForgeLink
import Logging
import Notifications
import Ports
import SegueModel
import ServiceLifecycle
import WebhookSigning

/// Tells the channels of the newest `segue.yaml`, and the forge, what the control plane has for them, and
/// knows whether a webhook is the forge's own.
actor OutreachDesk: OutreachKeeping, Service {
  private let secrets: SecretFiles
  private let time: any TimeSource
  private let logger: Logger
  private let source: any Source
  private let webhooks: WebhookClient
  private var wishes: OutreachWishes?
  private var dispatcher: NotificationDispatcher?
  /// Channels that cannot even be tried, by name.
  private var faults: [String: String] = [:]
  private var nextTry = Instant(milliseconds: 0)
  /// What the channels were made of, by the secrets' names.
  private var used: [String: Secret] = [:]
  private var forge: ForgeClient?
  private var memory = DeliveryMemory()
  private let changes: AsyncStream<NotificationDispatcher>
  private let change: AsyncStream<NotificationDispatcher>.Continuation

  /// Between two looks at the secrets.
  private static let pause = Milliseconds.seconds(2)
  /// How long a forge or a tracker may take for one answer.
  private static let deadline = Milliseconds.seconds(10)

  init(_ secrets: SecretFiles, source: any Source, logger: Logger) {
    self.secrets = secrets
    self.source = source
    self.logger = logger
    time = SystemTime()
    webhooks = WebhookClient(time: time)
    (changes, change) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Delivers until it is told to stop; what is new goes by the newest wishes.
  func run() async throws {
    var delivering: Task<Void, Never>?
    await withGracefulShutdownHandler {
      for await dispatcher in changes {
        delivering?.cancel()
        await delivering?.value
        // unstructured: ended above and below; a task group that cancelled once starts nothing more.
        delivering = Task { await dispatcher.run() }
      }
    } onGracefulShutdown: {
      self.change.finish()
    }
    delivering?.cancel()
    await delivering?.value
    await webhooks.shutdown()
    await forge?.shutdown()
  }

  // MARK: Channels

  func want(_ wishes: OutreachWishes, from store: any NoticeStore) async {
    let now = time.now()
    // A clock that was set back makes no wait longer than it was to be.
    guard wishes != self.wishes || now >= nextTry || nextTry - now > Self.pause else { return }
    nextTry = now + Self.pause
    let values = secretValues(of: wishes)
    let isNew = wishes != self.wishes || values != used
    guard isNew || !faults.isEmpty else { return }
    used = values
    self.wishes = wishes
    var faults: [String: String] = [:]
    var channels: [NotificationChannel] = []
    for spec in wishes.channels {
      do {
        let sender = try sender(spec.receiver, of: wishes.project)
        channels.append(
          NotificationChannel(
            name: ChannelName(spec.name), selection: spec.selection, sender: sender))
      } catch {
        faults[spec.name] = SecretFiles.sentence(error)
      }
    }
    let old = forge
    if let spec = wishes.forge, spec.token != nil {
      do {
        let client = try client(spec)
        channels.append(
          NotificationChannel(
            name: .forge,
            sender: ForgeSender(
              client: client, forge: spec, policy: wishes.policy, source: source)))
        forge = client
      } catch {
        faults["forge"] = SecretFiles.sentence(error)
        forge = nil
      }
    } else {
      forge = nil
    }
    // A secret that was put right is noticed; what is still wrong changes nothing.
    guard isNew || faults != self.faults else {
      if old !== forge { await forge?.shutdown() }
      forge = old
      return
    }
    self.faults = faults
    let dispatcher = NotificationDispatcher(channels: channels, store: store, time: time)
    self.dispatcher = dispatcher
    change.yield(dispatcher)
    if let old, old !== forge { await old.shutdown() }
  }

  /// The values of every secret that a channel or the forge needs, as far as they are there.
  private func secretValues(of wishes: OutreachWishes) -> [String: Secret] {
    var names = wishes.channels.flatMap(\.receiver.secrets)
    names += [wishes.forge?.token].compactMap(\.self)
    var values: [String: Secret] = [:]
    for name in names { values[name] = (try? secrets.value(of: name)) ?? nil }
    return values
  }

  func wake() async { dispatcher?.wake() }

  func problems() async -> [String: String] {
    var problems = faults
    for (name, health) in dispatcher?.health ?? [:] {
      guard let failure = health.failure else { continue }
      let shown = name == .forge ? "forge" : name.rawValue
      problems[shown] = "\(failure); it is tried again, and nothing waits for it"
    }
    return problems
  }

  private func sender(
    _ receiver: ChannelSpec.Receiver, of project: ProjectName
  ) throws -> any ChannelSender {
    switch receiver {
    case .slack(let address):
      return SlackSender(to: try WebhookAddress(secrets.required(address)), client: webhooks)
    case .webhook(let address, let key):
      return SignedWebhookSender(
        to: try WebhookAddress(secrets.required(address)),
        signature: try WebhookSignature([secrets.required(key)]), client: webhooks)
    case .cdevents(let address):
      return try CDEventsSender(
        to: WebhookAddress(secrets.required(address)), source: "/segue/\(project)", client: webhooks
      )
    case .email(let mail):
      let security: SMTPSettings.Security =
        switch mail.security {
        case .tls: .implicitTLS
        case .startTLS: .startTLS
        case .none: .none
        }
      var to: [EmailAddress] = []
      for address in mail.to { to.append(try EmailAddress(address)) }
      return try SMTPSender(
        SMTPSettings(
          host: mail.server, port: mail.port, security: security, user: mail.user,
          password: try mail.password.map { try secrets.required($0) },
          from: EmailAddress(mail.from),
          to: to))
    }
  }

  // MARK: Forges and trackers

  private func client(_ spec: ForgeSpec) throws -> ForgeClient {
    let kind = TrackerKind(rawValue: spec.kind.rawValue) ?? .gitea
    let login: ForgeAccount.Login = try spec.token.map { .token(try secrets.required($0)) } ?? .none
    return ForgeClient(
      try ForgeAccount(kind: kind, base: spec.url, login: login), time: time,
      deadline: Self.deadline)
  }

  // MARK: Webhooks

  /// Reads a webhook's request.
  ///
  /// - Returns: the push that it tells of; `nil` for anything else, and for what came before.
  /// - Throws: ``WebhookRefusal`` with what to answer.
  func read(
    headers: [(name: String, value: String)], body: [UInt8]
  ) throws(WebhookFault) -> PushNotice? {
    guard let spec = wishes?.forge, let name = spec.webhookSecret else {
      throw WebhookFault(
        status: 404, text: "segue.yaml names no `webhook-secret` under `forge`, or is not read yet")
    }
    do {
      let webhook = try ForgeWebhook(
        forge: ForgeKind(rawValue: spec.kind.rawValue) ?? .gitea,
        secrets: [try secrets.required(name)])
      let delivery = try webhook.read(headers: headers, body: body, at: time.now())
      guard memory.admit(delivery, at: time.now()), case .push(let push) = delivery.event else {
        return nil
      }
      return push.repository.lowercased() == spec.repository.lowercased() ? push : nil
    } catch let refusal as WebhookRefusal {
      throw WebhookFault(status: refusal.status, text: refusal.description)
    } catch {
      logger.error("a webhook cannot be checked", metadata: ["error": "\(error)"])
      throw WebhookFault(status: 500, text: "Segue has no secret to check this with")
    }
  }
}

/// What a webhook's sender is answered when its request is not taken.
struct WebhookFault: Error {
  var status: Int
  var text: String
}

extension ChannelSpec.Receiver {
  /// The names of the secrets that it takes.
  fileprivate var secrets: [String] {
    switch self {
    case .slack(let address), .cdevents(let address): [address]
    case .webhook(let address, let key): [address, key]
    case .email(let mail): [mail.password].compactMap(\.self)
    }
  }
}
