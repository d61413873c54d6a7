import SegueModel

extension SpecBuilder {
  /// What the parts of a strategy need to know of their service.
  private struct StrategyContext {
    /// "service `web`"
    var owner: String
    var instances: Int
    var isWorker: Bool
  }

  mutating func strategy(
    _ entry: YAMLEntry, of owner: String, instances: Int, isWorker: Bool
  ) -> StrategySpec {
    let context = StrategyContext(owner: owner, instances: instances, isWorker: isWorker)
    let standard = StrategySpec.rolling(RollingSpec())
    if case .scalar(let text, _) = entry.value.content {
      guard let strategy = Self.standardStrategies.first(where: { $0.name == text }) else {
        refuseStrategy(text, at: entry.valueSpan)
        return standard
      }
      checkTraffic(strategy.name, at: entry.valueSpan, context)
      return strategy
    }
    let place = "`strategy` of \(owner)"
    guard let fields = section(entry, in: SpecKeys.strategy, owner: place) else { return standard }
    if entry.value.hasNoEntries {
      error(at: entry.valueSpan, "\(place) is empty", hint: Self.namesOfStrategies)
    }
    let named = entry.value.entries.filter { fields[$0.key] != nil }
    guard let first = named.first else { return standard }
    if let second = named.first(where: { $0.key != first.key }) {
      error(at: second.keySpan, "\(place) names two strategies", hint: "keep one of the two")
    }
    checkTraffic(first.key, at: first.keySpan, context)
    switch first.key {
    case "blue-green": return .blueGreen(blueGreen(first, context))
    case "canary": return .canary(canary(first, context))
    case "ab": return .ab(ab(first, context))
    case "shadow": return .shadow(shadow(first, context))
    case "recreate": return .recreate(recreate(first, context))
    default: return .rolling(rolling(first, context))
    }
  }

  /// What a name alone means.
  private static let standardStrategies: [StrategySpec] = [
    .rolling(RollingSpec()), .blueGreen(BlueGreenSpec()), .canary(CanarySpec()), .ab(ABSpec()),
    .shadow(ShadowSpec()), .recreate(RecreateSpec()),
  ]

  private static let namesOfStrategies =
    "write one of " + SpecKeys.strategy.keys.map { "`\($0.name)`" }.joined(separator: ", ")

  private mutating func refuseStrategy(_ text: String, at span: Span) {
    let key = SpecKeys.strategy.keys.first { $0.otherNames.contains(text) }
    error(
      at: span, "there is no strategy \(Printable.quoted(text))",
      hint: key.map { "did you mean `\($0.name)`?" }
        ?? didYouMean(text, among: SpecKeys.strategy.keys.map(\.name)) ?? Self.namesOfStrategies)
  }

  /// A worker takes no traffic, so that none can be split, copied or shown.
  private mutating func checkTraffic(_ name: String, at span: Span, _ context: StrategyContext) {
    guard context.isWorker else { return }
    switch name {
    case "ab", "shadow":
      error(
        at: span,
        "\(context.owner) is a worker and takes no traffic, so `\(name)` has nothing to work with",
        hint: "write `rolling`, `blue-green` or `recreate`")
    case "canary":
      warn(
        at: span,
        "\(context.owner) is a worker: there is no traffic to split, so a step of `canary` only "
          + "starts its share of the instances",
        hint: "`rolling` does the same without the steps")
    default: break
    }
  }

  private mutating func rolling(
    _ entry: YAMLEntry, _ context: StrategyContext
  ) -> RollingSpec {
    let instances = context.instances
    var rolling = RollingSpec()
    guard let fields = section(entry, in: SpecKeys.rolling, owner: "`rolling` of \(context.owner)")
    else { return rolling }
    if let surge = fields["max-surge"].flatMap({ integer($0, in: SpecLimits.surge) }) {
      rolling.maxSurge = surge
    }
    guard let unavailable = fields["max-unavailable"] else {
      if rolling.maxSurge == 0 { refuseStandstill(entry) }
      return rolling
    }
    rolling.maxUnavailable = integer(unavailable, in: SpecLimits.surge) ?? 0
    if rolling.maxSurge == 0, rolling.maxUnavailable == 0 { refuseStandstill(entry) }
    if rolling.maxUnavailable >= instances {
      error(
        at: unavailable.valueSpan,
        "`max-unavailable` is \(rolling.maxUnavailable), but there are only \(instances) "
          + "instance\(instances == 1 ? "" : "s"): nothing would be left to serve",
        hint: instances > 1
          ? "write at most \(instances - 1)" : "leave it out, or raise `instances`")
    }
    return rolling
  }

