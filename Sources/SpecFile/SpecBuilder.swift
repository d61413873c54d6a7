import ReleaseCalendar
import SegueModel

/// Makes a ``ProjectSpec`` of a tree and collects everything that is wrong on the way. Where a
/// value cannot be read its default stands in, so that the rest of the file is still checked.
struct SpecBuilder {
  let source: SourceText
  let zones: ZoneLibrary
  private var errors: [Diagnostic] = []
  private var warnings: [Diagnostic] = []
  private var unshown = 0
  /// Where automatic certificates are asked for.
  var automaticCertificates: [Span] = []
  /// Where steps ask for what only the whole file shows to be possible; the first place of a kind.
  var asked = Asked()

  struct Asked {
    var rerun: Span?
    var scan: Span?
    /// Every step that is split.
    var split: [(step: String, span: Span)] = []
  }

  init(_ source: SourceText, zones: ZoneLibrary) {
    self.source = source
    self.zones = zones
  }

  // MARK: Diagnostics

  /// How many errors were found so far: unchanged after a part that is sound.
  var errorCount: Int { errors.count + unshown }

  mutating func error(
    at span: Span, _ message: String, hint: String? = nil, notes: [Diagnostic.Note] = []
  ) {
    guard errors.count < SpecLimits.diagnostics else {
      unshown += 1
      return
    }
    errors.append(source.diagnostic(.error, at: span, message, hint: hint, notes: notes))
  }

  mutating func error(at span: Span, _ misreading: Misreading) {
    error(at: span, misreading.message, hint: misreading.hint)
  }

  mutating func warn(at span: Span, _ message: String, hint: String) {
    guard warnings.count < SpecLimits.diagnostics else { return }
    warnings.append(source.diagnostic(.warning, at: span, message, hint: hint))
  }

  /// In the order of the file; of two at one place the earlier found first.
  var sortedDiagnostics: [Diagnostic] {
    var sorted = (errors + warnings).enumerated().sorted {
      ($0.element.line, $0.element.column, $0.offset) < (
        $1.element.line, $1.element.column, $1.offset
      )
    }.map(\.element)
    if unshown > 0, let last = sorted.last {
      let span = Span(line: last.line, column: last.column)
      sorted.append(
        source.diagnostic(.error, at: span, "\(unshown) more errors are not shown"))
    }
    return sorted
  }

  /// "did you mean `x`?", as long as there are few enough errors for it to be read.
  func didYouMean(_ text: String, among names: [String]) -> String? {
    guard errors.count < SpecLimits.diagnostics else { return nil }
    return Suggestion.nearest(to: text, among: names).map { "did you mean `\($0)`?" }
  }

  // MARK: The whole file

  mutating func build(_ root: YAMLNode?) -> ProjectSpec? {
    guard let root, !root.isNull else {
      error(
        at: .start, "the file is empty",
        hint: "`segue init` writes a first one; it needs `version`, `project` and `services`")
      return nil
    }
    guard let fields = fields(of: root, at: root.span, in: SpecKeys.root, owner: "the file") else {
      return nil
    }
    if let entry = fields["version"] { checkVersion(entry) }
    let project = fields["project"].flatMap { name($0, of: "a project") }
    let deploy = fields["deploy"].flatMap {
      section($0, in: SpecKeys.deploy, owner: "`deploy`")
    }
    let branch = deploy?["branch"].flatMap { checked($0, TextRules.branch) }
    let supersedes = deploy?["supersede"].flatMap { boolean($0) }
    let cost = fields["cost"].flatMap { self.cost($0) }
    let authority = fields["tls"].flatMap { self.authority($0) }
    let steps = fields["pipeline"].map { pipeline($0) } ?? []
    let gates = fields["gates"].flatMap { self.gates($0, over: steps) }
    checkAsked(of: gates)
    let services = fields["services"].map { self.services($0) } ?? ServiceDrafts()
    let teams = fields["teams"].map { self.teams($0, services) } ?? TeamDrafts()
    let environments = fields["environments"].map { self.environments($0, services, teams) }
    let places = environments ?? [EnvironmentDraft(name: "production")]
    checkRoutes(services, in: places)
    checkAddresses(services, in: places)
    let people = people(fields, teams, in: environments)
    let outreach = outreach(fields, teams, in: places.map(\.spec.name.rawValue))
    if fields["tls"] == nil { refuseAutomaticCertificates() }
    if steps.isEmpty, services.all.isEmpty, errors.isEmpty {
      error(
        at: fields["services"]?.keySpan ?? fields["pipeline"]?.keySpan ?? root.span,
        "the file describes nothing to do: it has no service and no pipeline step",
        hint: "add `services: { web: { run: ./web --port $PORT } }`")
    }
    return ProjectSpec(
      version: 1, project: ProjectName(project ?? ""), deployBranch: branch ?? "main",
      pipeline: steps, services: services.all.map(\.spec),
      environments: environments?.map(\.spec) ?? [EnvironmentSpec(name: "production")],
      supersedes: supersedes ?? false, cost: cost, authority: authority, people: people,
      gates: gates, outreach: outreach)
  }

