import SegueModel

extension SpecKeys {
  static let people: [SpecKey] = [
    SpecKey(
      name: "teams", type: .sectionsByName(team, 0...SpecLimits.teams), standard: "{}",
      summary: "Who belongs together: whom approvals and milestones are about.",
      example: "{ product: { members: [ana, li], services: [web] } }", otherNames: ["groups"]),
    SpecKey(
      name: "freezes", type: .sectionsByName(freeze, 0...SpecLimits.freezes), standard: "{}",
      summary: """
        Times in which no rollout may start, whatever the windows say. What has begun is finished. \
        `segue freeze` sets one at once.
        """,
      example: """
        { holidays: { when: 2026-12-24 to 2027-01-01 Europe/Paris, reason: nobody is here } }
        """, otherNames: ["freeze", "blackouts", "calendar"]),
    SpecKey(
      name: "milestones", type: .sectionsByName(milestone, 0...SpecLimits.milestones),
      standard: "{}",
      summary: """
        What is guarded: from its cut-off until it is reached, only some people may let a change in.
        """,
      example: "{ beta: { when: 2026-12-01 to 2026-12-14 UTC, people: [mo] } }"),
  ]

  static let team = SpecSection(
    id: "team", title: "A team of `teams`", summary: "The key is the team's name.",
    keys: [
      SpecKey(
        name: "members", type: .personList, isRequired: true,
        summary: """
          Its people, by the names under which they use `segue`: normally their login names on the \
          machine that it runs on.
          """,
        example: "[ana, li]", otherNames: ["people", "users"]),
      SpecKey(
        name: "services", type: .nameList,
        summary: """
          The services that are theirs. Their `notify` hears of these only, and an advisory about one \
          of them names the team.
          """,
        example: "[web]", otherNames: ["owns"]),
      SpecKey(
        name: "notify", type: .section(teamNotify),
        summary: """
          How the team is told what concerns it: its `services`, what waits for its approval, and what \
          concerns everybody. See [notifications](notifications.md).
          """,
        example: "{ slack: PRODUCT_CHAT }", otherNames: ["channel", "notifications"]),
    ])

  static let teamNotify = SpecSection(
    id: "team-notify", title: "`notify` of a team",
    summary: "Exactly one of `slack`, `webhook`, `cdevents` and `email` says how the team is told.",
    keys: notify.keys.filter { $0.name != "teams" })

  static let freeze = SpecSection(
    id: "freeze", title: "A freeze of `freezes`",
    summary: """
      The key is the freeze's name. Only an edit of the file ends it; a single rollout can go in \
      spite of it, by `segue deploy --override "reason"`.
      """,
    keys: [
      SpecKey(
        name: "when", type: .timePattern, isRequired: true,
        summary: "When it holds; see [times in the calendar](calendar.md).",
        example: "2026-12-24 to 2027-01-01 Europe/Paris", otherNames: ["range", "at", "time"]),
      SpecKey(
        name: "reason", type: .sentence, isRequired: true,
        summary: "Why; everybody who is held up reads it.", example: "nobody is here",
        otherNames: ["why", "because", "message"]),
      guarded,
    ],
    misplaced: [("from", "write both in `when`: `when: 2026-12-24 to 2027-01-01 Europe/Paris`")])

  static let milestone = SpecSection(
    id: "milestone", title: "A milestone of `milestones`",
    summary: """
      The key is the milestone's name. A release goes in after the cut-off once one of those named \
      here has said so, by `segue approve --milestone NAME`. At least one of `people` and `teams`.
      """,
    keys: [
      SpecKey(
        name: "when", type: .timePattern, isRequired: true,
        summary: "From the cut-off to when the milestone is reached; once, not recurring.",
        example: "2026-12-01 18:00 to 2026-12-15 08:00 Europe/Paris",
        otherNames: ["cut-off", "range"]),
      SpecKey(
        name: "people", type: .personList, standard: "[]",
        summary: "Who may let a change in.", example: "[mo]", otherNames: ["gatekeepers"]),
      SpecKey(
        name: "teams", type: .nameList, standard: "[]",
        summary: "Whose members may let a change in.", example: "[product]",
        otherNames: ["team"]),
      guarded,
    ])

  private static let guarded = SpecKey(
    name: "environments", type: .nameList,
    summary: "Where it holds. Without it: in every environment.", example: "[production]",
    otherNames: ["environment", "envs", "in"])

  static let environmentPeople: [SpecKey] = [
    SpecKey(
      name: "windows", type: .timePatternList,
      summary: """
        When rollouts may start here; what has begun is finished. Without it: at any time. See \
        [times in the calendar](calendar.md).
        """,
      example: "[\"Mon-Thu 09:00-16:00 Europe/Paris\"]", otherNames: ["window", "schedule"]),
    SpecKey(
      name: "approval", type: .section(approval),
      summary: """
        Whose yes a rollout needs here, said by `segue approve`. A rollback needs nobody's.
        """,
      example: "{ people: [ana, li], exclude-author: true }",
      otherNames: ["approvals", "approvers", "sign-off"]),
  ]

  static let approval = SpecSection(
    id: "approval", title: "`approval` of an environment",
    summary: """
      At least one of `team`, `teams` and `people`. Somebody's no stops the release until the same \
      person takes it back.
      """,
    keys: [
      SpecKey(
        name: "team", type: .name, summary: "The team whose members may say yes.",
        example: "product"),
      SpecKey(
        name: "teams", type: .nameList,
        summary: "Each of these teams has to say yes for itself.", example: "[product, security]"),
      SpecKey(
        name: "people", type: .personList,
        summary: "People who may say yes; needed beside the teams.", example: "[mo]",
        otherNames: ["members", "users", "by"]),
      SpecKey(
        name: "quorum", type: .integer(SpecLimits.quorum), standard: "\(ApprovalSpec().quorum)",
        summary: "How many different people of each team, and of `people`.", example: "2",
        otherNames: ["count", "minimum", "required"]),
      SpecKey(
        name: "exclude-author", type: .boolean,
        standard: "\(ApprovalSpec().excludesAuthors)",
        summary: """
          `true`: whoever wrote a commit that the release brings does not count. A name is an \
          author's when it is the author's name in Git, the address, or what stands before its `@`.
          """,
        example: "true", otherNames: ["exclude-authors", "not-author"]),
      SpecKey(
        name: "expires", type: .duration(SpecLimits.wait),
        summary: "How long a yes holds. Without it: for this release for ever.", example: "24h",
        otherNames: ["valid-for", "expiry", "timeout"]),
    ])
}
