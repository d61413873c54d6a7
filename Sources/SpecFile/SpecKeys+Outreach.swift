import SegueModel

extension SpecKeys {
  /// The keys of the file that say who is told what, and which commits are taken.
  static let outreachKeys = [
    SpecKey(
      name: "notify", type: .sectionsByName(notify, 0...SpecLimits.channels), standard: "{}",
      summary: """
        Who is told what happens, by a name for each. See [notifications](notifications.md).
        """,
      example: "{ team-chat: { slack: CHAT_ADDRESS } }",
      otherNames: ["notifications", "alerts", "hooks"]),
    SpecKey(
      name: "policy", type: .section(policy), standard: "{}",
      summary: "Which commits may come to the deploy branch. See [policy](policy.md).",
      example: "{ direct-commits: deny }", otherNames: ["policies", "rules"]),
    SpecKey(
      name: "forge", type: .section(forge),
      summary: """
        The forge that the repository lives at: it is told how commits fare, and tells of pushes. \
        See [forges](forges.md).
        """,
      example: "{ kind: gitea, url: \"https://git.example.com/api/v1\", repository: team/shop }",
      otherNames: ["github", "gitlab", "gitea"]),
  ]

  static let notify = SpecSection(
    id: "notify", title: "A channel of `notify`",
    summary: "Exactly one of `slack`, `webhook`, `cdevents` and `email` says who is told.",
    keys: [
      SpecKey(
        name: "slack", type: .secret,
        summary: """
          A chat that takes Slack's incoming webhooks. The secret is the webhook's address.
          """,
        example: "CHAT_ADDRESS", otherNames: ["chat", "mattermost"]),
      SpecKey(
        name: "webhook", type: .section(notifyWebhook),
        summary: "A program that takes [signed JSON](receiving-webhooks.md).",
        example: "{ address: HOOK_ADDRESS, key: HOOK_KEY }", otherNames: ["http", "url"]),
      SpecKey(
        name: "cdevents", type: .section(notifyEvents),
        summary: "A program that takes CDEvents in CloudEvents.",
        example: "{ address: EVENTS_ADDRESS }", otherNames: ["cloudevents"]),
      SpecKey(
        name: "email", type: .section(notifyMail), summary: "People who read mail.",
        example: """
          { to: [ops@example.com], from: segue@example.com, server: mail.example.com }
          """,
        otherNames: ["mail", "smtp"]),
      SpecKey(
        name: "events", type: .wordList(ChannelSpec.knownEvents), standard: "[]",
        summary: "What it is told of. Nothing here: of everything.",
        example: "[rolled-back, incident]", otherNames: ["on", "kinds"]),
      SpecKey(
        name: "environments", type: .nameList, standard: "[]",
        summary: "Only what happens there. Nothing here: in all environments.",
        example: "[production]", otherNames: ["envs"]),
    ])

  static let notifyWebhook = SpecSection(
    id: "notify-webhook", title: "`webhook` of a channel",
    summary: "A program that takes signed JSON.",
    keys: [
      SpecKey(
        name: "address", type: .secret, isRequired: true,
        summary: "The secret is where it listens: an address with `https://`.",
        example: "HOOK_ADDRESS", otherNames: ["url"]),
      SpecKey(
        name: "key", type: .secret, isRequired: true,
        summary: """
          The secret is the key that messages are signed with: `whsec_` and the Base64 of 24 to 64 \
          octets.
          """,
        example: "HOOK_KEY", otherNames: ["secret", "token"]),
    ])

  static let notifyEvents = SpecSection(
    id: "notify-events", title: "`cdevents` of a channel",
    summary: "A program that takes CDEvents.",
    keys: [
      SpecKey(
        name: "address", type: .secret, isRequired: true,
        summary: "The secret is where it listens: an address with `https://`.",
        example: "EVENTS_ADDRESS", otherNames: ["url"])
    ])

  static let notifyMail = SpecSection(
    id: "notify-mail", title: "`email` of a channel", summary: "People who read mail.",
    keys: [
      SpecKey(
        name: "to", type: .emailList, isRequired: true, summary: "Whom it goes to.",
        example: "[ops@example.com]", otherNames: ["recipients"]),
      SpecKey(
        name: "from", type: .email, isRequired: true, summary: "Whom it comes from.",
        example: "segue@example.com", otherNames: ["sender"]),
      SpecKey(
        name: "server", type: .host, isRequired: true,
        summary: "The mail server that takes it.", example: "mail.example.com",
        otherNames: ["host", "smtp"]),
      SpecKey(
        name: "port", type: .integer(1...65_535), standard: "587",
        summary: "The mail server's port.", example: "465"),
      SpecKey(
        name: "security", type: .word(EmailSpec.Security.allCases.map(\.rawValue)),
        standard: EmailSpec.Security.startTLS.rawValue,
        summary: """
          `tls`: from the first octet. `starttls`: nothing is sent without it. `none`: everybody on \
          the way reads along; for a server on this machine.
          """,
        example: "tls", otherNames: ["tls", "encryption"]),
      SpecKey(
        name: "user", type: .headerName,
        summary: "Who logs in at the server. Only with `password`.",
        example: "segue", otherNames: ["username", "login"]),
      SpecKey(
        name: "password", type: .secret,
        summary: "The secret is the user's password. Only with `user`.",
        example: "MAIL_PASSWORD"),
    ])

