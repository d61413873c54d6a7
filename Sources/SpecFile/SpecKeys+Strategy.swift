import SegueModel

extension SpecKeys {
  static let strategy = SpecSection(
    id: "strategy", title: "`strategy` of a service",
    summary: "One of these names, or one of them as a key with settings.",
    keys: [
      SpecKey(
        name: "rolling", type: .section(rolling), standard: "{}",
        summary: "Replace the instances batch by batch.",
        example: "{ max-surge: 1, max-unavailable: 0 }"),
      SpecKey(
        name: "blue-green", type: .section(blueGreen), standard: "{}",
        summary: "Start a full second set, switch all traffic at once, keep the old set warm.",
        example: "{ keep-old: 10m }"),
      SpecKey(
        name: "canary", type: .section(canary), standard: "{}",
        summary: "Give the new release a growing share of the traffic, step by step.",
        example: "{ steps: [1%, 5%, 25%, 50%], hold: 5m }"),
      SpecKey(
        name: "ab", type: .section(ab), standard: "{}",
        summary: """
          Keep two releases side by side, each with its own users, until somebody, or what the \
          users do, ends it. Not for a worker.
          """,
        example: "{ share: 50% }", otherNames: ["a-b", "ab-test", "experiment"]),
      SpecKey(
        name: "shadow", type: .section(shadow), standard: "{}",
        summary: """
          Send copies of requests to the new release, compare its answers and throw them away, and \
          switch afterwards. Not for a worker.
          """,
        example: "{ share: 100%, hold: 10m }", otherNames: ["mirror", "dark"]),
      SpecKey(
        name: "recreate", type: .section(recreate), standard: "{}",
        summary: """
          Stop the old instances, then start the new ones: for what cannot run twice. The router \
          holds requests meanwhile.
          """,
        example: "{ hold-limit: 30s }"),
    ])

  static let rolling = SpecSection(
    id: "rolling", title: "`rolling` of a strategy", summary: "Not both may be 0.",
    keys: [
      SpecKey(
        name: "max-surge", type: .integer(SpecLimits.surge), standard: "\(RollingSpec().maxSurge)",
        summary: "Instances above the steady number while a batch starts.", example: "1",
        otherNames: ["surge"]),
      SpecKey(
        name: "max-unavailable", type: .integer(SpecLimits.surge),
        standard: "\(RollingSpec().maxUnavailable)",
        summary: "Instances below the steady number while a batch starts; less than `instances`.",
        example: "1", otherNames: ["unavailable"]),
    ],
    planned: ["pause", "batch"])

  static let blueGreen = SpecSection(
    id: "blue-green", title: "`blue-green` of a strategy",
    summary: "Needs room for twice the instances during a rollout.",
    keys: [
      keepOld(BlueGreenSpec().keepOld, in: SpecLimits.duration),
      SpecKey(
        name: "preview", type: .section(preview),
        summary: "Reach the new set before anybody else does. Not for a worker.",
        example: "{ host: preview.shop.example.com }"),
    ],
    planned: ["approval"])

  static let preview = SpecSection(
    id: "preview", title: "`preview` of `blue-green`",
    summary: "The new set is ready and waits; only requests for this host get there.",
    keys: [
      SpecKey(
        name: "host", type: .host, isRequired: true,
        summary: "A host that no service's `route` has. The path is the route's.",
        example: "preview.shop.example.com", otherNames: ["hostname", "domain"]),
      hold(standard: nil, "until the switch"), until(standard: "promote", verdict: nil),
      limit(CanarySpec.standardLimit),
    ])

  // MARK: Strategies by steps

  static let canary = SpecSection(
    id: "canary", title: "`canary` of a strategy",
    summary: """
      The move to all of the traffic follows by itself after the last step. Nobody who got the new \
      release gets the old one again, except by a rollback.
      """,
    keys: [
      SpecKey(
        name: "steps", type: .shareList(SpecLimits.part, canaryStep),
        standard: "["
          + CanarySpec.standardWeights.map { ShareText.render($0.value) }.joined(separator: ", ")
          + "]",
        summary: """
          Up to \(SpecLimits.canarySteps) shares of the traffic, each greater than the one before, \
          alone or with settings of their own.
          """,
        example: "[5%, { weight: 50%, until: promote }]", otherNames: ["weights", "stages"]),
      hold(standard: DurationText.render(.minutes(5)), "from each step to the next"),
      until(standard: nil), limit(CanarySpec.standardLimit), keepOld(CanarySpec().keepOld),
    ],
    misplaced: judging)

