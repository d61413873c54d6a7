public import Evidence
internal import SegueModel

/// The files beside `segue.yaml` that excuse something for a time. They are read as strictly: an excuse
/// that is misspelt must not excuse another thing.
public enum GateFiles {
  /// Reads findings that are accepted for a time.
  ///
  /// - Throws: ``SpecReport`` with everything that is wrong with the file.
  public static func waivers(
    _ bytes: [UInt8], file: String = "waivers.yaml"
  ) throws(SpecReport) -> [Waiver] {
    try entries(bytes, file, SpecKeys.waivers, "waivers") { builder, fields in
      guard let id = builder.required(fields, "id"),
        let reason = builder.required(fields, "reason"),
        let owner = builder.required(fields, "owner"), let expires = builder.day(fields)
      else { return nil }
      return Waiver(id: id, reason: reason, owner: owner, expires: expires)
    }
  }

  /// Reads tests that may fail for a time.
  ///
  /// - Throws: ``SpecReport`` with everything that is wrong with the file.
  public static func quarantines(
    _ bytes: [UInt8], file: String = "quarantine.yaml"
  ) throws(SpecReport) -> [Quarantine] {
    try entries(bytes, file, SpecKeys.quarantine, "quarantine") { builder, fields in
      guard let test = builder.required(fields, "test"),
        let owner = builder.required(fields, "owner"),
        let issue = builder.required(fields, "issue"), let expires = builder.day(fields)
      else { return nil }
      return Quarantine(test: test, owner: owner, issue: issue, expires: expires)
    }
  }

  private static func entries<Entry>(
    _ bytes: [UInt8], _ file: String, _ section: SpecSection, _ key: String,
    _ read: (inout SpecBuilder, Fields) -> Entry?
  ) throws(SpecReport) -> [Entry] {
    let source = try SourceText(bytes: bytes, file: file)
    let refusals = SpecScanner.refusals(in: source)
    guard refusals.isEmpty else { throw SpecReport(diagnostics: refusals) }
    var tree = YAMLTreeReader(source)
    let root = tree.read()
    guard tree.diagnostics.isEmpty else { throw SpecReport(diagnostics: tree.diagnostics) }
    var builder = SpecBuilder(source, zones: SystemZones.library)
    var entries: [Entry] = []
    for item in builder.items(of: root, under: key, example: section.example) {
      guard
        let fields = builder.fields(
          of: item, at: item.span, in: section, owner: "an entry of `\(key)`")
      else { continue }
      if let entry = read(&builder, fields) { entries.append(entry) }
    }
    guard builder.errorCount == 0 else {
      throw SpecReport(diagnostics: builder.sortedDiagnostics)
    }
    return entries
  }
}

extension SpecKeys {
  private static let expires = SpecKey(
    name: "expires", type: .command, isRequired: true,
    summary: "The last day on which it holds, in UTC.", example: "2030-01-31",
    otherNames: ["until", "expiry", "expiration"])
  private static let owner = SpecKey(
    name: "owner", type: .command, isRequired: true, summary: "Who sees to it.",
    example: "ana", otherNames: ["by", "who"])

  static let waivers = SpecSection(
    id: "waivers", title: "A waiver", summary: "A finding that is accepted for a time.",
    keys: [
      SpecKey(
        name: "id", type: .command, isRequired: true,
        summary: "The vulnerability or the rule.", example: "CVE-2030-0001",
        otherNames: ["finding", "rule", "cve"]),
      SpecKey(
        name: "reason", type: .command, isRequired: true, summary: "Why it may stay.",
        example: "not reachable", otherNames: ["why", "because"]),
      owner, expires,
    ])

  static let quarantine = SpecSection(
    id: "quarantine", title: "A test in quarantine",
    summary: "A test that may fail for a time.",
    keys: [
      SpecKey(
        name: "test", type: .command, isRequired: true,
        summary: "Its name, as `segue tests` writes it.", example: "cart.adds twice",
        otherNames: ["name"]),
      owner,
      SpecKey(
        name: "issue", type: .command, isRequired: true, summary: "Where the flaw is tracked.",
        example: "SHOP-17", otherNames: ["ticket"]),
      expires,
    ])
}

extension SpecBuilder {
  /// The list behind the one key of a file; an empty file is an empty list.
  fileprivate mutating func items(
    of root: YAMLNode?, under key: String, example: String
  ) -> [YAMLNode] {
    guard let root, !root.isNull else { return [] }
    let entries = root.entries
    for entry in entries where entry.key != key {
      error(
        at: entry.keySpan, "unknown key \(Printable.quoted(entry.key)) in the file",
        hint: "the file has the one key `\(key)`")
    }
    guard let entry = entries.first(where: { $0.key == key }) else {
      if entries.isEmpty {
        error(
          at: root.span, "the file has no `\(key)`", hint: "write `\(key):` and a list under it")
      }
      return []
    }
    if entry.value.isNull { return [] }
    guard case .list(let items) = entry.value.content else {
      error(
        at: entry.valueSpan, "`\(key)` must be a list, not \(entry.value.kind)",
        hint: "write each entry as `- \(example)`")
      return []
    }
    if items.count > SpecLimits.entries {
      error(at: entry.keySpan, "`\(key)` has more than \(SpecLimits.entries) entries")
    }
    return Array(items.prefix(SpecLimits.entries))
  }

  fileprivate mutating func required(_ fields: Fields, _ name: String) -> String? {
    guard let entry = fields[name], let text = text(entry, emptyHint: "write it out") else {
      return nil
    }
    guard text.contains(where: { !$0.isWhitespace }) else {
      error(at: entry.valueSpan, "`\(name)` is empty", hint: "write it out")
      return nil
    }
    return text
  }

  /// The moment at which the day that `expires` names has ended.
  fileprivate mutating func day(_ fields: Fields) -> Instant? {
    guard let entry = fields["expires"], let text = text(entry, emptyHint: "write 2030-01-31")
    else {
      return nil
    }
    // The round trip refuses days that no month has.
    guard text.utf8.count == 10, let begin = Instant(rfc3339: text + "T00:00:00Z"),
      begin.rfc3339.hasPrefix(text)
    else {
      error(
        at: entry.valueSpan, "\(Printable.quoted(text)) is not a day",
        hint: "write the last day on which it holds like `2030-01-31`")
      return nil
    }
    return Instant(milliseconds: begin.milliseconds + 86_400_000)
  }
}
