/// What an ``XMLScanner`` finds, in the order of the document.
protocol XMLHandler: Sendable {
  /// Whether character data is worth collecting where the scanner is now.
  var wantsText: Bool { get }
  mutating func start(_ name: String, _ attributes: XMLAttributes, line: Int) throws(ReportFailure)
  /// A piece of character data; a run of text may come in several.
  mutating func text(_ text: String)
  mutating func end(_ name: String)
}

/// The attributes of one element, in the order of the document.
struct XMLAttributes: Sendable {
  var pairs: [(name: String, value: String)] = []

  /// The value of an attribute; `nil` when there is none or it is empty, which tools use alike.
  subscript(name: String) -> String? {
    pairs.first { $0.name == name && !$0.value.isEmpty }?.value
  }
}

/// A streaming XML reader for reports: bytes in, elements out, in bounded memory.
///
/// It is stricter than XML where that protects us and laxer where real tools break the rules without
/// being ambiguous:
/// - a document type with definitions of its own is refused, so no entity is ever expanded and none is
///   ever fetched;
/// - elements nest at most ``XMLLimits/depth`` deep, and values longer than their limit are cut;
/// - characters that XML 1.0 forbids (escape sequences in captured output, also as `&#27;`) become
///   U+FFFD;
/// - `<` and a lone `&` within a quoted value are taken as they are: `swift test` writes them so.
struct XMLScanner<Handler: XMLHandler>: Sendable {
  private(set) var handler: Handler
  private(set) var line = 1

  private var state = XMLState.text
  private var quote: UInt8 = 0
  private var token: [UInt8] = []
  private var attributeName = ""
  private var attributes = XMLAttributes()
  private var element = ""
  private var open: [String] = []
  private var text: [UInt8] = []
  private var sawRoot = false
  private var sawAnything = false
  private var latin1 = false
  private var position = 0
  /// Within the root element, where the handler wants no text.
  private var isSkipping = false

  init(_ handler: Handler) { self.handler = handler }

  /// Takes the next bytes of the document, in pieces of any size.
  mutating func feed(_ bytes: some Collection<UInt8>) throws(ReportFailure) {
    for byte in bytes {
      // Most of a report is text that nobody wants and values of attributes: both take a short way.
      if byte > 0x20, position >= 3 {
        if state == .text, isSkipping, byte != UInt8(ascii: "<") { continue }
        if state == .value, byte != quote, token.count < XMLLimits.valueLength {
          token.append(byte)
          continue
        }
      }
      if position < 3, try skipMark(byte) { continue }
      if byte == 0 { throw invalid("it holds zero bytes; write it as UTF-8") }
      if byte == UInt8(ascii: "\n") { line += 1 }
      try take(byte)
    }
  }

  /// Tells that the document has ended.
  mutating func finish() throws(ReportFailure) {
    guard sawAnything else { throw .empty }
    guard state == .text, open.isEmpty, sawRoot else { throw .truncated(line: line) }
  }

  /// Passes over a UTF-8 byte order mark, and refuses those of other encodings.
  private mutating func skipMark(_ byte: UInt8) throws(ReportFailure) -> Bool {
    defer { position += 1 }
    if position == 0, byte == 0xFE || byte == 0xFF {
      throw invalid("it is UTF-16; write it as UTF-8")
    }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    return !sawAnything && byte == mark[position]
  }

  private func invalid(_ reason: String) -> ReportFailure { .invalid(line: line, reason: reason) }

  private mutating func take(_ byte: UInt8) throws(ReportFailure) {
    switch state {
    case .text: try takeText(byte)
    case .markup: try takeMarkup(byte)
    case .instruction: try takeInstruction(byte)
    case .declaration: try takeDeclaration(byte)
    case .documentType: try takeDocumentType(byte)
    case .comment: takeComment(byte)
    case .characterData: takeCharacterData(byte)
    case .endTag: try takeEndTag(byte)
    case .elementName, .betweenAttributes, .selfClosing, .attributeName, .beforeEquals,
      .beforeValue, .value:
      try takeStartTag(byte)
    }
  }
}

