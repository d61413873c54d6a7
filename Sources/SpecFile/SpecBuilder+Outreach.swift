import Evidence
import SegueModel

/// Who is told what happens, and which commits are taken.
extension SpecBuilder {
  /// `nil` for a file that says nothing of it.
  mutating func outreach(
    _ fields: Fields, _ teams: TeamDrafts, in environments: [String]
  ) -> OutreachSpec? {
    var spec = OutreachSpec()
    if let entry = fields["notify"] { spec.channels = channels(entry, teams, in: environments) }
    for (team, entry) in teams.notify {
      guard let channel = channel(of: team, entry, in: environments) else { continue }
      if spec.channels.contains(where: { $0.name == channel.name }) {
        error(
          at: entry.keySpan, "there is a channel `\(channel.name)` already",
          hint: "that is how the channel of the team is called; give the other one another name")
      }
      spec.channels.append(channel)
    }
    spec.policy = fields["policy"].flatMap { policy($0) }
    spec.forge = fields["forge"].flatMap { forge($0) }
    return spec == OutreachSpec() ? nil : spec
  }

  // MARK: Channels

  private mutating func channels(
    _ entry: YAMLEntry, _ teams: TeamDrafts, in environments: [String]
  ) -> [ChannelSpec] {
    let example = "notify: { team-chat: { slack: CHAT_ADDRESS } }"
    let named = namedSections(entry, of: "a channel", example: example) ?? []
    if named.count > SpecLimits.channels {
      error(
        at: entry.keySpan,
        "there are \(named.count) channels; up to \(SpecLimits.channels) are allowed")
    }
    return named.prefix(SpecLimits.channels).compactMap {
      channel($0, teams, in: environments)
    }
  }

  private mutating func channel(
    _ entry: YAMLEntry, _ teams: TeamDrafts, in known: [String]
  ) -> ChannelSpec? {
    let owner = "channel \(Printable.quoted(entry.key))"
    guard let fields = section(entry, in: SpecKeys.notify, owner: owner),
      var channel = channel(entry, named: entry.key, owner, fields, in: known)
    else { return nil }
    channel.teams = fields["teams"].map { teamNames($0, among: teams) }?.map(\.rawValue) ?? []
    return channel
  }

  /// The channel of a team, which hears of its services, of what is asked of it, and of what concerns
  /// everybody.
  private mutating func channel(
    of team: TeamSpec, _ entry: YAMLEntry, in known: [String]
  ) -> ChannelSpec? {
    let owner = "`notify` of team `\(team.name)`"
    guard let fields = section(entry, in: SpecKeys.teamNotify, owner: owner),
      var channel = channel(entry, named: "team-\(team.name)", owner, fields, in: known)
    else { return nil }
    channel.teams = [team.name.rawValue]
    channel.services = team.services
    return channel
  }

  private mutating func channel(
    _ entry: YAMLEntry, named name: String, _ owner: String, _ fields: Fields, in known: [String]
  ) -> ChannelSpec? {
    let kinds = ["slack", "webhook", "cdevents", "email"]
    let given = kinds.compactMap { fields[$0] }
    if given.count != 1 {
      error(
        at: given.dropFirst().first?.keySpan ?? entry.keySpan,
        given.isEmpty
          ? "\(owner) does not say who is told" : "\(owner) says twice who is told",
        hint: "write one of "
          + kinds.map { "`\($0)`" }.joined(separator: ", ") + " for each channel")
    }
    guard let first = given.first, let receiver = receiver(first, of: owner) else { return nil }
    let events = fields["events"].map { list($0) { Self.event($0) }.map(\.text) } ?? []
    let places = fields["environments"].flatMap { self.places($0, among: known) } ?? []
    return ChannelSpec(name: name, receiver: receiver, events: events, environments: places)
  }

  private static func event(_ text: String) -> Misreading? {
    let known = ChannelSpec.knownEvents
    guard !known.contains(text) else { return nil }
    return Misreading(
      message: "there are no events \(Printable.quoted(text))",
      hint: Suggestion.nearest(to: text, among: known).map { "did you mean `\($0)`?" }
        ?? "there are " + known.map { "`\($0)`" }.joined(separator: ", "))
  }