  private mutating func cost(_ entry: YAMLEntry) -> CostSpec? {
    section(entry, in: SpecKeys.cost, owner: "`cost`")?["instance-hour"].flatMap { price($0) }
  }

  private mutating func checkVersion(_ entry: YAMLEntry) {
    guard let number = integer(entry, in: nil), number != 1 else { return }
    error(
      at: entry.valueSpan, "this version of Segue reads format version 1, not \(number)",
      hint: number > 1 ? "is a newer Segue installed elsewhere?" : "write `version: 1`")
  }

  // MARK: Variables

  mutating func environmentAndSecrets(
    _ fields: Fields, isService: Bool
  ) -> ([String: String], [LocatedText]) {
    let secrets = fields["secrets"].map { list($0, TextRules.secret) } ?? []
    for secret in secrets { checkReserved(secret.text, at: secret.span, isService: isService) }
    let variables = fields["env"].map { self.variables($0, beside: secrets, isService: isService) }
    return (variables ?? [:], secrets)
  }

  /// - Parameter secrets: Names that are taken.
  mutating func variables(
    _ entry: YAMLEntry, beside secrets: [LocatedText], isService: Bool
  ) -> [String: String] {
    guard case .mapping(let entries) = entry.value.content else {
      error(
        at: entry.valueSpan, "`env` must be a mapping, not \(entry.value.kind)",
        hint: "write `env: { NAME: value }`")
      return [:]
    }
    if entries.count > SpecLimits.entries {
      error(at: entry.keySpan, "`env` has more than \(SpecLimits.entries) entries")
    }
    var variables: [String: String] = [:]
    for variable in unique(entries.prefix(SpecLimits.entries), owner: "`env`") {
      if let problem = TextRules.variable(variable.key) {
        error(at: variable.keySpan, problem)
        continue
      }
      checkReserved(variable.key, at: variable.keySpan, isService: isService)
      if let secret = secrets.first(where: { $0.text == variable.key }) {
        error(
          at: variable.keySpan, "`\(variable.key)` is both in `env` and in `secrets`",
          hint: "keep one of the two",
          notes: [source.note(at: secret.span, "the secret is named here")])
      }
      if let value = text(variable, emptyHint: "write `\"\"` for an empty value") {
        variables[variable.key] = value
      }
    }
    return variables
  }

  private static let waysIn: Set<String> = [
    "SOCKET", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
  ]

  private mutating func checkReserved(_ name: String, at span: Span, isService: Bool) {
    if isService, name == "PORT" {
      error(
        at: span, "`PORT` is set by Segue, to a free port for each instance",
        hint: "delete it, and let the program listen on `$PORT`")
    } else if isService, Self.waysIn.contains(name) {
      error(
        at: span, "`\(name)` is set by Segue, which tells an instance by it where to listen",
        hint: "delete it; `listen` and `health` of the service say what an instance is given")
    } else if name.hasPrefix("SEGUE_") {
      error(
        at: span, "names that begin with `SEGUE_` are kept for Segue itself",
        hint: "choose another name")
    }
  }
}

extension YAMLNode {
  var isNull: Bool {
    if case .null = content { true } else { false }
  }

  /// Those of a mapping, in the order of the file.
  var entries: [YAMLEntry] {
    if case .mapping(let entries) = content { entries } else { [] }
  }

  /// Nothing, or a mapping with nothing in it.
  var hasNoEntries: Bool {
    switch content {
    case .null: true
    case .mapping(let entries): entries.isEmpty
    case .scalar, .list: false
    }
  }

  /// The entry behind these keys, one inside the other.
  func entry(at path: [String]) -> YAMLEntry? {
    guard let key = path.first, case .mapping(let entries) = content,
      let entry = entries.first(where: { $0.key == key })
    else { return nil }
    return path.count == 1 ? entry : entry.value.entry(at: Array(path.dropFirst()))
  }

  /// The text behind a key, when this is a mapping that has it.
  func text(of key: String) -> String? {
    guard case .mapping(let entries) = content,
      let entry = entries.first(where: { $0.key == key }),
      case .scalar(let text, _) = entry.value.content
    else { return nil }
    return text
  }
}
