import Yams

/// Turns text into a located tree, or says where it is not YAML.
struct YAMLTreeReader {
  private struct Place: Hashable {
    var line: Int
    var column: Int
  }

  private let source: SourceText
  /// The first scalars of keys that were disguised, by the places of the keys.
  private var disguised: [Place: Unicode.Scalar] = [:]
  private(set) var diagnostics: [Diagnostic] = []

  init(_ source: SourceText) { self.source = source }

  /// - Returns: `nil` when the text is empty or was refused; ``diagnostics`` tells which.
  mutating func read() -> YAMLNode? {
    guard let node = compose() else { return nil }
    return convert(node, depth: 1)
  }

  // MARK: Composing

  /// The parser gives up at the first key that stands twice in a mapping, and tells only where the
  /// first of the two is. Disguising that one, and parsing again, gets the tree and both places.
  private mutating func compose() -> Node? {
    var text = source
    var attempts = 16
    while true {
      do {
        return try Yams.compose(yaml: text.text, .basic, .default, .utf8)
      } catch YamlError.duplicatedKeysInMapping(let names, let context) {
        attempts -= 1
        guard attempts > 0, disguise(context.mark, in: &text) else {
          let span = Span(line: context.mark.line, column: context.mark.column)
          let name = Printable.quoted(names.first ?? "")
          diagnostics.append(
            source.diagnostic(.error, at: span, "the key \(name) is given more than once"))
          return nil
        }
      } catch let error as YamlError {
        diagnostics.append(YAMLProblem(error, in: source).diagnostic(in: source))
        return nil
      } catch {
        diagnostics.append(
          source.diagnostic(.error, at: .start, "the file could not be read: \(error)"))
        return nil
      }
    }
  }

  private mutating func disguise(_ mark: Mark, in text: inout SourceText) -> Bool {
    let place = Place(line: mark.line, column: mark.column)
    guard disguised[place] == nil, let first = text.scalar(line: mark.line, column: mark.column)
    else { return false }
    var column = mark.column
    if first == "\"" || first == "'" { column += 1 }
    guard let original = text.scalar(line: mark.line, column: column),
      !"\"'\\[]{}?:,".unicodeScalars.contains(original),
      let substitute = Unicode.Scalar(0xF_0000 + UInt32(disguised.count))
    else { return false }
    disguised[place] = original
    text.replaceScalar(line: mark.line, column: column, with: substitute)
    return true
  }

  // MARK: Converting

  private mutating func convert(_ node: Node, depth: Int) -> YAMLNode? {
    let span = span(of: node)
    guard depth <= SpecLimits.depth else {
      diagnostics.append(
        source.diagnostic(
          .error, at: span, "this is nested more than \(SpecLimits.depth) levels deep"))
      return nil
    }
    guard [Tag.Name.str, .seq, .map].contains(where: { node.tag == Tag($0) }) else {
      diagnostics.append(source.diagnostic(.error, at: span, "tags are not allowed"))
      return nil
    }
    switch node {
    case .scalar(let scalar):
      return YAMLNode(span: span, content: content(of: scalar))
    case .sequence(let sequence):
      let items = sequence.compactMap { convert($0, depth: depth + 1) }
      return YAMLNode(span: span, content: .list(items))
    case .mapping(let mapping):
      var entries: [YAMLEntry] = []
      for (key, value) in mapping {
        guard let entry = entry(key, value, depth: depth) else { continue }
        entries.append(entry)
      }
      return YAMLNode(span: span, content: .mapping(entries))
    case .alias:
      diagnostics.append(source.diagnostic(.error, at: span, "aliases are not allowed"))
      return nil
    }
  }

  private mutating func entry(_ key: Node, _ value: Node, depth: Int) -> YAMLEntry? {
    var keySpan = span(of: key)
    guard case .scalar(let scalar) = key else {
      diagnostics.append(
        source.diagnostic(
          .error, at: keySpan, "a key must be a word, not a list or a mapping",
          hint: "text that begins with `{` or `[` needs quotes"))
      return nil
    }
    var name = scalar.string
    if let original = disguised[Place(line: keySpan.line, column: keySpan.column)] {
      name = String(original) + String(name.unicodeScalars.dropFirst())
      keySpan = Span(line: keySpan.line, column: keySpan.column, length: keySpan.length)
    }
    guard let converted = convert(value, depth: depth + 1) else { return nil }
    return YAMLEntry(key: name, keySpan: keySpan, value: converted)
  }

  private func content(of scalar: Node.Scalar) -> YAMLNode.Content {
    let isPlain = scalar.style == .plain || scalar.style == .any
    if isPlain, ["", "~", "null", "Null", "NULL"].contains(scalar.string) { return .null }
    return .scalar(scalar.string, isPlain: isPlain)
  }

  private func span(of node: Node) -> Span {
    guard let mark = node.mark else { return .start }
    var span = Span(line: mark.line, column: mark.column)
    guard case .scalar(let scalar) = node, source.lines.indices.contains(mark.line - 1) else {
      return span
    }
    let rest = source.lines[mark.line - 1].dropFirst(mark.column - 1)
    switch scalar.style {
    case .plain, .any: span.length = min(scalar.string.unicodeScalars.count, rest.count)
    case .doubleQuoted, .singleQuoted:
      let quote = rest.first
      let body = rest.dropFirst().prefix { $0 != quote }
      span.length = min(rest.count, body.count + 2)
    case .literal, .folded: span.length = 1
    }
    span.length = max(1, span.length)
    return span
  }
}
