import SegueModel

/// Evidence: what steps promise, and what it must come to.
extension SpecBuilder {
  mutating func reports(_ fields: Fields) -> ReportSpec {
    ReportSpec(
      junit: patterns(fields["junit"]), coverage: patterns(fields["coverage"]),
      sarif: patterns(fields["sarif"]), sbom: patterns(fields["sbom"]))
  }

  private mutating func patterns(_ entry: YAMLEntry?) -> [String] {
    entry.map { oneOrList($0, TextRules.relativePath).map(\.text) } ?? []
  }

  mutating func gates(_ entry: YAMLEntry, over steps: [StepSpec]) -> GatesSpec? {
    guard let fields = section(entry, in: SpecKeys.gates, owner: "`gates`") else { return nil }
    var gates = GatesSpec()
    gates.tests = fields["tests"].flatMap { testsGate($0, over: steps) }
    gates.coverage = fields["coverage"].flatMap { coverageGate($0, over: steps) }
    gates.security = fields["security"].flatMap { securityGate($0, over: steps) }
    return gates
  }

  /// What steps ask for that is of no use without a gate.
  mutating func checkAsked(of gates: GatesSpec?) {
    if let span = asked.rerun, gates?.tests?.retries ?? 0 == 0 {
      error(
        at: span, "`rerun` is never used: nothing is run again",
        hint: "add `gates: { tests: { retry: 1 } }`")
    }
    if let span = asked.scan, gates?.security == nil {
      error(
        at: span, "nothing judges what this step finds",
        hint: "add `gates: { security: { block: high } }`")
    }
  }

  private mutating func testsGate(_ entry: YAMLEntry, over steps: [StepSpec]) -> TestsGateSpec? {
    guard let fields = section(entry, in: SpecKeys.testsGate, owner: "`tests` of `gates`") else {
      return nil
    }
    need(.junit, for: entry, in: steps)
    return TestsGateSpec(
      retries: fields["retry"].flatMap { integer($0, in: SpecLimits.retries) } ?? 0,
      quarantine: fields["quarantine"].flatMap { checked($0, TextRules.relativePath) })
  }

  private mutating func coverageGate(
    _ entry: YAMLEntry, over steps: [StepSpec]
  ) -> CoverageGateSpec? {
    guard let fields = section(entry, in: SpecKeys.coverageGate, owner: "`coverage` of `gates`")
    else { return nil }
    need(.coverage, for: entry, in: steps)
    return CoverageGateSpec(
      changedLines: fields["changed-lines"].flatMap {
        share($0, in: SpecLimits.coverage, of: "the lines")
      },
      neverFalls: fields["never-falls"].flatMap { boolean($0) } ?? false)
  }

  private mutating func securityGate(
    _ entry: YAMLEntry, over steps: [StepSpec]
  ) -> SecurityGateSpec? {
    guard let fields = section(entry, in: SpecKeys.securityGate, owner: "`security` of `gates`")
    else { return nil }
    if fields["advisories"] == nil { need(.sarif, for: entry, in: steps) }
    let levels = SecurityGateSpec.Level.allCases.map(\.rawValue)
    return SecurityGateSpec(
      block: fields["block"].flatMap { word($0, among: levels) }
        .flatMap { SecurityGateSpec.Level(rawValue: $0) } ?? SecurityGateSpec().block,
      waivers: fields["waivers"].flatMap { checked($0, TextRules.relativePath) },
      advisories: fields["advisories"].flatMap { checked($0, TextRules.machineFile) },
      statements: patterns(fields["vex"]))
  }

  /// A gate that is given nothing to judge would let everything pass.
  private mutating func need(
    _ kind: ReportSpec.Kind, for gate: YAMLEntry, in steps: [StepSpec]
  ) {
    guard !steps.contains(where: { !$0.reports.patterns(of: kind).isEmpty }) else { return }
    let other = kind == .sarif ? "; or name a directory of `advisories`" : ""
    error(
      at: gate.keySpan,
      "the gate `\(gate.key)` has nothing to judge: no step promises \(kind) reports",
      hint: "add `reports: { \(kind): PATH }` to the step that writes them\(other)")
  }
}
