/// A value of the file and where it stands.
struct YAMLNode {
  enum Content {
    /// Nothing, `~` or `null`.
    case null
    /// `isPlain`: not in quotes and no block of text.
    case scalar(String, isPlain: Bool)
    case list([YAMLNode])
    case mapping([YAMLEntry])
  }

  var span: Span
  var content: Content

  /// As a message names it: "a list".
  var kind: String {
    switch content {
    case .null: "nothing"
    case .scalar(let text, let isPlain):
      isPlain ? Printable.quoted(text) : "the text \(Printable.quoted(text))"
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }
}

/// A key, its value, and where both stand. Keys of one mapping may repeat; who reads it says so.
struct YAMLEntry {
  var key: String
  var keySpan: Span
  var value: YAMLNode

  /// Where to point at the value: at the key, when there is none.
  var valueSpan: Span {
    if case .null = value.content { keySpan } else { value.span }
  }
}
