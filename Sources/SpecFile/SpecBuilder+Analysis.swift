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
    let waits = draft.spec.strategy.holds.contains { if case .verdict = $0 { true } else { false } }
    if waits, analysis.watch.isEmpty, let strategy = fields["strategy"] {
      error(
        at: strategy.keySpan, "\(owner) waits for a verdict, but `analysis` watches nothing",
        hint: "write `analysis: { watch: [errors] }`")
    }
    draft.spec.strategy.waitForVerdicts(by: analysis.hold)
  }

  private mutating func analysis(_ entry: YAMLEntry, of owner: String) -> AnalysisSpec {
    var analysis = AnalysisSpec()
    guard let fields = section(entry, in: SpecKeys.analysis, owner: "`analysis` of \(owner)")
    else { return analysis }
    if let watch = fields["watch"] { analysis.watch = signals(watch) }
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
    if let entry = fields["on-regression"], fields["bake"] == nil {
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
  /// Every hold that waits for a verdict does so as `hold` says.
  fileprivate mutating func waitForVerdicts(by hold: VerdictHold) {
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
      spec.hold = waiting(spec.hold)
      self = .ab(spec)
    case .shadow(var spec):
      spec.hold = waiting(spec.hold)
      self = .shadow(spec)
    }
  }
}
