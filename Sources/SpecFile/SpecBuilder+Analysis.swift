import SegueModel

/// How live traffic judges a service's releases.
extension SpecBuilder {
  /// Reads `analysis`, and lets every `until: verdict` of the strategy go by it.
  mutating func judge(_ draft: inout ServiceDraft, _ fields: Fields, owner: String) {
    let entry = fields["analysis"]
    guard !draft.isWorker else {
      if let entry {
        error(
          at: entry.keySpan, "\(owner) is a worker and takes no traffic, so nothing can judge it",
          hint: "take `analysis` out")
      }
      return
    }
    let analysis = entry.map { self.analysis($0, of: owner) } ?? AnalysisSpec()
    draft.spec.analysis = analysis
    if draft.spec.strategy.waitsForTraffic, !analysis.judges, let strategy = fields["strategy"] {
      error(
        at: strategy.keySpan, "\(owner) waits for a verdict, but `analysis` watches nothing",
        hint: "write `analysis: { watch: [errors] }`")
    }
    let isSaid = entry?.value.entries.contains { $0.key == "on-insufficient" } ?? false
    draft.spec.strategy.waitForVerdicts(
      by: analysis.hold, said: isSaid ? analysis.hold.onInsufficient : nil)
    checkUsers(of: draft, fields["strategy"], owner: owner)
  }

  private mutating func analysis(_ entry: YAMLEntry, of owner: String) -> AnalysisSpec {
    var analysis = AnalysisSpec()
    guard let fields = section(entry, in: SpecKeys.analysis, owner: "`analysis` of \(owner)")
    else { return analysis }
    if let watch = fields["watch"] { analysis.watch = signals(watch) }
    if let metrics = fields["metrics"] {
      analysis.metrics = self.metrics(metrics, of: owner)
    }
    if let tolerance = fields["tolerate"].flatMap({ integer($0, in: SpecLimits.tolerance) }) {
      analysis.tolerance = tolerance
    }
    if let share = fields["false-alarms"].flatMap({ share($0, in: SpecLimits.falseAlarms) }) {
      analysis.falseAlarms = share
    }
    if let span = fields["minimum"].flatMap({ duration($0, in: SpecLimits.wait) }) {
      analysis.hold.minimum = span
    }
    if let span = fields["maximum"].flatMap({ duration($0, in: SpecLimits.wait) }) {
      analysis.hold.maximum = span
    }
    let choices = VerdictHold.OnInsufficient.allCases.map(\.rawValue)
    if let choice = fields["on-insufficient"].flatMap({ word($0, among: choices) }) {
      analysis.hold.onInsufficient = VerdictHold.OnInsufficient(rawValue: choice) ?? .hold
    }
    analysis.bake = fields["bake"].flatMap { duration($0, in: SpecLimits.bake) }
    let ways = AnalysisSpec.OnRegression.allCases.map(\.rawValue)
    analysis.onRegression = fields["on-regression"].flatMap { word($0, among: ways) }
      .flatMap { AnalysisSpec.OnRegression(rawValue: $0) }
    analysis.objective = fields["objective"].flatMap { objective($0) }
    analysis.score = fields["score"].flatMap { score($0, of: owner) }
    if let entry = fields["on-regression"], fields["bake"] == nil, fields["objective"] == nil {
      warn(
        at: entry.keySpan,
        "`on-regression` of \(owner) is about the time after a rollout, and "
          + "`bake` does not say how long that is",
        hint: "write `bake: 30m` beside it")
    }
    if analysis.hold.minimum > analysis.hold.maximum {
      error(
        at: (fields["minimum"] ?? entry).keySpan,
        "`analysis` of \(owner) waits at least \(DurationText.render(analysis.hold.minimum)) and at "
          + "most \(DurationText.render(analysis.hold.maximum))",
        hint: "write a `minimum` below the `maximum`")
    }
    return analysis
  }

  private mutating func objective(_ entry: YAMLEntry) -> Int64? {
    guard let text = text(entry) else { return nil }
    do throws(Misreading) {
      return try ObjectiveText.parse(text)
    } catch {
      self.error(at: entry.valueSpan, error)
      return nil
    }
  }

  private mutating func score(_ entry: YAMLEntry, of owner: String) -> ScoreSpec? {
    guard let fields = section(entry, in: SpecKeys.score, owner: "`score` of \(owner)")
    else { return nil }
    var score = ScoreSpec()
    if let pass = fields["pass"].flatMap({ integer($0, in: SpecLimits.score) }) {
      score.pass = pass
    }
    if let marginal = fields["marginal"].flatMap({ integer($0, in: SpecLimits.score) }) {
      score.marginal = marginal
    }
    if let span = fields["interval"].flatMap({ duration($0, in: SpecLimits.metricInterval) }) {
      score.interval = span
    }
    if score.marginal > score.pass {
      error(
        at: (fields["marginal"] ?? entry).keySpan,
        "`score` of \(owner) calls \(score.marginal) marginal and \(score.pass) good",
        hint: "write a `marginal` that is not above `pass`")
    }
    return score
  }

  private mutating func metrics(_ entry: YAMLEntry, of owner: String) -> [MetricSpec] {
    let example = "queue: { command: ./queue-length }"
    guard let named = namedSections(entry, of: "a metric", example: example) else { return [] }
    if named.count > SpecLimits.metrics {
      error(
        at: entry.keySpan,
        "there are \(named.count) metrics; up to \(SpecLimits.metrics) are allowed")
    }
    return named.prefix(SpecLimits.metrics).compactMap { metric($0, of: owner) }
  }