  static let canaryStep = SpecSection(
    id: "canary-step", title: "A step of `canary`",
    summary: "What is not named is as the strategy has it.",
    keys: [
      SpecKey(
        name: "weight", type: .share(SpecLimits.part), isRequired: true,
        summary: "The new release's share of the traffic.", example: "5%",
        otherNames: ["share", "percent", "step"]),
      hold(standard: nil, "until the next step"), until(standard: nil),
      limit(nil),
    ],
    misplaced: judging)

  static let ab = SpecSection(
    id: "ab", title: "`ab` of a strategy",
    summary: """
      At most one of `share`, `header` and `cookie` says who gets the new release. Promoted, the new \
      release takes all of the traffic.
      """,
    keys: [
      SpecKey(
        name: "share", type: .share(SpecLimits.part), standard: "50%",
        summary: "This share of the users, told apart as `route.sticky` says.",
        example: "50%", otherNames: ["percent", "weight"]),
      SpecKey(
        name: "header", type: .section(requestHeader),
        summary: "Requests with this header field, and nobody else.",
        example: "{ name: X-Beta, value: \"1\" }"),
      SpecKey(
        name: "cookie", type: .section(requestCookie),
        summary: "Requests with this cookie, and nobody else.",
        example: "{ name: beta, value: \"1\" }"),
      SpecKey(
        name: "goals", type: .sectionsByName(goal, 1...GoalSpec.limit),
        summary: """
          Makes it an experiment: what is counted of the users of both releases, by name, up to \
          \(GoalSpec.limit). The first decides, the others can only object. With `until: verdict` the \
          new release takes over when it wins, and is taken back when it loses; at the `limit`, \
          without a winner, happens what `on-insufficient` of `analysis` says, if it says something, \
          and else it is taken back. Only with `share`.
          """,
        example: "{ checkout: { header: Segue-Goal }, signup: { path: /welcome } }"),
      hold(standard: nil, "until the new release takes over"), until(standard: "promote"),
      limit(ABSpec.standardLimit), keepOld(ABSpec().keepOld),
    ],
    planned: ["variants"],
    misplaced: judging + [
      (
        name: "unit",
        hint: "users are told apart as `sticky` of the `route` says: `sticky: { cookie: user }`"
      )
    ])

  private static let counted = GoalSpec(name: "g", source: .posted)

  static let goal = SpecSection(
    id: "goal", title: "One of `goals` of `ab`",
    summary: """
      One of `header`, `path` and `posted` says how Segue learns that a user has reached it.
      """,
    keys: [
      SpecKey(
        name: "header", type: .headerName,
        summary: """
          The instance says so in a field of its answer, which goes on to the user: \
          `Segue-Goal: checkout`, with a value `Segue-Goal: checkout=12.50`, several divided by commas.
          """,
        example: "Segue-Goal"),
      SpecKey(
        name: "path", type: .urlPath,
        summary: "A request for exactly this path, whatever its query, is answered 2xx or 3xx.",
        example: "/welcome"),
      SpecKey(
        name: "posted", type: .boolean,
        summary: """
          `true`: somebody says so with `segue goal`, by what the user is known by: the value of the \
          cookie or header field.
          """,
        example: "true"),
      SpecKey(
        name: "count", type: .word(GoalSpec.Count.allCases.map(\.rawValue)),
        standard: counted.count.rawValue,
        summary: """
          `once`: a user has reached it or has not. `sum`: the values of each user add up, and a time \
          without a value is worth 1.
          """,
        example: "sum"),
      SpecKey(
        name: "better", type: .word(MetricSpec.Direction.allCases.map(\.rawValue)),
        standard: counted.better.rawValue, summary: "Which way is better.", example: "lower"),
    ])

  static let requestHeader = SpecSection(
    id: "request-header", title: "`header` of `ab` and of a route",
    summary: "The name in any case, the value exactly.",
    keys: [
      SpecKey(
        name: "name", type: .headerName, isRequired: true, summary: "The name of the field.",
        example: "X-Beta"),
      SpecKey(
        name: "value", type: .headerValue, isRequired: true,
        summary: "The value that counts.", example: "\"1\""),
    ])

  static let requestCookie = SpecSection(
    id: "request-cookie", title: "`cookie` of `ab` and of a route",
    summary: "Name and value exactly.",
    keys: [
      SpecKey(
        name: "name", type: .cookieName, isRequired: true, summary: "The name of the cookie.",
        example: "beta"),
      SpecKey(
        name: "value", type: .cookieValue, isRequired: true,
        summary: "The value that counts.", example: "\"1\""),
    ])