  private mutating func refuseStandstill(_ entry: YAMLEntry) {
    error(
      at: entry.keySpan,
      "with `max-surge` and `max-unavailable` both 0 no instance could ever be replaced",
      hint: "write `max-surge: 1`")
  }

  private mutating func blueGreen(_ entry: YAMLEntry, _ context: StrategyContext) -> BlueGreenSpec {
    var blueGreen = BlueGreenSpec()
    let owner = "`blue-green` of \(context.owner)"
    guard let fields = section(entry, in: SpecKeys.blueGreen, owner: owner) else {
      return blueGreen
    }
    if let keep = fields["keep-old"].flatMap({ duration($0, in: SpecLimits.duration) }) {
      blueGreen.keepOld = keep
    }
    guard let preview = fields["preview"] else { return blueGreen }
    if context.isWorker {
      error(
        at: preview.keySpan,
        "\(context.owner) is a worker and takes no traffic, so nobody can reach a `preview`",
        hint: "take it out")
    }
    blueGreen.preview = self.preview(preview, context)
    return blueGreen
  }

  private mutating func preview(_ entry: YAMLEntry, _ context: StrategyContext) -> PreviewSpec? {
    if case .scalar(let text, _) = entry.value.content {
      error(
        at: entry.valueSpan, "`preview` must be a mapping, not \(entry.value.kind)",
        hint: "write `preview: { host: \(Printable.text(text)) }`")
      return nil
    }
    let owner = "`preview` of \(context.owner)"
    guard let fields = section(entry, in: SpecKeys.preview, owner: owner) else { return nil }
    let limit = CanarySpec.standardLimit
    let hold = self.hold(
      fields, standard: .promotion(limit: limit), limit: limit, isJudged: false)
    return fields["host"].flatMap { checked($0, TextRules.host) }
      .map { PreviewSpec(host: $0, hold: hold) }
  }

  // MARK: Canary

  private mutating func canary(_ entry: YAMLEntry, _ context: StrategyContext) -> CanarySpec {
    var canary = CanarySpec()
    let owner = "`canary` of \(context.owner)"
    guard let fields = section(entry, in: SpecKeys.canary, owner: owner) else { return canary }
    let hold = self.hold(
      fields, standard: .time(.minutes(5)), limit: CanarySpec.standardLimit)
    canary.steps = CanarySpec.standardWeights.map { CanarySpec.Step(weight: $0, hold: hold) }
    if let steps = fields["steps"] { canary.steps = self.steps(steps, of: owner, hold: hold) }
    if let keep = fields["keep-old"].flatMap({ duration($0, in: SpecLimits.keepOld) }) {
      canary.keepOld = keep
    }
    return canary
  }

  /// - Parameter hold: For steps that say nothing else.
  private mutating func steps(
    _ entry: YAMLEntry, of owner: String, hold: HoldSpec
  ) -> [CanarySpec.Step] {
    guard case .list(let items) = entry.value.content, !items.isEmpty else {
      let isEmpty = if case .list = entry.value.content { true } else { entry.value.isNull }
      error(
        at: entry.valueSpan,
        isEmpty
          ? "\(owner) has no step" : "`steps` must be a list, not \(entry.value.kind)",
        hint: "write it like `steps: [1%, 5%, 25%, 50%]`, or leave it out")
      return []
    }
    if items.count > SpecLimits.canarySteps {
      error(
        at: entry.keySpan,
        "\(owner) has \(items.count) steps; up to \(SpecLimits.canarySteps) are allowed")
    }
    var steps: [CanarySpec.Step] = []
    for (number, item) in items.prefix(SpecLimits.canarySteps).enumerated() {
      let name = "step \(number + 1) of \(owner)"
      guard let (step, span) = step(item, name: name, hold: hold) else { continue }
      if let last = steps.last?.weight, last >= step.weight {
        error(
          at: span,
          last == step.weight
            ? "\(name) is \(step.weight), like the one before it"
            : "\(name) goes down from \(last) to \(step.weight)",
          hint: "each step must give the new release more of the traffic than the one before")
      } else {
        steps.append(step)
      }
    }
    return steps
  }

