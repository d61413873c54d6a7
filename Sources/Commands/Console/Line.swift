/// One line of output: text with inks, cut to a width only when it is written.
struct Line: Equatable, Sendable, ExpressibleByStringLiteral {
  enum Ink: String, Sendable {
    case plain = ""
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case cyan = "36"
  }

  struct Span: Equatable, Sendable {
    var text: String
    var ink: Ink
  }

  var spans: [Span]

  init(_ text: String = "", _ ink: Ink = .plain) {
    spans = text.isEmpty ? [] : [Span(text: Printable.text(text), ink: ink)]
  }

  init(stringLiteral value: String) { self.init(value) }

  static func + (left: Line, right: Line) -> Line {
    var line = left
    line.spans += right.spans
    return line
  }

  static func += (left: inout Line, right: Line) { left = left + right }

  var text: String { spans.map(\.text).joined() }
  var width: Int { spans.reduce(0) { $0 + Printable.width($1.text) } }

  /// Filled with blanks up to `width`.
  func padded(to width: Int) -> Line {
    self + Line(String(repeating: " ", count: max(0, width - self.width)))
  }

  /// Blanks in front, up to `width`.
  func padded(leadingTo width: Int) -> Line {
    Line(String(repeating: " ", count: max(0, width - self.width))) + self
  }

  /// The line in at most `width` columns; a longer one ends in `…`.
  func rendered(width: Int, color: Bool) -> String {
    var left = width
    var result = ""
    let cut = self.width > width
    if cut { left -= 1 }
    for span in spans where left > 0 {
      let text = cut ? Printable.prefix(span.text, columns: left) : span.text
      left -= cut ? Printable.width(text) : 0
      result += color && span.ink != .plain ? "\u{1b}[\(span.ink.rawValue)m\(text)\u{1b}[0m" : text
      if text.utf8.count < span.text.utf8.count { break }
    }
    return cut && width > 0 ? result + "…" : result
  }
}

/// Text made safe for a terminal, and its width there.
enum Printable {
  /// Without control characters and escape sequences: commit messages and program output are other
  /// people's text, and must not move our cursor. A tab becomes two blanks.
  static func text(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var result = String.UnicodeScalarView()
    var inEscape = false
    for scalar in text.unicodeScalars {
      if inEscape {
        // ESC [ ... final byte, or ESC and one character.
        inEscape = scalar == "[" || (scalar.value >= 0x20 && scalar.value <= 0x3f)
      } else if scalar == "\u{1b}" {
        inEscape = true
      } else if scalar == "\t" {
        result.append(contentsOf: "  ".unicodeScalars)
      } else if !isControl(scalar) {
        result.append(scalar)
      }
    }
    return String(result)
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    // Marks that turn the direction of text around can disguise it.
    case .format: scalar != "\u{200d}"
    default: false
    }
  }

  static func width(_ text: String) -> Int {
    text.utf8.allSatisfy { $0 < 0x80 } ? text.utf8.count : text.reduce(0) { $0 + width($1) }
  }

  static func prefix(_ text: String, columns: Int) -> String {
    var left = columns
    return String(
      text.prefix { character in
        left -= width(character)
        return left >= 0
      })
  }

  /// Two columns for what Unicode calls wide (UAX 11), none for marks alone.
  private static func width(_ character: Character) -> Int {
    guard let scalar = character.unicodeScalars.first else { return 0 }
    if scalar.properties.isEmojiPresentation { return 2 }
    switch scalar.value {
    case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff,
      0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6, 0x20000...0x3fffd:
      return 2
    default:
      return scalar.properties.generalCategory == .nonspacingMark ? 0 : 1
    }
  }
}