/// Where in the grammar the scanner is.
private enum XMLState: Sendable {
  case text
  /// After `<`.
  case markup
  /// After `<?`.
  case instruction
  /// After `<!`, until it is known what it is.
  case declaration
  case documentType
  case comment
  case characterData
  case endTag
  case elementName
  case betweenAttributes
  /// After a `/` in a start tag.
  case selfClosing
  case attributeName
  case beforeEquals
  case beforeValue
  case value
}

/// What bounds a scanner's memory.
enum XMLLimits {
  static let depth = 64
  static let attributes = 256
  static let nameLength = 1_024
  /// Bytes kept of an attribute's value or of one piece of text; the rest is passed over.
  static let valueLength = 65_536
}

private func isSpace(_ byte: UInt8) -> Bool {
  byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
}

private func endsName(_ byte: UInt8) -> Bool {
  isSpace(byte) || byte == UInt8(ascii: ">") || byte == UInt8(ascii: "/")
    || byte == UInt8(ascii: "=")
}

// MARK: Character data

extension XMLScanner {
  private mutating func takeText(_ byte: UInt8) throws(ReportFailure) {
    if byte == UInt8(ascii: "<") {
      try flushText()
      state = .markup
      return
    }
    if open.isEmpty {
      if isSpace(byte) { return }
      throw invalid(sawRoot ? "text after the end of the report" : "it is not XML")
    }
    if handler.wantsText, text.count < XMLLimits.valueLength { text.append(byte) }
  }

  private mutating func flushText() throws(ReportFailure) {
    guard !text.isEmpty else { return }
    handler.text(try decoded(text, references: true))
    text.removeAll(keepingCapacity: true)
  }

  private mutating func takeComment(_ byte: UInt8) {
    if byte == UInt8(ascii: ">"), token.suffix(2) == [0x2D, 0x2D] { return leaveToken() }
    token = token.suffix(1) + [byte]
  }

  private mutating func takeCharacterData(_ byte: UInt8) {
    if byte == UInt8(ascii: ">"), token.suffix(2) == [0x5D, 0x5D] {
      if !text.isEmpty {
        // The brackets that close the section were collected as text.
        let end = text.count < XMLLimits.valueLength ? text.count - 2 : text.count
        handler.text(plain(text[..<end]))
        text.removeAll(keepingCapacity: true)
      }
      return leaveToken()
    }
    token = token.suffix(1) + [byte]
    if handler.wantsText, text.count < XMLLimits.valueLength { text.append(byte) }
  }

  private mutating func leaveToken() {
    token.removeAll(keepingCapacity: true)
    state = .text
  }
}

// MARK: Markup

extension XMLScanner {
  private mutating func takeMarkup(_ byte: UInt8) throws(ReportFailure) {
    sawAnything = true
    token.removeAll(keepingCapacity: true)
    switch byte {
    case UInt8(ascii: "?"): state = .instruction
    case UInt8(ascii: "!"): state = .declaration
    case UInt8(ascii: "/"): state = .endTag
    default:
      guard !endsName(byte) else { throw invalid("a < that begins no element") }
      guard !(sawRoot && open.isEmpty) else { throw invalid("a second root element") }
      token.append(byte)
      attributes = XMLAttributes()
      state = .elementName
    }
  }

  private mutating func takeInstruction(_ byte: UInt8) throws(ReportFailure) {
    if byte == UInt8(ascii: ">"), token.last == UInt8(ascii: "?") {
      try readEncoding()
      return leaveToken()
    }
    if token.count >= XMLLimits.nameLength { token.removeFirst(XMLLimits.nameLength / 2) }
    token.append(byte)
  }