  /// A step and the place of its weight.
  private mutating func step(
    _ node: YAMLNode, name: String, hold: HoldSpec
  ) -> (step: CanarySpec.Step, span: Span)? {
    var ownHold = hold
    var weight = YAMLEntry(key: "weight", keySpan: node.span, value: node)
    switch node.content {
    case .null, .list:
      error(
        at: node.span, "\(name) must be a share of the traffic, not \(node.kind)",
        hint: "write it like `5%` or `{ weight: 5%, hold: 10m }`")
      return nil
    case .scalar: break
    case .mapping:
      guard let fields = fields(of: node, at: node.span, in: SpecKeys.canaryStep, owner: name)
      else { return nil }
      let limit =
        if case .promotion(let limit) = hold { limit } else { CanarySpec.standardLimit }
      ownHold = self.hold(fields, standard: hold, limit: limit)
      guard let entry = fields["weight"] else { return nil }
      weight = entry
    }
    guard let share = self.weight(weight, name: name) else { return nil }
    return (CanarySpec.Step(weight: share, hold: ownHold), weight.valueSpan)
  }

  private mutating func weight(_ entry: YAMLEntry, name: String) -> Permille? {
    guard let text = text(entry) else { return nil }
    do throws(Misreading) {
      let share = try ShareText.parse(text)
      if SpecLimits.part.contains(share) { return Permille(share) }
      let amount = Printable.text(text)
      switch share {
      case ...0:
        error(
          at: entry.valueSpan,
          "\(name) is \(amount): it has to give the new release some of the traffic",
          hint: "write a share from 0.1% to 99.9%")
      case 1_000:
        error(
          at: entry.valueSpan, "\(name) is \(amount), which is no step any more",
          hint: "take it out: the move to 100% follows by itself after the last step")
      default:
        error(
          at: entry.valueSpan, "\(name) is \(amount), which is more than all of the traffic",
          hint: "write a share from 0.1% to 99.9%; the move to 100% follows by itself")
      }
    } catch {
      self.error(at: entry.valueSpan, error)
    }
    return nil
  }

  // MARK: The others

  private mutating func ab(_ entry: YAMLEntry, _ context: StrategyContext) -> ABSpec {
    var ab = ABSpec()
    let owner = "`ab` of \(context.owner)"
    guard let fields = section(entry, in: SpecKeys.ab, owner: owner) else { return ab }
    let audiences = entry.value.entries.filter {
      ["share", "header", "cookie"].contains($0.key) && fields[$0.key] != nil
    }
    if let first = audiences.first, let second = audiences.first(where: { $0.key != first.key }) {
      error(
        at: second.keySpan, "\(owner) has both `\(first.key)` and `\(second.key)`",
        hint: "keep one of the two: it says who gets the new release")
    }
    if let share = fields["share"].flatMap({ share($0, in: SpecLimits.part) }) {
      ab.audience = .share(share)
    }
    if let header = fields["header"],
      let match = self.match(header, in: SpecKeys.requestHeader, of: owner, what: "a header field")
    {
      ab.audience = .requests(.header(name: match.name, value: match.value))
    }
    if let cookie = fields["cookie"],
      let match = self.match(cookie, in: SpecKeys.requestCookie, of: owner, what: "a cookie")
    {
      ab.audience = .requests(.cookie(name: match.name, value: match.value))
    }
    if let goals = fields["goals"] {
      let isRandom = if case .share = ab.audience { true } else { false }
      ab.goals = self.goals(goals, of: owner, isRandom: isRandom)
      if let hold = fields["hold"] {
        warn(
          at: hold.keySpan,
          "after the `hold` everybody gets the new release of \(context.owner), whatever users did",
          hint: "write `until: verdict` and `limit` instead")
      }
    }
    ab.hold = hold(
      fields, standard: ab.hold, limit: ABSpec.standardLimit, isExperiment: ab.goals != nil)
    if let keep = fields["keep-old"].flatMap({ duration($0, in: SpecLimits.keepOld) }) {
      ab.keepOld = keep
    }
    return ab
  }