  // MARK: The others

  private static let mirror = MirrorSpec()

  static let shadow = SpecSection(
    id: "shadow", title: "`shadow` of a strategy",
    summary: """
      Nobody waits for a copy or sees its answer. The status and the body of the two answers are \
      compared, and the differences are counted.
      """,
    keys: [
      SpecKey(
        name: "share", type: .share(SpecLimits.copies),
        standard: ShareText.render(mirror.share.value),
        summary: "The share of the requests that are copied.", example: "100%",
        otherNames: ["percent", "weight"]),
      SpecKey(
        name: "all-methods", type: .boolean, standard: "\(mirror.allMethods)",
        summary: """
          `true`: copy requests that may change something, too, and not only `GET` and its like. \
          The new release then does everything a second time.
          """,
        example: "true"),
      SpecKey(
        name: "compare-headers", type: .headerNameList,
        standard: "[" + mirror.headers.joined(separator: ", ") + "]",
        summary: "Header fields whose values must agree in the two answers.",
        example: "[content-type, location]"),
      SpecKey(
        name: "tolerate", type: .share(SpecLimits.part),
        standard: ShareText.render(ShadowSpec.standardTolerance.value),
        summary: """
          `until: verdict`: the part of the answers that may differ. The release is good when fewer \
          do, bad when more do, and is held until one of the two is beyond doubt.
          """,
        example: "0.5%", otherNames: ["tolerance"]),
      hold(standard: nil, "until the switch"), until(standard: "promote", verdict: copiesVerdict),
      limit(CanarySpec.standardLimit),
    ],
    misplaced: judging)

  private static let copiesVerdict = """
    `verdict`: until enough answers were compared to say whether fewer differ than `tolerate` allows; \
    `minimum`, `maximum` and `on-insufficient` of `analysis` of the service bound the wait.
    """

  static let recreate = SpecSection(
    id: "recreate", title: "`recreate` of a strategy",
    summary: "The two releases never run at the same time.",
    keys: [
      SpecKey(
        name: "hold-limit", type: .duration(SpecLimits.hold),
        standard: DurationText.render(RecreateSpec().holdLimit),
        summary: "How long a request may be held; then it is answered 503.", example: "30s",
        otherNames: ["hold"])
    ])

  // MARK: What several have

  private static let judging = [
    ("watch", "put it under `analysis` of the service: `analysis: { watch: [errors] }`"),
    ("on-insufficient", "put it under `analysis` of the service"),
    ("analysis", "put it beside `strategy`, not into it"),
  ].map { (name: $0.0, hint: $0.1) }

  private static func keepOld(
    _ standard: Milliseconds, in range: ClosedRange<Milliseconds> = SpecLimits.keepOld
  ) -> SpecKey {
    SpecKey(
      name: "keep-old", type: .duration(range), standard: DurationText.render(standard),
      summary: "How long the old set stays up, for a rollback in a single switch.",
      example: "10m", otherNames: ["keep"])
  }

  private static func hold(standard: String?, _ span: String) -> SpecKey {
    SpecKey(
      name: "hold", type: .duration(SpecLimits.wait), standard: standard,
      summary: "How long it takes \(span). Instead of `until`.", example: "10m",
      otherNames: ["pause", "wait", "interval"])
  }

  /// What may end a hold that a verdict can end.
  static let ends = ["promote", "verdict"]

  private static let trafficVerdict = """
    `verdict`: until live traffic has judged the new release, as `analysis` of the service says.
    """

  /// - Parameter verdict: what that is; `nil`: there can be none.
  private static func until(standard: String?, verdict: String? = trafficVerdict) -> SpecKey {
    SpecKey(
      name: "until", type: .word(verdict == nil ? ["promote"] : ends), standard: standard,
      summary: "`promote`: until somebody promotes the rollout. "
        + (verdict.map { $0 + " " } ?? "") + "Instead of `hold`.",
      example: "promote")
  }

  private static func limit(_ standard: Milliseconds?) -> SpecKey {
    SpecKey(
      name: "limit", type: .duration(SpecLimits.wait), standard: standard.map(DurationText.render),
      summary: """
        How long `until: promote` waits. Then the rollout is taken back, and nothing is lost but \
        the time.
        """,
      example: standard.map(DurationText.render) ?? "2h", otherNames: ["timeout", "deadline"])
  }
}
