/// How traffic moves from one release to the next.
public enum StrategySpec: Hashable, Codable, Sendable {
  case rolling(RollingSpec)
  case blueGreen(BlueGreenSpec)
  case canary(CanarySpec)
  case ab(ABSpec)
  case shadow(ShadowSpec)
  case recreate(RecreateSpec)

  /// As it is written in `segue.yaml`.
  public var name: String {
    switch self {
    case .rolling: "rolling"
    case .blueGreen: "blue-green"
    case .canary: "canary"
    case .ab: "ab"
    case .shadow: "shadow"
    case .recreate: "recreate"
    }
  }

  /// Whether two releases of the service must never run at the same time.
  public var isExclusive: Bool {
    switch self {
    case .recreate: true
    case .rolling, .blueGreen, .canary, .ab, .shadow: false
    }
  }
}

extension StrategySpec {
  /// Every hold that a rollout may come to, in order.
  public var holds: [HoldSpec] {
    switch self {
    case .rolling, .recreate: []
    case .blueGreen(let spec): spec.preview.map { [$0.hold] } ?? []
    case .canary(let spec): spec.steps.map(\.hold)
    case .ab(let spec): [spec.hold]
    case .shadow(let spec): [spec.hold]
    }
  }
}

/// What must be before a rollout leaves a stage whose traffic has moved.
public enum HoldSpec: Hashable, Codable, Sendable {
  /// On by itself after this long.
  case time(Milliseconds)
  /// Until somebody promotes it; after `limit` the rollout is taken back.
  case promotion(limit: Milliseconds)
  /// Until the judge has a verdict.
  case verdict(VerdictHold)

  /// How long the hold may last at most.
  public var limit: Milliseconds {
    switch self {
    case .time(let span): span
    case .promotion(let limit): limit
    case .verdict(let hold): hold.maximum
    }
  }
}

/// A hold that ends by the judge's verdict. Good before `minimum` is not believed; bad counts at
/// once.
public struct VerdictHold: Hashable, Codable, Sendable {
  /// What happens when `maximum` has passed and there is not enough evidence.
  public enum OnInsufficient: String, Hashable, Codable, Sendable, CaseIterable {
    /// Wait for a person, as long again as `maximum`; then take the rollout back.
    case hold
    case rollBack = "roll-back"
    case promote
  }

  public var minimum: Milliseconds
  public var maximum: Milliseconds
  public var onInsufficient: OnInsufficient

  public init(
    minimum: Milliseconds = .zero, maximum: Milliseconds = .minutes(60),
    onInsufficient: OnInsufficient = .hold
  ) {
    self.minimum = minimum
    self.maximum = maximum
    self.onInsufficient = onInsufficient
  }
}

/// Replace instances batch by batch.
public struct RollingSpec: Hashable, Codable, Sendable {
  /// Instances above the steady number while a batch starts.
  public var maxSurge: Int
  /// Instances below the steady number while a batch starts. Not both may be 0.
  public var maxUnavailable: Int
  public init(maxSurge: Int = 1, maxUnavailable: Int = 0) {
    self.maxSurge = maxSurge
    self.maxUnavailable = maxUnavailable
  }
}

/// A full second set, one table swap, the old set kept warm.
public struct BlueGreenSpec: Hashable, Codable, Sendable {
  /// How long the old set stays up after the switch, for a rollback in one table swap.
  public var keepOld: Milliseconds
  /// Reach the new set before anybody else does.
  public var preview: PreviewSpec?
  public init(keepOld: Milliseconds = .minutes(10), preview: PreviewSpec? = nil) {
    self.keepOld = keepOld
    self.preview = preview
  }
}

/// A host name under which the new set can be reached before the switch.
public struct PreviewSpec: Hashable, Codable, Sendable {
  /// Lower-case host name without a port.
  public var host: String
  public var hold: HoldSpec
  public init(host: String, hold: HoldSpec = .promotion(limit: CanarySpec.standardLimit)) {
    self.host = host
    self.hold = hold
  }
}