  private mutating func receiver(
    _ entry: YAMLEntry, of owner: String
  ) -> ChannelSpec.Receiver? {
    let owner = "`\(entry.key)` of \(owner)"
    switch entry.key {
    case "slack": return secret(entry).map { .slack(address: $0) }
    case "webhook":
      guard let fields = section(entry, in: SpecKeys.notifyWebhook, owner: owner),
        let address = fields["address"].flatMap({ secret($0) }),
        let key = fields["key"].flatMap({ secret($0) })
      else { return nil }
      return .webhook(address: address, key: key)
    case "cdevents":
      guard let fields = section(entry, in: SpecKeys.notifyEvents, owner: owner) else { return nil }
      return fields["address"].flatMap { secret($0) }.map { .cdevents(address: $0) }
    default: return mail(entry, of: owner).map { .email($0) }
    }
  }

  private mutating func secret(_ entry: YAMLEntry) -> String? {
    checked(entry, TextRules.secretName)
  }

  private mutating func mail(_ entry: YAMLEntry, of owner: String) -> EmailSpec? {
    guard let fields = section(entry, in: SpecKeys.notifyMail, owner: owner) else { return nil }
    let to = fields["to"].map { list($0, TextRules.email).map(\.text) }
    if let entry = fields["to"], to?.isEmpty == true, entry.value.isNull == false {
      error(at: entry.keySpan, "\(owner) goes to nobody", hint: "write at least one address")
    }
    let from = fields["from"].flatMap { checked($0, TextRules.email) }
    let server = fields["server"].flatMap { checked($0, TextRules.host) }
    let port = fields["port"].flatMap { integer($0, in: 1...65_535) } ?? 587
    let words = EmailSpec.Security.allCases.map(\.rawValue)
    let security = fields["security"].flatMap { word($0, among: words) }
      .flatMap(EmailSpec.Security.init(rawValue:))
    let user = fields["user"].flatMap { checked($0) { TextRules.token($0, of: "a user") } }
    let password = fields["password"].flatMap { secret($0) }
    let pair = [fields["user"], fields["password"]].compactMap(\.self)
    if pair.count == 1, let one = pair.first {
      error(
        at: one.keySpan, "`\(one.key)` of \(owner) stands alone",
        hint: "a login has a `user` and a `password`")
    }
    guard let to, !to.isEmpty, let from, let server else { return nil }
    return EmailSpec(
      to: to, from: from, server: server, port: port, security: security ?? .startTLS, user: user,
      password: password)
  }

  // MARK: Policy

  private mutating func policy(_ entry: YAMLEntry) -> PolicySpec? {
    guard let fields = section(entry, in: SpecKeys.policy, owner: "`policy`") else { return nil }
    var policy = PolicySpec()
    var pattern: BranchPattern?
    if let names = fields["branch-names"], let text = text(names) {
      do throws(PatternFault) {
        pattern = try BranchPattern(text)
        policy.branchNames = text
      } catch {
        self.error(at: names.valueSpan, "`branch-names` cannot be read", hint: "\(error)")
      }
    }
    policy.deniesDirectCommits =
      fields["direct-commits"].flatMap { word($0, among: ["allow", "deny"]) } == "deny"
    policy.needsSignature = fields["signed"].flatMap { boolean($0) } ?? false
    if let example = fields["example"], let name = checked(example, TextRules.branch) {
      policy.example = name
      if let pattern, pattern.match(name) == nil {
        error(
          at: example.valueSpan, "\(Printable.quoted(name)) does not fit `branch-names`",
          hint: "write a name that does; the pattern is for the whole name")
      }
    }
    if let issues = fields["issues"] {
      policy.issues = tracker(issues)
      if fields["branch-names"] == nil || pattern?.hasIssue == false {
        error(
          at: issues.keySpan, "`issues` needs to know which issue a branch is for",
          hint: "write `branch-names` with a group `(?<issue>…)`")
      }
    }
    return policy == PolicySpec() ? nil : policy
  }

