import SegueModel

/// The entries of one mapping, by key, after the keys were checked.
struct Fields {
  var owner: String
  var span: Span
  fileprivate(set) var entries: [String: YAMLEntry] = [:]

  subscript(_ name: String) -> YAMLEntry? { entries[name] }
}

/// An item of a list and where it stands.
struct LocatedText {
  var text: String
  var span: Span
}

extension SpecBuilder {
  // MARK: Mappings

  /// The entries of a mapping whose keys are all known; what is unknown, planned, double or missing
  /// is reported.
  mutating func fields(
    of node: YAMLNode, at span: Span, in section: SpecSection, owner: String
  ) -> Fields? {
    var fields = Fields(owner: owner, span: span)
    switch node.content {
    case .null: break
    case .scalar, .list:
      error(
        at: span, "\(owner) must be a mapping, not \(node.kind)",
        hint: "write `\(section.example)`")
      return nil
    case .mapping(let entries):
      for entry in unique(entries[...], owner: owner) {
        if section.key(entry.key) != nil {
          fields.entries[entry.key] = entry
        } else {
          refuse(entry, in: section, owner: owner)
        }
      }
    }
    for key in section.keys where key.isRequired && fields[key.name] == nil {
      let other = key.otherwise.flatMap(section.key)
      if let other, fields[other.name] != nil { continue }
      let reported = unknownKeys(of: node, in: section).contains { isMeant($0, key) }
      if !reported {
        error(
          at: span, "\(owner) has no `\(key.name)`",
          hint: "add `\(key.name): \(key.example)`"
            + (other.map { ", or `\($0.name): \($0.example)`" } ?? ""))
      }
    }
    return fields
  }

  /// ``fields(of:at:in:owner:)`` of what stands behind a key; nothing there is an empty mapping.
  mutating func section(_ entry: YAMLEntry, in section: SpecSection, owner: String) -> Fields? {
    let span = entry.value.isNull ? entry.keySpan : entry.value.span
    return fields(of: entry.value, at: span, in: section, owner: owner)
  }

  /// The entries without those whose key stood there before.
  mutating func unique(_ entries: ArraySlice<YAMLEntry>, owner: String) -> [YAMLEntry] {
    var first: [String: Span] = [:]
    var result: [YAMLEntry] = []
    for entry in entries {
      if let earlier = first[entry.key] {
        error(
          at: entry.keySpan, "\(Printable.quoted(entry.key)) is given twice in \(owner)",
          hint: "keep one of the two", notes: [source.note(at: earlier, "the first one is here")])
      } else {
        first[entry.key] = entry.keySpan
        result.append(entry)
      }
    }
    return result
  }

  private func unknownKeys(of node: YAMLNode, in section: SpecSection) -> [String] {
    guard case .mapping(let entries) = node.content else { return [] }
    return entries.prefix(SpecLimits.entries).map(\.key).filter { section.key($0) == nil }
  }

  private func isMeant(_ text: String, _ key: SpecKey) -> Bool {
    Suggestion.nearest(to: text, among: [key.name] + key.otherNames) != nil
  }

  private mutating func refuse(_ entry: YAMLEntry, in section: SpecSection, owner: String) {
    let key = Printable.quoted(entry.key)
    if section.planned.contains(entry.key) {
      error(
        at: entry.keySpan,
        (section.id == SpecKeys.root.id ? key : "\(key) in \(owner)")
          + " is not supported by this version of Segue",
        hint: "take it out: nothing would act on it")
    } else if entry.key == "<<" {
      error(
        at: entry.keySpan, "merge keys (`<<`) are not allowed", hint: "write the values out")
    } else {
      error(
        at: entry.keySpan, "unknown key \(key) in \(owner)",
        hint: hint(forUnknown: entry.key, in: section))
    }
  }

  private func hint(forUnknown text: String, in section: SpecSection) -> String? {
    if let other = section.misplaced.first(where: { $0.name == text }) { return other.hint }
    if let key = section.keys.first(where: { $0.otherNames.contains(text) }) {
      return "did you mean `\(key.name)`?"
    }
    if let hint = didYouMean(text, among: section.keys.map(\.name)) { return hint }
    for key in section.keys {
      guard let inner = key.type.innerSection, inner.key(text) != nil else { continue }
      return "put it under `\(key.name)`"
    }
    if let name = Suggestion.nearest(to: text, among: section.planned) {
      return "`\(name)` is not supported by this version of Segue"
    }
    guard !section.keys.isEmpty else { return "nothing can be set here; write `{}`" }
    return "known here: " + section.keys.map { "`\($0.name)`" }.joined(separator: ", ")
  }