  private mutating func metric(_ entry: YAMLEntry, of owner: String) -> MetricSpec? {
    let owner = "metric `\(entry.key)` of \(owner)"
    guard let fields = section(entry, in: SpecKeys.metric, owner: owner),
      let source = source(fields, entry, owner: owner)
    else { return nil }
    var metric = MetricSpec(name: entry.key, source: source)
    let ways = MetricSpec.Direction.allCases.map(\.rawValue)
    if let worse = fields["worse"].flatMap({ word($0, among: ways) }) {
      metric.worse = MetricSpec.Direction(rawValue: worse) ?? .higher
    }
    if let tolerance = fields["tolerate"].flatMap({ integer($0, in: SpecLimits.tolerance) }) {
      metric.tolerance = tolerance
    }
    if let span = fields["interval"].flatMap({ duration($0, in: SpecLimits.metricInterval) }) {
      metric.interval = span
    }
    metric.bound = bound(fields, source, owner: owner)
    return metric
  }

  private mutating func bound(
    _ fields: Fields, _ source: MetricSpec.Source, owner: String
  ) -> MetricSpec.Bound? {
    let least = fields["at-least"].flatMap { number($0) }
    let most = fields["at-most"].flatMap { number($0) }
    guard let entry = fields["at-least"] ?? fields["at-most"] else {
      if let failures = fields["failures"] {
        warn(
          at: failures.keySpan, "`failures` of \(owner) counts broken bounds, and there is none",
          hint: "write `at-most` or `at-least` beside it")
      }
      return nil
    }
    if source.isRate {
      error(
        at: entry.keySpan, "\(owner) counts events, and has a bound for a value",
        hint: "write a `query` that gives the part of them that is bad")
    }
    let failures = fields["failures"].flatMap { integer($0, in: SpecLimits.failures) } ?? 0
    return MetricSpec.Bound(atLeast: least, atMost: most, failuresAllowed: failures)
  }

  /// In millionths.
  private mutating func number(_ entry: YAMLEntry) -> Int64? {
    guard let text = text(entry) else { return nil }
    guard let number = DecimalText.millionths(text) else {
      error(
        at: entry.valueSpan, "`\(entry.key)` must be a number, not \(Printable.quoted(text))",
        hint: "write it like 500 or 0.95, with at most six digits behind the point")
      return nil
    }
    return number
  }

  /// Where a metric comes from: what is missing, or too much, is said.
  private mutating func source(
    _ fields: Fields, _ entry: YAMLEntry, owner: String
  ) -> MetricSpec.Source? {
    let text = ["prometheus", "query", "events", "bad", "json", "command", "path"]
      .reduce(into: [String: String]()) { texts, key in
        texts[key] = fields[key].flatMap { command($0) }
      }
    switch (text["prometheus"], text["json"], text["command"]) {
    case (let address?, nil, nil):
      if let query = text["query"] { return .prometheus(address: address, query: query) }
      if let events = text["events"], let bad = text["bad"] {
        return .prometheusCounts(address: address, events: events, bad: bad)
      }
      error(
        at: entry.keySpan, "\(owner) does not say what to ask Prometheus",
        hint: "write `query`, or `events` and `bad`")
    case (nil, let address?, nil):
      if let path = text["path"] { return .json(address: address, path: path) }
      error(
        at: entry.keySpan, "\(owner) does not say where in the JSON the number is",
        hint: "write it like `path: data.items[0].rate`")
    case (nil, nil, let line?): return .command(line, path: text["path"] ?? "")
    default:
      error(
        at: entry.keySpan, "\(owner) needs exactly one of `prometheus`, `json` and `command`",
        hint: "it says where the number comes from")
    }
    return nil
  }

  private mutating func signals(_ entry: YAMLEntry) -> [AnalysisSpec.Signal] {
    let known = AnalysisSpec.Signal.allCases.map(\.rawValue)
    let words = list(entry) { text in
      known.contains(text)
        ? nil
        : Misreading(
          message: "nothing called \(Printable.quoted(text)) can be watched",
          hint: "write " + known.map { "`\($0)`" }.joined(separator: " or "))
    }
    return Set(words.compactMap { AnalysisSpec.Signal(rawValue: $0.text) }).sorted()
  }
}

extension StrategySpec {
  /// A verdict is waited for that only what `analysis` watches can bring.
  fileprivate var waitsForTraffic: Bool {
    switch self {
    case .rolling, .recreate, .shadow: return false
    case .ab(let spec) where spec.goals != nil: return false
    case .ab, .blueGreen, .canary:
      return holds.contains { if case .verdict = $0 { true } else { false } }
    }
  }

  /// Every hold that waits for a verdict does so as `hold` says.
  ///
  /// - Parameter said: what the file itself says of too little evidence; `nil`: nothing.
  fileprivate mutating func waitForVerdicts(
    by hold: VerdictHold, said: VerdictHold.OnInsufficient?
  ) {
    func waiting(_ own: HoldSpec) -> HoldSpec {
      if case .verdict = own { .verdict(hold) } else { own }
    }
    switch self {
    case .rolling, .recreate: break
    case .blueGreen(var spec):
      if let preview = spec.preview { spec.preview?.hold = waiting(preview.hold) }
      self = .blueGreen(spec)
    case .canary(var spec):
      for index in spec.steps.indices { spec.steps[index].hold = waiting(spec.steps[index].hold) }
      self = .canary(spec)
    case .ab(var spec):
      if spec.goals != nil, case .verdict(var own) = spec.hold {
        own.minimum = min(hold.minimum, own.maximum)
        own.onInsufficient = said ?? own.onInsufficient
        spec.hold = .verdict(own)
      } else {
        spec.hold = waiting(spec.hold)
      }
      self = .ab(spec)
    case .shadow(var spec):
      spec.hold = waiting(spec.hold)
      self = .shadow(spec)
    }
  }
}
