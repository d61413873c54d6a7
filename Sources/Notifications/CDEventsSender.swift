import Ports
public import SegueModel

/// Programs that follow deliveries by CDEvents 0.4, in CloudEvents 1.0 (structured JSON; a digest is a
/// batch, in which every event keeps its own id).
///
/// What the vocabulary has no word for is a custom event (`dev.cdeventsx.segue-...`). The notice
/// itself is in `customData`, with times in milliseconds since 1970.
public struct CDEventsSender: ChannelSender {
  private let address: WebhookAddress
  private let source: String
  private let client: WebhookClient

  /// - Parameter source: a URI reference that names this installation; together with an event's id it
  ///   is unique.
  public init(
    to address: WebhookAddress, source: String, client: WebhookClient
  ) throws(ChannelFault) {
    guard !source.isEmpty, source.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw ChannelFault(
        "the source of events is not a URI reference; write the address of this installation")
    }
    self.address = address
    self.source = source
    self.client = client
  }

  public func send(_ message: ChannelMessage, at now: Instant) async throws(DeliveryFailure) {
    let events = message.notices.map { CloudEvent($0.notice, source: source) }
    let isBatch = events.count > 1
    let body = try isBatch ? JSONBody.encode(events) : JSONBody.encode(events.first)
    let type = isBatch ? "application/cloudevents-batch+json" : "application/cloudevents+json"
    try await client.post(
      body, to: address, headers: ["content-type": "\(type); charset=utf-8"], at: now)
  }
}

struct CloudEvent: Encodable {
  struct Payload: Encodable {
    struct Context: Encodable {
      var version = "0.4.1"
      var id: String
      var source: String
      var type: String
      var timestamp: String
    }
    struct Reference: Encodable {
      var id: String
      var source: String?
    }
    struct Content: Encodable {
      var description: String?
      var environment: Reference?
      var service: Reference?
      var artifactId: String?
    }
    struct Subject: Encodable {
      var id: String
      var source: String
      var type: String
      var content: Content
    }
    var context: Context
    var subject: Subject
    var customData: Notice
    var customDataContentType = "application/json"
  }

  var specversion = "1.0"
  var id: String
  var source: String
  var type: String
  var subject: String
  var time: String
  var datacontenttype = "application/json"
  var data: Payload

  init(_ notice: Notice, source: String) {
    let environment = notice.environment.map {
      Payload.Reference(id: $0.rawValue, source: source)
    }
    let subject: Payload.Subject
    switch Self.word(notice) {
    case .service(let predicate):
      type = "dev.cdevents.service.\(predicate).0.2.0"
      subject = Payload.Subject(
        id: Self.service(notice) ?? notice.id, source: source, type: "service",
        content: .init(environment: environment, artifactId: Self.artifact(notice)))
    case .incident:
      type = "dev.cdevents.incident.detected.0.2.0"
      subject = Payload.Subject(
        id: notice.id, source: source, type: "incident",
        content: .init(
          description: notice.text, environment: environment,
          service: Self.service(notice).map { .init(id: $0, source: source) },
          artifactId: Self.artifact(notice)))
    case .custom(let kind, let predicate):
      type = "dev.cdeventsx.segue-\(kind).\(predicate).0.1.0"
      subject = Payload.Subject(
        id: Self.service(notice)
          ?? (notice.project.rawValue.isEmpty ? notice.id : "\(notice.project)"),
        source: source,
        type: "segue-\(kind)",
        content: .init(
          description: notice.text, environment: environment,
          artifactId: Self.artifact(notice)))
    }
    id = notice.id
    self.source = source
    self.subject = subject.id
    time = NoticeText.timestamp(notice.at)
    data = Payload(
      context: .init(id: notice.id, source: source, type: type, timestamp: time),
      subject: subject, customData: notice)
  }

  private enum Word {
    /// An event about a service, which must name the environment and the artifact.
    case service(String)
    case incident
    case custom(String, String)
  }

  private static func word(_ notice: Notice) -> Word {
    let isComplete = notice.environment != nil && notice.service != nil && notice.release != nil
    return switch notice.kind {
    case .rolloutFinished where isComplete:
      .service(notice.previousRelease == nil ? "deployed" : "upgraded")
    case .rolledBack where isComplete: .service("rolledback")
    case .rolloutFinished: .custom("rollout", "finished")
    case .rolledBack: .custom("rollout", "rolledback")
    // The vocabulary's own incident has to be in an environment.
    case .incident where notice.environment != nil: .incident
    case .lateRegression where notice.environment != nil: .incident
    case .advisoryHit where notice.environment != nil: .incident
    case .incident, .lateRegression, .advisoryHit: .custom("incident", "detected")
    case .commitAccepted: .custom("commit", "accepted")
    case .releaseBuilt: .custom("release", "built")
    case .commitDropped: .custom("commit", "dropped")
    case .rolloutBegan: .custom("rollout", "began")
    case .frozen: .custom("rollout", "frozen")
    case .waitingForApproval: .custom("approval", "requested")
    case .overridden: .custom("gate", "overridden")
    case .gateFailed: .custom("gate", "failed")
    }
  }

  /// `shop/web`
  private static func service(_ notice: Notice) -> String? {
    notice.service.map { "\(notice.project)/\($0)" }
  }

  /// A package URL, as the specification asks for: `pkg:generic/shop/web@r-0123456789abcdef`.
  private static func artifact(_ notice: Notice) -> String? {
    guard let release = notice.release else { return nil }
    let path = [notice.project.rawValue, notice.service?.rawValue].compactMap { $0 }
    return "pkg:generic/" + path.map(PercentEncoding.encode).joined(separator: "/") + "@"
      + PercentEncoding.encode(release.rawValue)
  }
}

enum PercentEncoding {
  /// All but the unreserved characters (RFC 3986 section 2.3).
  static func encode(_ text: String) -> String {
    text.utf8.map { byte -> String in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        return String(UnicodeScalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        return "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }.joined()
  }
}