/// A growing share of the traffic, step by step.
public struct CanarySpec: Hashable, Codable, Sendable {
  public struct Step: Hashable, Codable, Sendable {
    public var weight: Permille
    public var hold: HoldSpec
    public init(weight: Permille, hold: HoldSpec) {
      self.weight = weight
      self.hold = hold
    }
  }

  /// With growing weights, each above 0 and below 1000; the last move, to all of the traffic, follows
  /// by itself.
  public var steps: [Step]
  /// How long the old set stays up after the last step, for a rollback in one table swap.
  public var keepOld: Milliseconds

  /// How long a hold waits for a person.
  public static let standardLimit = Milliseconds.minutes(24 * 60)
  public static let standardWeights = [10, 50, 250, 500].map { Permille($0) }

  public init(
    steps: [Step] = standardWeights.map { Step(weight: $0, hold: .time(.minutes(5))) },
    keepOld: Milliseconds = .zero
  ) {
    self.steps = steps
    self.keepOld = keepOld
  }
}

/// Two variants side by side until a person, or a verdict, ends it.
public struct ABSpec: Hashable, Codable, Sendable {
  /// Who gets the new release.
  public var audience: Audience
  public var hold: HoldSpec
  /// How long the old set stays up after the end, for a rollback in one table swap.
  public var keepOld: Milliseconds
  /// What is counted of the users of both; the first decides, the others can only object. `nil`: it
  /// is no experiment.
  public var goals: [GoalSpec]?

  public enum Audience: Hashable, Codable, Sendable {
    /// This share of the sticky units.
    case share(Permille)
    /// Requests that say so, and nobody else.
    case requests(RequestMatch)
  }

  /// Two weeks: long enough for two of everybody's weekends.
  public static let standardLimit = Milliseconds.minutes(14 * 24 * 60)

  public init(
    audience: Audience = .share(Permille(500)), hold: HoldSpec = .promotion(limit: standardLimit),
    keepOld: Milliseconds = .zero, goals: [GoalSpec]? = nil
  ) {
    self.goals = goals
    self.audience = audience
    self.hold = hold
    self.keepOld = keepOld
  }
}

/// What a request must carry to be meant.
public enum RequestMatch: Hashable, Codable, Sendable {
  /// A header field of this name (in any case) with exactly this value.
  case header(name: String, value: String)
  /// A cookie of this name with exactly this value.
  case cookie(name: String, value: String)

  /// As a sentence goes on: ``the header field `X-Beta: 1` ``.
  public var words: String {
    switch self {
    case .header(let name, let value): "the header field `\(name): \(value)`"
    case .cookie(let name, let value): "the cookie `\(name)=\(value)`"
    }
  }
}

/// Copies of requests to the new release; its answers are compared and thrown away.
public struct ShadowSpec: Hashable, Codable, Sendable {
  public var mirror: MirrorSpec
  public var hold: HoldSpec
  /// The part of the answers that may differ and the release is still good; `nil`:
  /// ``standardTolerance``.
  public var tolerated: Permille?

  public static let standardTolerance = Permille(1)

  public init(
    mirror: MirrorSpec = MirrorSpec(),
    hold: HoldSpec = .promotion(limit: CanarySpec.standardLimit), tolerated: Permille? = nil
  ) {
    self.tolerated = tolerated
    self.mirror = mirror
    self.hold = hold
  }
}

/// Which requests are copied, and what of the two answers is compared.
public struct MirrorSpec: Hashable, Codable, Sendable {
  /// Share of the requests that are copied.
  public var share: Permille
  /// Copy requests that may change something, too. The new release then does everything twice.
  public var allMethods: Bool
  /// Header fields, in lower case, whose values must agree; the status and the body always must.
  public var headers: [String]

  public init(
    share: Permille = .all, allMethods: Bool = false, headers: [String] = ["content-type"]
  ) {
    self.share = share
    self.allMethods = allMethods
    self.headers = headers
  }
}

/// Stop, then start: for what cannot run twice. The router holds requests meanwhile.
public struct RecreateSpec: Hashable, Codable, Sendable {
  /// How long a request may be held; then it is answered 503.
  public var holdLimit: Milliseconds
  public init(holdLimit: Milliseconds = .seconds(30)) { self.holdLimit = holdLimit }
}