  /// The entries of a mapping from names to sections.
  mutating func namedSections(
    _ entry: YAMLEntry, of what: String, example: String
  ) -> [YAMLEntry]? {
    switch entry.value.content {
    case .null: return []
    case .mapping(let entries):
      return unique(entries[...], owner: "`\(entry.key)`").filter { named in
        guard let problem = TextRules.name(named.key, of: what) else { return true }
        error(at: named.keySpan, problem)
        return false
      }
    case .scalar, .list:
      error(
        at: entry.valueSpan, "`\(entry.key)` must be a mapping, not \(entry.value.kind)",
        hint: "write each one under its name: `\(example)`")
      return nil
    }
  }

  // MARK: Scalars

  mutating func text(_ entry: YAMLEntry, emptyHint: String? = nil) -> String? {
    switch entry.value.content {
    case .null:
      error(at: entry.keySpan, "\(Printable.quoted(entry.key)) has no value", hint: emptyHint)
    case .scalar(let text, _):
      guard text.unicodeScalars.contains("\0") else { return text }
      error(
        at: entry.valueSpan,
        "the text of \(Printable.quoted(entry.key)) holds the character U+0000",
        hint: "no program can be given that; take it out")
    case .list, .mapping:
      error(
        at: entry.valueSpan,
        "\(Printable.quoted(entry.key)) must be a single value, not \(entry.value.kind)",
        hint: "text that begins with `[` or `{` needs quotes")
    }
    return nil
  }

  mutating func checked(_ entry: YAMLEntry, _ rule: (String) -> Misreading?) -> String? {
    guard let text = text(entry) else { return nil }
    guard let problem = rule(text) else { return text }
    error(at: entry.valueSpan, problem)
    return nil
  }

  mutating func name(_ entry: YAMLEntry, of what: String) -> String? {
    checked(entry) { TextRules.name($0, of: what) }
  }

  mutating func command(_ entry: YAMLEntry) -> String? {
    guard let text = text(entry, emptyHint: "write the command to run") else { return nil }
    guard text.contains(where: { !$0.isWhitespace }) else {
      error(at: entry.valueSpan, "`\(entry.key)` is empty", hint: "write the command to run")
      return nil
    }
    return text
  }

  mutating func boolean(_ entry: YAMLEntry) -> Bool? {
    guard let text = text(entry) else { return nil }
    guard case .scalar(_, let isPlain) = entry.value.content else { return nil }
    if isPlain, text == "true" { return true }
    if isPlain, text == "false" { return false }
    var hint = "write `true` or `false`"
    if ["yes", "on", "y", "true"].contains(text.lowercased()) { hint = "write `true`" }
    if ["no", "off", "n", "false"].contains(text.lowercased()) { hint = "write `false`" }
    error(
      at: entry.valueSpan,
      "`\(entry.key)` must be `true` or `false`, not \(entry.value.kind)", hint: hint)
    return nil
  }

  /// - Parameter range: `nil` for a number that the caller checks.
  mutating func integer(_ entry: YAMLEntry, in range: ClosedRange<Int>?) -> Int? {
    guard let text = text(entry) else { return nil }
    guard case .scalar(_, let isPlain) = entry.value.content else { return nil }
    let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
    guard isPlain, isNumber else {
      let allowed = range.map { "from \($0.lowerBound) to \($0.upperBound)" } ?? "like `1`"
      error(
        at: entry.valueSpan, "`\(entry.key)` must be a whole number, not \(entry.value.kind)",
        hint: isNumber ? "take the quotes away" : "write a number \(allowed)")
      return nil
    }
    let number = Int(text) ?? (text.hasPrefix("-") ? Int.min : Int.max)
    guard let range, !range.contains(number) else { return number }
    error(
      at: entry.valueSpan, "`\(entry.key)` is \(Printable.text(text)), which is out of range",
      hint: "write a number from \(range.lowerBound) to \(range.upperBound)")
    return nil
  }

  mutating func duration(
    _ entry: YAMLEntry, in range: ClosedRange<Milliseconds>
  ) -> Milliseconds? {
    quantity(entry, in: range, parse: DurationText.parse, render: DurationText.render)
  }