  /// Heeds `encoding` of an XML declaration.
  private mutating func readEncoding() throws(ReportFailure) {
    let declaration = String(decoding: token, as: UTF8.self).lowercased()
    guard declaration.hasPrefix("xml "), let key = declaration.firstRange(of: "encoding") else {
      return
    }
    let rest = declaration[key.upperBound...].drop { $0 == " " || $0 == "=" }
    guard let mark = rest.first, mark == "\"" || mark == "'" else { return }
    let name = rest.dropFirst().prefix { $0 != mark }
    switch name {
    case "utf-8", "utf8", "us-ascii", "ascii": latin1 = false
    case "iso-8859-1", "latin1", "windows-1252", "iso-8859-15": latin1 = true
    default: throw invalid("its encoding is \(name); write it as UTF-8")
    }
  }

  private mutating func takeDeclaration(_ byte: UInt8) throws(ReportFailure) {
    token.append(byte)
    let known: [(String, XMLState)] = [
      ("--", .comment), ("[CDATA[", .characterData), ("DOCTYPE", .documentType),
    ]
    for (opening, next) in known where token.elementsEqual(opening.utf8) {
      token.removeAll(keepingCapacity: true)
      if next == .characterData, open.isEmpty { throw invalid("it is not XML") }
      if next == .documentType, sawRoot { throw invalid("a document type within the report") }
      state = next
      return
    }
    guard known.contains(where: { $0.0.utf8.starts(with: token) }) else {
      throw invalid("an unknown declaration")
    }
  }

  /// Passes over `<!DOCTYPE name SYSTEM "address">`; the address is never asked.
  private mutating func takeDocumentType(_ byte: UInt8) throws(ReportFailure) {
    if quote != 0 {
      if byte == quote { quote = 0 }
      return
    }
    switch byte {
    case UInt8(ascii: "["):
      throw invalid("its document type has definitions of its own, which are refused")
    case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
    case UInt8(ascii: ">"): leaveToken()
    default: break
    }
  }

  private mutating func takeEndTag(_ byte: UInt8) throws(ReportFailure) {
    guard byte == UInt8(ascii: ">") else {
      guard token.count < XMLLimits.nameLength else { throw invalid("a name is too long") }
      return token.append(byte)
    }
    let name = plain(token[...]).split(separator: " ").first.map(String.init) ?? ""
    guard let expected = open.last, expected == name else {
      let expected = open.last.map { "</\($0)> was expected" } ?? "nothing is open"
      throw invalid("</\(name)> where \(expected)")
    }
    leaveToken()
    close()
  }

  private mutating func close() {
    let name = open.removeLast()
    handler.end(localName(name))
    isSkipping = !open.isEmpty && !handler.wantsText
  }

  private func localName(_ name: String) -> String {
    guard name.utf8.contains(UInt8(ascii: ":")) else { return name }
    return name.split(separator: ":").last.map(String.init) ?? name
  }
}

// MARK: Start tags