  static let policy = SpecSection(
    id: "policy", title: "`policy` of the file",
    summary: "Which commits may come to the deploy branch.",
    keys: [
      SpecKey(
        name: "branch-names", type: .branchPattern,
        summary: """
          What branches are called: a pattern for the whole name, in which a group `issue` holds \
          the key of an issue.
          """,
        example: "\"(feature|fix)/(?<issue>[A-Z]+-[0-9]+)-[a-z0-9-]+\"",
        otherNames: ["branches", "branch-name", "pattern"]),
      SpecKey(
        name: "direct-commits", type: .word(["allow", "deny"]), standard: "allow",
        summary: "`deny`: the deploy branch moves by merges only.", example: "deny",
        otherNames: ["direct", "direct-pushes"]),
      SpecKey(
        name: "signed", type: .boolean, standard: "false",
        summary: """
          `true`: every commit must carry a signature that `git verify-commit` holds for good, by \
          the keys that the user knows whom Segue runs as.
          """,
        example: "true", otherNames: ["signatures", "signed-commits"]),
      SpecKey(
        name: "example", type: .branch,
        summary: "A branch's name that fits, for whoever is told that theirs does not.",
        example: "feature/SHOP-12-faster-checkout"),
      SpecKey(
        name: "issues", type: .section(tracker),
        summary: """
          Where the issues are that branches name. Only with a group `issue` in `branch-names`.
          """,
        example: """
          { tracker: gitlab, url: "https://git.example.com/api/v4", repository: team/shop }
          """,
        otherNames: ["tracker", "issue"]),
    ])

  static let tracker = SpecSection(
    id: "tracker", title: "`issues` of `policy`", summary: "Where issues live.",
    keys: [
      SpecKey(
        name: "tracker", type: .word(TrackerSpec.Kind.allCases.map(\.rawValue)), isRequired: true,
        summary: "What it is. Forgejo speaks as `gitea` does.", example: "gitlab",
        otherNames: ["kind", "type"]),
      SpecKey(
        name: "url", type: .apiAddress, isRequired: true,
        summary: """
          The address of its API: `https://api.github.com`, `https://HOST/api/v3` (GitHub of your \
          own), `https://HOST/api/v4` (GitLab), `https://HOST/api/v1` (Gitea, Forgejo), or \
          `https://HOST` (Jira).
          """,
        example: "\"https://git.example.com/api/v4\"", otherNames: ["address", "api"]),
      SpecKey(
        name: "repository", type: .repository,
        summary: "Whose issues they are. Not for Jira; required for the others.",
        example: "team/shop", otherNames: ["project", "repo"]),
      SpecKey(
        name: "require", type: .word(["open", "existing"]), standard: "open",
        summary: "What an issue must be.", example: "existing"),
      SpecKey(
        name: "token", type: .secret, summary: "The secret is the token that Segue asks with.",
        example: "TRACKER_TOKEN", otherNames: ["password"]),
      SpecKey(
        name: "user", type: .email,
        summary: "Whose token it is, where Jira wants to know.", example: "segue@example.com"),
    ])

  static let forge = SpecSection(
    id: "forge", title: "`forge` of the file", summary: "The forge that the repository lives at.",
    keys: [
      SpecKey(
        name: "kind", type: .word(ForgeSpec.Kind.allCases.map(\.rawValue)), isRequired: true,
        summary: "What it is. Forgejo speaks as `gitea` does.", example: "gitea",
        otherNames: ["type"]),
      SpecKey(
        name: "url", type: .apiAddress, isRequired: true,
        summary: "The address of its API, as under [`issues` of `policy`](#issues-of-policy).",
        example: "\"https://git.example.com/api/v1\"", otherNames: ["address", "api"]),
      SpecKey(
        name: "repository", type: .repository, isRequired: true,
        summary: "The repository there.", example: "team/shop", otherNames: ["project", "repo"]),
      SpecKey(
        name: "token", type: .secret,
        summary: """
          The secret is a token that may write statuses and comments. Without it nothing is written.
          """,
        example: "FORGE_TOKEN"),
      SpecKey(
        name: "webhook-secret", type: .secret,
        summary: """
          The secret is what the forge signs its webhooks with. They are taken where \
          `segue serve --webhooks` listens.
          """,
        example: "FORGE_WEBHOOK", otherNames: ["secret", "webhook"]),
      SpecKey(
        name: "comments", type: .boolean, standard: "true",
        summary: """
          The issue that a branch names gets a comment when its commit is live, and when it is taken \
          back.
          """,
        example: "false"),
    ])
}