  /// A name and the value that requests must have under it.
  mutating func match(
    _ entry: YAMLEntry, in section: SpecSection, of owner: String, what: String
  ) -> (name: String, value: String)? {
    guard let fields = self.section(entry, in: section, owner: "`\(entry.key)` of \(owner)")
    else { return nil }
    let rule =
      section.id == SpecKeys.requestCookie.id ? TextRules.cookieValue : TextRules.headerValue
    let name = fields["name"].flatMap { checked($0) { TextRules.token($0, of: what) } }
    let value = fields["value"].flatMap { checked($0, rule) }
    guard let name, let value else { return nil }
    return (name, value)
  }

  private mutating func shadow(_ entry: YAMLEntry, _ context: StrategyContext) -> ShadowSpec {
    var shadow = ShadowSpec()
    let owner = "`shadow` of \(context.owner)"
    guard let fields = section(entry, in: SpecKeys.shadow, owner: owner) else { return shadow }
    if let share = fields["share"].flatMap({ share($0, in: SpecLimits.copies) }) {
      shadow.mirror.share = share
    }
    shadow.mirror.allMethods = fields["all-methods"].flatMap { boolean($0) } ?? false
    if let headers = fields["compare-headers"] {
      let named = list(headers) { TextRules.token($0, of: "a header field") }
      var seen: Set<String> = []
      shadow.mirror.headers = named.map { $0.text.lowercased() }.filter { seen.insert($0).inserted }
    }
    shadow.tolerated = fields["tolerate"].flatMap { share($0, in: SpecLimits.part) }
    shadow.hold = hold(fields, standard: shadow.hold, limit: CanarySpec.standardLimit)
    if let tolerate = fields["tolerate"] {
      if case .verdict = shadow.hold { return shadow }
      warn(
        at: tolerate.keySpan,
        "`tolerate` of \(owner) is what a verdict goes by, and nothing waits for one",
        hint: "write `until: verdict` beside it, or take it out")
    }
    return shadow
  }

  private mutating func recreate(_ entry: YAMLEntry, _ context: StrategyContext) -> RecreateSpec {
    var recreate = RecreateSpec()
    let owner = "`recreate` of \(context.owner)"
    guard let fields = section(entry, in: SpecKeys.recreate, owner: owner),
      let limit = fields["hold-limit"]
    else { return recreate }
    if context.isWorker {
      warn(
        at: limit.keySpan, "\(context.owner) is a worker: there are no requests to hold",
        hint: "take `hold-limit` out")
    }
    if let span = duration(limit, in: SpecLimits.hold) { recreate.holdLimit = span }
    return recreate
  }

  // MARK: Holds

  /// `hold`, or `until` with its `limit`.
  ///
  /// - Parameters:
  ///   - standard: When the file says nothing.
  ///   - limit: How long `until: promote` waits when the file does not say it.
  ///   - isJudged: There is something that a verdict could go by.
  ///   - isExperiment: The verdict is what users do, and may take as long as people wait.
  private mutating func hold(
    _ fields: Fields, standard: HoldSpec, limit: Milliseconds, isJudged: Bool = true,
    isExperiment: Bool = false
  ) -> HoldSpec {
    let until = fields["until"].flatMap { word($0, among: isJudged ? SpecKeys.ends : ["promote"]) }
    let span = fields["hold"].flatMap { duration($0, in: SpecLimits.wait) }
    let ownLimit = fields["limit"].flatMap { duration($0, in: SpecLimits.wait) }
    if let hold = fields["hold"], let until = fields["until"] {
      error(
        at: hold.keySpan.later(until.keySpan), "\(fields.owner) has both `hold` and `until`",
        hint: "keep one of the two: `hold` ends by itself, `until: promote` by a person")
      return standard
    }
    let isPromoted =
      if case .promotion = standard, until == nil { fields["hold"] == nil } else {
        until == "promote"
      }
    if isExperiment, until == "verdict" {
      return .verdict(VerdictHold(maximum: ownLimit ?? limit, onInsufficient: .rollBack))
    }
    if let entry = fields["limit"], !isPromoted, fields["until"] == nil || until == "verdict" {
      error(
        at: entry.keySpan,
        "`limit` in \(fields.owner) bounds the wait for a person, and there is none",
        hint: until == "verdict"
          ? "a verdict's wait is bounded by `maximum` in `analysis` of the service"
          : "write `until: promote` beside it, or take it out")
    }
    if let span { return .time(span) }
    if until == "verdict" { return .verdict(AnalysisSpec.standardHold) }
    if isPromoted, fields["until"] != nil || ownLimit != nil {
      return .promotion(limit: ownLimit ?? limit)
    }
    return standard
  }
}