extension XMLScanner {
  private mutating func takeStartTag(_ byte: UInt8) throws(ReportFailure) {
    switch state {
    case .elementName:
      if !endsName(byte) { return try appendName(byte) }
      element = plain(token[...])
      token.removeAll(keepingCapacity: true)
      state = .betweenAttributes
      try takeStartTag(byte)
    case .betweenAttributes: try takeBetween(byte)
    case .selfClosing:
      guard byte == UInt8(ascii: ">") else { throw invalid("a / within <\(element)>") }
      try begin()
      close()
    case .attributeName:
      if !endsName(byte) { return try appendName(byte) }
      attributeName = localName(plain(token[...]))
      token.removeAll(keepingCapacity: true)
      state = .beforeEquals
      try takeStartTag(byte)
    case .beforeEquals:
      if byte == UInt8(ascii: "=") {
        state = .beforeValue
      } else if !isSpace(byte) {
        throw invalid("the attribute \(attributeName) of <\(element)> has no value")
      }
    case .beforeValue:
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
        state = .value
      } else if !isSpace(byte) {
        throw invalid("the attribute \(attributeName) of <\(element)> is not quoted")
      }
    default: try takeValue(byte)
    }
  }

  private mutating func appendName(_ byte: UInt8) throws(ReportFailure) {
    guard token.count < XMLLimits.nameLength else { throw invalid("a name is too long") }
    guard byte != UInt8(ascii: "<"), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "'") else {
      throw invalid("an unexpected \(Character(Unicode.Scalar(byte))) within a tag")
    }
    token.append(byte)
  }

  private mutating func takeBetween(_ byte: UInt8) throws(ReportFailure) {
    switch byte {
    case UInt8(ascii: ">"): try begin()
    case UInt8(ascii: "/"): state = .selfClosing
    case _ where isSpace(byte): break
    default:
      guard attributes.pairs.count < XMLLimits.attributes else {
        throw invalid("<\(element)> has too many attributes")
      }
      state = .attributeName
      try appendName(byte)
    }
  }

  private mutating func takeValue(_ byte: UInt8) throws(ReportFailure) {
    guard byte == quote else {
      if token.count < XMLLimits.valueLength { token.append(byte) }
      return
    }
    quote = 0
    attributes.pairs.append((attributeName, try decoded(token, references: true)))
    token.removeAll(keepingCapacity: true)
    state = .betweenAttributes
  }

  private mutating func begin() throws(ReportFailure) {
    guard open.count < XMLLimits.depth else {
      throw invalid("elements nest deeper than \(XMLLimits.depth)")
    }
    sawRoot = true
    open.append(element)
    leaveToken()
    try handler.start(localName(element), attributes, line: line)
    isSkipping = !handler.wantsText
  }
}

// MARK: Characters

extension XMLScanner {
  private func plain(_ bytes: ArraySlice<UInt8>) -> String {
    if bytes.allSatisfy({ (0x20..<0x7F).contains($0) }) {
      return String(decoding: bytes, as: UTF8.self)
    }
    var text = ""
    let raw =
      latin1
      ? String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
      : String(decoding: bytes, as: UTF8.self)
    text.unicodeScalars.append(contentsOf: raw.unicodeScalars.lazy.map(allowed))
    return text
  }

  private func allowed(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0xA0...0xFFFD, 0x10000...0x10FFFF: scalar
    default: "\u{FFFD}"
    }
  }

  /// Bytes as text, with the five references that XML itself defines, and those by number, resolved.
  private func decoded(_ bytes: [UInt8], references: Bool) throws(ReportFailure) -> String {
    guard references, bytes.contains(UInt8(ascii: "&")) else { return plain(bytes[...]) }
    var result = ""
    var rest = bytes[...]
    while let mark = rest.firstIndex(of: UInt8(ascii: "&")) {
      result += plain(rest[..<mark])
      let body = rest[(mark + 1)...].prefix(32)
      guard let end = body.firstIndex(of: UInt8(ascii: ";")) else {
        result += "&"
        rest = rest[(mark + 1)...]
        continue
      }
      let name = String(decoding: body[..<end], as: UTF8.self)
      if let character = try reference(name) {
        result.unicodeScalars.append(character)
        rest = rest[(end + 1)...]
      } else {
        result += "&"
        rest = rest[(mark + 1)...]
      }
    }
    return result + plain(rest)
  }

  /// The character that `&name;` stands for; `nil` when it is no reference at all.
  private func reference(_ name: String) throws(ReportFailure) -> Unicode.Scalar? {
    switch name {
    case "lt": return "<"
    case "gt": return ">"
    case "amp": return "&"
    case "quot": return "\""
    case "apos": return "'"
    default: break
    }
    if name.hasPrefix("#") {
      let digits = name.dropFirst()
      let value =
        digits.lowercased().hasPrefix("x")
        ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
      return allowed(value.flatMap { Unicode.Scalar($0) } ?? "\u{FFFD}")
    }
    let isName =
      name.first.map { !$0.isNumber } ?? false
      && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || $0 == "." }
    guard isName else { return nil }
    throw invalid("it refers to the entity &\(name);, and entities are refused")
  }
}