  mutating func size(_ entry: YAMLEntry) -> Int64? {
    quantity(entry, in: SpecLimits.memory, parse: SizeText.parse, render: SizeText.render)
  }

  mutating func cores(_ entry: YAMLEntry) -> Int? {
    quantity(entry, in: SpecLimits.cpu, parse: CoresText.parse) { thousandths in
      CoresText.render(thousandths)
    }
  }

  /// A share in thousandths.
  mutating func share(
    _ entry: YAMLEntry, in range: ClosedRange<Int>, of what: String = "the traffic"
  ) -> Permille? {
    quantity(
      entry, in: range,
      parse: { text throws(Misreading) in try ShareText.parse(text, of: what) },
      render: ShareText.render
    ).map { Permille($0) }
  }

  mutating func price(_ entry: YAMLEntry) -> CostSpec? {
    guard let text = text(entry) else { return nil }
    do throws(Misreading) {
      return try PriceText.parse(text)
    } catch {
      self.error(at: entry.valueSpan, error)
      return nil
    }
  }

  /// One of these words.
  mutating func word(_ entry: YAMLEntry, among words: [String]) -> String? {
    guard let text = text(entry) else { return nil }
    if words.contains(text) { return text }
    error(
      at: entry.valueSpan, "`\(entry.key)` cannot be \(Printable.quoted(text))",
      hint: didYouMean(text, among: words)
        ?? "write " + words.map { "`\($0)`" }.joined(separator: " or "))
    return nil
  }

  private mutating func quantity<Value: Comparable>(
    _ entry: YAMLEntry, in range: ClosedRange<Value>,
    parse: (String) throws(Misreading) -> Value, render: (Value) -> String
  ) -> Value? {
    guard let text = text(entry) else { return nil }
    do throws(Misreading) {
      let value = try parse(text)
      if range.contains(value) { return value }
      error(
        at: entry.valueSpan, "`\(entry.key)` is \(Printable.text(text)), which is out of range",
        hint: "write a value from \(render(range.lowerBound)) to \(render(range.upperBound))")
    } catch {
      self.error(at: entry.valueSpan, error)
    }
    return nil
  }

  // MARK: Lists

  /// The items that pass the rule, none twice.
  mutating func list(_ entry: YAMLEntry, _ rule: (String) -> Misreading?) -> [LocatedText] {
    guard case .list(let items) = entry.value.content else {
      let example: String =
        if case .scalar(let text, _) = entry.value.content, text.count < 40 {
          Printable.text(text)
        } else { "a, b" }
      error(
        at: entry.valueSpan, "`\(entry.key)` must be a list, not \(entry.value.kind)",
        hint: "write `\(entry.key): [\(example)]`")
      return []
    }
    return self.items(items, of: entry, rule)
  }

  mutating func oneOrList(_ entry: YAMLEntry, _ rule: (String) -> Misreading?) -> [LocatedText] {
    if case .list(let items) = entry.value.content { return self.items(items, of: entry, rule) }
    guard let text = checked(entry, rule) else { return [] }
    return [LocatedText(text: text, span: entry.valueSpan)]
  }

  private mutating func items(
    _ nodes: [YAMLNode], of entry: YAMLEntry, _ rule: (String) -> Misreading?
  ) -> [LocatedText] {
    if nodes.count > SpecLimits.entries {
      error(at: entry.keySpan, "`\(entry.key)` has more than \(SpecLimits.entries) entries")
    }
    var seen: [String: Span] = [:]
    var result: [LocatedText] = []
    for node in nodes.prefix(SpecLimits.entries) {
      guard case .scalar(let text, _) = node.content else {
        error(at: node.span, "`\(entry.key)` must be a list of words; this is \(node.kind)")
        continue
      }
      if let problem = rule(text) {
        error(at: node.span, problem)
      } else if let first = seen[text] {
        error(
          at: node.span, "\(Printable.quoted(text)) is given twice in `\(entry.key)`",
          hint: "keep one of the two", notes: [source.note(at: first, "the first one is here")])
      } else {
        seen[text] = node.span
        result.append(LocatedText(text: text, span: node.span))
      }
    }
    return result
  }
}

extension SpecType {
  /// The section behind a key that holds one mapping.
  var innerSection: SpecSection? {
    switch self {
    case .section(let section), .pathOrSection(let section), .choice(let section),
      .wordOrSection(_, let section):
      section
    default: nil
    }
  }
}