  private mutating func tracker(_ entry: YAMLEntry) -> TrackerSpec? {
    guard let fields = section(entry, in: SpecKeys.tracker, owner: "`issues`") else { return nil }
    let kinds = TrackerSpec.Kind.allCases.map(\.rawValue)
    let kind = fields["tracker"].flatMap { word($0, among: kinds) }
      .flatMap(TrackerSpec.Kind.init(rawValue:))
    let url = fields["url"].flatMap { checked($0, TextRules.apiAddress) }
    let repository = fields["repository"].flatMap { checked($0, TextRules.repository) }
    let rule = fields["require"].flatMap { word($0, among: ["open", "existing"]) }
    let token = fields["token"].flatMap { secret($0) }
    let user = fields["user"].flatMap { checked($0, TextRules.email) }
    if let kind, kind != .jira, fields["repository"] == nil {
      error(
        at: entry.keySpan, "`issues` has no `repository`",
        hint: "add whose issues they are: `repository: team/shop`")
    }
    guard let kind, let url else { return nil }
    return TrackerSpec(
      kind: kind, url: Self.trimmed(url), repository: repository ?? "", token: token, user: user,
      mustBeOpen: rule != "existing")
  }

  // MARK: Forge

  private mutating func forge(_ entry: YAMLEntry) -> ForgeSpec? {
    guard let fields = section(entry, in: SpecKeys.forge, owner: "`forge`") else { return nil }
    let kinds = ForgeSpec.Kind.allCases.map(\.rawValue)
    let kind = fields["kind"].flatMap { word($0, among: kinds) }
      .flatMap(ForgeSpec.Kind.init(rawValue:))
    let url = fields["url"].flatMap { checked($0, TextRules.apiAddress) }
    let repository = fields["repository"].flatMap { checked($0, TextRules.repository) }
    let token = fields["token"].flatMap { secret($0) }
    let webhook = fields["webhook-secret"].flatMap { secret($0) }
    let comments = fields["comments"].flatMap { boolean($0) }
    guard let kind, let url, let repository else { return nil }
    return ForgeSpec(
      kind: kind, url: Self.trimmed(url), repository: repository, token: token,
      webhookSecret: webhook, comments: comments ?? true)
  }

  private static func trimmed(_ url: String) -> String {
    url.hasSuffix("/") ? String(url.dropLast()) : url
  }
}

extension TextRules {
  /// ``secret(_:)``, for a key whose value people may take for the secret itself: it is not said again.
  static func secretName(_ text: String) -> Misreading? {
    guard let problem = secret(text) else { return nil }
    // What looks like an address or a token is not shown: it may be the secret.
    guard text.utf8.count > 40 || text.contains(":") || text.contains("/") else { return problem }
    return Misreading(
      message: "this is not the name of a secret",
      hint: "put the value into a file of the state directory's `secrets`, and write the file's "
        + "name here, such as `CHAT_ADDRESS`; whoever reads the repository has read this value")
  }

  static func apiAddress(_ text: String) -> Misreading? {
    let isPlain = text.unicodeScalars.allSatisfy {
      $0.isASCII && $0.value > 0x20 && $0.value < 0x7F && !"\"<>?#".unicodeScalars.contains($0)
    }
    let local = [
      "http://127.0.0.1:", "http://127.0.0.1/", "http://localhost:", "http://localhost/",
    ]
    let isReached = text.hasPrefix("https://") && text.utf8.count > 8
    if isPlain, text.utf8.count <= 900, isReached || local.contains(where: text.hasPrefix) {
      return nil
    }
    return Misreading(
      message: "\(Printable.quoted(text)) is not the address of an API",
      hint: "write one that begins with `https://`, without `?` and `#`")
  }

  static func repository(_ text: String) -> Misreading? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let isSound = parts.allSatisfy { part in
      !part.isEmpty
        && part.utf8.allSatisfy {
          (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
            || "._-".utf8.contains($0)
        }
    }
    if isSound, parts.count >= 2, text.utf8.count <= 250 { return nil }
    return Misreading(
      message: "\(Printable.quoted(text)) is not the name of a repository at a forge",
      hint: "write `owner/name`, as it stands in its address")
  }
}
