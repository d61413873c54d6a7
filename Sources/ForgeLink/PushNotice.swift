public import SegueModel

/// A forge whose webhooks and API are known. Forgejo speaks as Gitea does.
public enum ForgeKind: String, Hashable, Codable, Sendable, CaseIterable {
  case gitHub = "github"
  case gitLab = "gitlab"
  case gitea
}

/// A branch or tag has moved: a hint to look at the repository now instead of at the next poll.
public struct PushNotice: Hashable, Sendable {
  public enum Cause: Hashable, Sendable {
    case push
    /// A pull or merge request was merged.
    case merge
  }

  /// `owner/name`, with groups where the forge has them.
  public var repository: String
  /// Such as `refs/heads/main`.
  public var ref: String
  /// `nil` when it is new, or when the forge does not say.
  public var old: CommitID?
  /// `nil` when it was deleted.
  public var new: CommitID?
  /// The pusher's name at the forge.
  public var pusher: String?
  public var cause: Cause

  public init(
    repository: String, ref: String, old: CommitID?, new: CommitID?, pusher: String?,
    cause: Cause = .push
  ) {
    self.repository = repository
    self.ref = ref
    self.old = old
    self.new = new
    self.pusher = pusher
    self.cause = cause
  }
}

/// What a forge says.
public enum ForgeEvent: Hashable, Sendable {
  case push(PushNotice)
  /// The forge tries whether it is heard.
  case ping
  /// Something that nobody here needs, such as a new star; answer that it was received.
  case ignored(String)
}

/// A webhook's request that was checked.
public struct ForgeDelivery: Hashable, Sendable {
  /// What this delivery is remembered by, so that it counts once; see ``DeliveryMemory``.
  public var marks: [String]
  public var event: ForgeEvent
}

/// Why a request is not taken: what to answer, and a sentence for whoever set the webhook up. It
/// holds nothing of the secret or of the body.
public struct WebhookRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// The HTTP status to answer with.
  public var status: Int
  public var description: String

  init(_ status: Int, _ description: String) {
    self.status = status
    self.description = description
  }
}

/// Remembers deliveries, so that one that was recorded by somebody on the way and is sent again does
/// nothing. Bounded; a machine without a clock.
///
/// Where a forge does not sign the delivery's id, the body itself is the mark: whoever replays a
/// request can choose another id, but not another body.
public struct DeliveryMemory: Sendable {
  private let capacity: Int
  private let age: Milliseconds
  private var seen: [String: Instant] = [:]
  private var order: [String] = []

  public init(capacity: Int = 10_000, age: Milliseconds = .minutes(24 * 60)) {
    self.capacity = max(capacity, 1)
    self.age = age
  }

  /// Whether this delivery is new. It is remembered from then on.
  public mutating func admit(_ delivery: ForgeDelivery, at now: Instant) -> Bool {
    let isKnown = delivery.marks.contains { mark in
      seen[mark].map { now - $0 < age } ?? false
    }
    for mark in delivery.marks where seen.updateValue(now, forKey: mark) == nil {
      order.append(mark)
    }
    // In halves, so that forgetting costs little for each delivery.
    if order.count > 2 * capacity {
      for mark in order.prefix(order.count - capacity) { seen[mark] = nil }
      order.removeFirst(order.count - capacity)
    }
    return !isKnown
  }
}
