public import SegueModel

/// What the engine needs to know of a release: the service's own part of it, frozen.
///
/// The spec is shared, not copied: a state holds several releases, and is copied for each decision.
public struct ServiceRelease: Hashable, Codable, Sendable {
  public let id: ReleaseID
  public let commit: CommitID
  /// See ``Release/height``.
  public let height: Int
  private let shared: SharedSpec

  public var spec: ServiceSpec { shared.spec }

  public init(id: ReleaseID, commit: CommitID, height: Int, spec: ServiceSpec) {
    self.id = id
    self.commit = commit
    self.height = height
    shared = SharedSpec(spec)
  }

  private final class SharedSpec: Sendable {
    let spec: ServiceSpec
    init(_ spec: ServiceSpec) { self.spec = spec }
  }

  private enum CodingKeys: String, CodingKey {
    case id, commit, height, spec
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      id: try fields.decode(ReleaseID.self, forKey: .id),
      commit: try fields.decode(CommitID.self, forKey: .commit),
      height: try fields.decode(Int.self, forKey: .height),
      spec: try fields.decode(ServiceSpec.self, forKey: .spec))
  }

  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode(commit, forKey: .commit)
    try fields.encode(height, forKey: .height)
    try fields.encode(spec, forKey: .spec)
  }

  public static func == (left: Self, right: Self) -> Bool {
    left.id == right.id && left.height == right.height && left.commit == right.commit
      && (left.shared === right.shared || left.spec == right.spec)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    hasher.combine(height)
  }
}

/// A release that somebody or something wants live.
public struct DeployOrder: Hashable, Codable, Sendable {
  public var release: ServiceRelease
  public var requestedBy: String
  public var allowOlder: Bool
  public var again: Bool
  /// A rollout in progress is aborted for it, instead of being finished first.
  public var supersedes: Bool

  public init(
    release: ServiceRelease, requestedBy: String, allowOlder: Bool = false, again: Bool = false,
    supersedes: Bool = false
  ) {
    self.release = release
    self.requestedBy = requestedBy
    self.allowOlder = allowOlder
    self.again = again
    self.supersedes = supersedes
  }

  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    release = try fields.decode(ServiceRelease.self, forKey: .release)
    requestedBy = try fields.decode(String.self, forKey: .requestedBy)
    allowOlder = try fields.decode(Bool.self, forKey: .allowOlder)
    again = try fields.decode(Bool.self, forKey: .again)
    // Records that were written before this existed do not have it.
    supersedes = try fields.decodeIfPresent(Bool.self, forKey: .supersedes) ?? false
  }
}
