public import SegueModel

/// Who is to be told what happens to a project.
public struct OutreachWishes: Hashable, Sendable {
  public var project: ProjectName
  public var channels: [ChannelSpec]
  /// The forge that the repository lives at; `nil`: it is at none.
  public var forge: ForgeSpec?
  public var policy: PolicySpec?

  public init(
    project: ProjectName, channels: [ChannelSpec] = [], forge: ForgeSpec? = nil,
    policy: PolicySpec? = nil
  ) {
    self.project = project
    self.channels = channels
    self.forge = forge
    self.policy = policy
  }
}

extension ChannelName {
  /// The forge as a channel. No channel of a `segue.yaml` is named so.
  public static let forge: ChannelName = "@forge"
}

/// Tells people and programs what a store has for them.
public protocol OutreachKeeping: Sendable {
  /// From now on; asked again with the same wishes, it does nothing.
  func want(_ wishes: OutreachWishes, from store: any NoticeStore) async
  /// What keeps a channel from being told, by its name. What people see: no address, no secret.
  func problems() async -> [String: String]
  /// The store holds something new.
  func wake() async
}
