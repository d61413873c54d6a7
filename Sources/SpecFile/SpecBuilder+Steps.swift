import Evidence
import SegueModel

/// The steps of the pipeline.
extension SpecBuilder {
  mutating func pipeline(_ entry: YAMLEntry) -> [StepSpec] {
    guard case .list(let items) = entry.value.content else {
      if !entry.value.isNull {
        error(
          at: entry.valueSpan, "`pipeline` must be a list of steps, not \(entry.value.kind)",
          hint: "write each step as `- step: test` and, under it, `run: make test`")
      } else {
        error(at: entry.keySpan, "`pipeline` has no value", hint: "write `[]`, or leave it out")
      }
      return []
    }
    if items.count > SpecLimits.steps {
      error(
        at: entry.keySpan,
        "the pipeline has \(items.count) steps; up to \(SpecLimits.steps) are allowed")
    }
    var steps: [StepSpec] = []
    var graph = NeedsGraph(kind: "step")
    for (number, item) in items.prefix(SpecLimits.steps).enumerated() {
      guard let step = step(item, number: number + 1, graph: &graph) else { continue }
      steps.append(step)
    }
    check(graph)
    return split(steps)
  }

  private mutating func step(
    _ node: YAMLNode, number: Int, graph: inout NeedsGraph
  ) -> StepSpec? {
    let owner = node.text(of: "step").map { "step \(Printable.quoted($0))" } ?? "step \(number)"
    guard let fields = fields(of: node, at: node.span, in: SpecKeys.step, owner: owner) else {
      return nil
    }
    let name = fields["step"].flatMap { self.name($0, of: "a step") }
    let needs = fields["needs"].map { list($0) { TextRules.name($0, of: "a step") } } ?? []
    if let name, let span = fields["step"]?.valueSpan {
      if let first = graph.span(of: name) {
        error(
          at: span, "there are two steps with the name `\(name)`",
          hint: "give each step a name of its own",
          notes: [source.note(at: first, "the first one is here")])
      } else {
        graph.nodes.append(.init(name: name, span: span, needs: needs))
      }
    }
    var step = StepSpec(
      name: StepName(name ?? ""), run: fields["run"].flatMap { command($0) } ?? "",
      needs: needs.map { StepName($0.text) })
    if let entry = fields["uses"] { use(entry, fields, in: &step) }
    let (variables, secrets) = environmentAndSecrets(fields, isService: false)
    (step.environment, step.secrets) = (variables, secrets.map(\.text))
    if let timeout = fields["timeout"].flatMap({ duration($0, in: SpecLimits.duration) }) {
      step.timeout = timeout
    }
    step.cache = fields["cache"].map { list($0, TextRules.relativePath).map(\.text) } ?? []
    if let entry = fields["reports"],
      let reports = section(entry, in: SpecKeys.reports, owner: "`reports` of \(owner)")
    {
      step.reports = self.reports(reports)
    }
    if let entry = fields["rerun"] { step.rerun = rerun(entry, of: step, owner: owner) }
    if let entry = fields["shards"] { split(entry, &step) }
    return step
  }

  /// A scanner by its name: command and reports come with it.
  private mutating func use(_ entry: YAMLEntry, _ fields: Fields, in step: inout StepSpec) {
    for key in ["run", "reports", "rerun", "shards"] {
      guard let other = fields[key] else { continue }
      error(
        at: other.keySpan, "a step with `uses` has no `\(key)`",
        hint: "keep one of the two; the scanner's own settings go by its variables, under `env`")
    }
    guard let word = word(entry, among: SecurityScanner.allCases.map(\.rawValue)),
      let scanner = SecurityScanner(rawValue: word)
    else { return }
    let report = scanner.report(of: step.name.rawValue)
    step.scanner = scanner.rawValue
    step.run = scanner.command(report: report)
    step.reports = ReportSpec(sarif: [report])
    asked.scan = asked.scan ?? entry.keySpan
  }

  private mutating func rerun(
    _ entry: YAMLEntry, of step: StepSpec, owner: String
  ) -> RerunSpec? {
    guard let fields = section(entry, in: SpecKeys.rerun, owner: "`rerun` of \(owner)") else {
      return nil
    }
    asked.rerun = asked.rerun ?? entry.keySpan
    if step.reports.junit.isEmpty, step.scanner == nil {
      error(
        at: entry.keySpan, "nobody knows which tests of \(owner) failed: it promises no report",
        hint: "add `reports: { junit: PATH }`")
    }
    let names = RerunSpec.Naming.allCases.map(\.rawValue)
    return RerunSpec(
      run: fields["run"].flatMap { command($0) } ?? "",
      naming: fields["tests"].flatMap { word($0, among: names) }
        .flatMap { RerunSpec.Naming(rawValue: $0) } ?? .names)
  }

  // MARK: Shards

  /// Says that a step is split; ``split(_:)`` does it once all steps are known.
  private mutating func split(_ entry: YAMLEntry, _ step: inout StepSpec) {
    guard let count = integer(entry, in: SpecLimits.shards) else { return }
    step.shard = StepShard(step: step.name, number: 0, count: count)
    let patterns = ReportSpec.Kind.allCases.flatMap { step.reports.patterns(of: $0) }
    for pattern in patterns where !pattern.contains(Self.shardMark) {
      error(
        at: entry.keySpan,
        "all shards of the step would write the report \(Printable.quoted(pattern))",
        hint:
          "they share one checkout: put `{shard}` into the path, and let the command write there "
          + "by `$SEGUE_SHARD`")
    }
    if !TextRules.isName("\(step.name)-\(count)"), TextRules.isName(step.name.rawValue) {
      error(
        at: entry.keySpan, "the name of the step is too long to be numbered", hint: "shorten it")
    }
    asked.split.append((step.name.rawValue, entry.keySpan))
  }

  private static let shardMark = "{shard}"

  /// Puts as many steps in the place of each that is split, and lets what needs it need all of them.
  private mutating func split(_ steps: [StepSpec]) -> [StepSpec] {
    guard steps.contains(where: { $0.shard != nil }) else { return steps }
    var parts: [StepName: [StepName]] = [:]
    for step in steps {
      guard let count = step.shard?.count else { continue }
      parts[step.name] = (1...count).map { StepName("\(step.name)-\($0)") }
    }
    let names = Set(steps.map(\.name))
    for (name, span) in asked.split {
      guard let taken = parts[StepName(name)]?.first(where: names.contains) else { continue }
      error(
        at: span, "a shard of `\(name)` and another step would both be called `\(taken)`",
        hint: "give that step another name")
    }
    return steps.flatMap { step -> [StepSpec] in
      var step = step
      step.needs = step.needs.flatMap { parts[$0] ?? [$0] }
      guard let shard = step.shard else { return [step] }
      return (1...shard.count).map { number in
        var part = step
        part.name = StepName("\(step.name)-\(number)")
        part.shard?.number = number
        part.reports = ReportSpec(of: step.reports, shard: "\(number)")
        return part
      }
    }
  }
}

extension ReportSpec {
  fileprivate init(of reports: ReportSpec, shard: String) {
    func filled(_ kind: Kind) -> [String] {
      reports.patterns(of: kind).map { $0.replacing("{shard}", with: shard) }
    }
    self.init(
      junit: filled(.junit), coverage: filled(.coverage), sarif: filled(.sarif),
      sbom: filled(.sbom))
  }
}
