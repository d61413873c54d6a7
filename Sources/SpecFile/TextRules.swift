/// What names, paths and hosts may look like: the pattern for the JSON Schema, the check for the
/// reader, and the sentence for the person. Each check returns what is wrong, or `nil`.
enum TextRules {
  static let namePattern = "^[a-z][a-z0-9-]{0,39}$"
  static let secretPattern = "^[A-Z_][A-Z0-9_]{0,127}$"
  static let variablePattern = "^[A-Za-z_][A-Za-z0-9_]{0,127}$"
  static let personPattern = "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$"
  static let hostPattern =
    "^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
  static let urlPathPattern = "^/[^\\s#?]*$"
  static let secureAddressPattern = "^https://[^\\s\"<>]{1,2000}$"
  static let emailPattern = "^[^\\s@,;<>]{1,64}@[^\\s@,;<>]{1,253}$"
  static let apiAddressPattern =
    "^(https://[^\\s\"<>?#]{1,900}|http://(127\\.0\\.0\\.1|localhost)[:/][^\\s\"<>?#]{0,900})$"
  static let repositoryPattern = "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$"
  static let machineFilePattern = "^/[^\\u0000-\\u001f\\u007f]{1,1023}$"
  /// A token of RFC 9110, section 5.6.2: the name of a header field or of a cookie.
  static let tokenPattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"
  /// What a header field can hold and a router can compare: visible ASCII, spaces only between.
  static let headerValuePattern = "^[!-~]([ -~]*[!-~])?$"
  /// The octets of a cookie's value, RFC 6265, section 4.1.1.
  static let cookieValuePattern = "^[!#-+.-:<-\\[\\]-~-]+$"

  private static func isLower(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) }
  private static func isUpper(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) }
  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, isLower(first), text.utf8.count <= 40 else { return false }
    return text.utf8.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
  }

  static func name(_ text: String, of what: String) -> Misreading? {
    if isName(text) { return nil }
    let fixed = nameMade(from: text)
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be the name of \(what)",
      hint: (fixed.map { "write `\($0)`; " } ?? "")
        + "a name is a lower-case letter, then up to 39 letters, digits or `-`")
  }

  /// The closest name that is allowed; `nil` when nothing is left of the text.
  static func nameMade(from text: String) -> String? {
    var result: [UInt8] = []
    for byte in text.lowercased().utf8 {
      if isLower(byte) || (isDigit(byte) && !result.isEmpty) {
        result.append(byte)
      } else if !result.isEmpty, result.last != UInt8(ascii: "-") {
        result.append(UInt8(ascii: "-"))
      }
    }
    var name = result.prefix(40)
    while name.last == UInt8(ascii: "-") { name.removeLast() }
    return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
  }

  /// As people are called where they log in, or an address for mail.
  static func person(_ text: String) -> Misreading? {
    func isPlain(_ byte: UInt8) -> Bool { isLower(byte) || isUpper(byte) || isDigit(byte) }
    if let first = text.utf8.first, isPlain(first), text.utf8.count <= 64,
      text.utf8.allSatisfy({ isPlain($0) || "._@+-".utf8.contains($0) })
    {
      return nil
    }
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be the name of a person",
      hint: "write a login name, like `ana`: letters and digits, and between them `.`, `_`, `-`, "
        + "`@` or `+`")
  }

  static func sentence(_ text: String) -> Misreading? {
    let count = text.unicodeScalars.count
    guard text.contains(where: { !$0.isWhitespace }) else {
      return Misreading(message: "the text is empty", hint: "say why, in one sentence")
    }
    if count <= SpecLimits.sentence { return nil }
    return Misreading(
      message: "the text has \(count) characters; up to \(SpecLimits.sentence) are allowed",
      hint: "say it in one sentence")
  }

  static func isVariable(_ text: String) -> Bool {
    guard let first = text.utf8.first, !isDigit(first), text.utf8.count <= 128 else { return false }
    return text.utf8.allSatisfy {
      isLower($0) || isUpper($0) || isDigit($0) || $0 == UInt8(ascii: "_")
    }
  }

  static func variable(_ text: String) -> Misreading? {
    if isVariable(text) { return nil }
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be the name of an environment variable",
      hint: "use letters, digits and `_`, and do not begin with a digit")
  }

  static func secret(_ text: String) -> Misreading? {
    if isVariable(text), !text.utf8.contains(where: isLower) { return nil }
    let upper = text.uppercased()
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be the name of a secret",
      hint: isVariable(upper)
        ? "write `\(upper)`" : "use capital letters, digits and `_`, and do not begin with a digit")
  }

  /// - Parameter what: "a header field", "a cookie".
  static func token(_ text: String, of what: String) -> Misreading? {
    let marks = "!#$%&'*+.^_`|~-".utf8
    let isSound = text.utf8.allSatisfy {
      isLower($0) || isUpper($0) || isDigit($0) || marks.contains($0)
    }
    if isSound, (1...128).contains(text.utf8.count) { return nil }
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be the name of \(what)",
      hint: "use up to 128 letters, digits, `-` and `_`")
  }

  static func headerValue(_ text: String) -> Misreading? {
    let isSound = text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    if isSound, !text.hasPrefix(" "), !text.hasSuffix(" "), (1...1_024).contains(text.utf8.count) {
      return nil
    }
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be compared with a header field",
      hint: "write up to 1024 visible ASCII characters; spaces only between them")
  }

  static func cookieValue(_ text: String) -> Misreading? {
    let isSound = text.utf8.allSatisfy {
      (0x21...0x7E).contains($0) && !"\",;\\".utf8.contains($0)
    }
    if isSound, (1...1_024).contains(text.utf8.count) { return nil }
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be the value of a cookie",
      hint: "write up to 1024 visible ASCII characters, but no space and none of `\" , ; \\`")
  }

  static func host(_ text: String) -> Misreading? {
    func wrong(_ hint: String) -> Misreading {
      Misreading(message: "\(Printable.quoted(text)) is not a host name", hint: hint)
    }
    if text.contains("://") { return wrong("leave out the scheme: write `shop.example.com`") }
    if text.contains("*") { return wrong("this version has no wildcard hosts; name each host") }
    if text.contains("/") { return wrong("put what begins with `/` into `path`") }
    if text.contains(":") { return wrong("leave out the port: a route is for every port") }
    let labels = text.split(separator: ".", omittingEmptySubsequences: false)
    let isSound = labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && label.utf8.first != UInt8(ascii: "-")
        && label.utf8.last != UInt8(ascii: "-")
        && label.utf8.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }
    if isSound, text.utf8.count <= 253 { return nil }
    let lower = text.lowercased()
    if lower != text, host(lower) == nil { return wrong("write it in lower case: `\(lower)`") }
    return wrong("write it like `shop.example.com`; other alphabets in their `xn--` form")
  }

  static func urlPath(_ text: String) -> Misreading? {
    func wrong(_ hint: String) -> Misreading {
      Misreading(message: "\(Printable.quoted(text)) is not a path", hint: hint)
    }
    guard text.hasPrefix("/") else { return wrong("begin it with `/`") }
    guard text.unicodeScalars.allSatisfy({ $0.isASCII && $0.value > 0x20 && $0.value < 0x7F })
    else { return wrong("write spaces and letters beyond ASCII as `%20` and the like") }
    if text.contains("#") || text.contains("?") { return wrong("leave out `?` and `#`") }
    let segments = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    if segments.dropLast().contains("") || segments.contains(".") || segments.contains("..") {
      return wrong("write it without `//`, `.` and `..`")
    }
    if text.utf8.count > 1_024 { return wrong("it is longer than 1024 characters") }
    return nil
  }

  static func secureAddress(_ text: String) -> Misreading? {
    let prefix = "https://"
    let isSound = text.unicodeScalars.allSatisfy {
      $0.isASCII && $0.value > 0x20 && $0.value < 0x7F && !"\"<>".unicodeScalars.contains($0)
    }
    if isSound, text.hasPrefix(prefix), (1...2_000).contains(text.utf8.count - prefix.utf8.count) {
      return nil
    }
    return Misreading(
      message: "\(Printable.quoted(text)) is not an address that begins with `https://`",
      hint: "write it as the authority names its directory")
  }

  static func email(_ text: String) -> Misreading? {
    let parts = text.split(separator: "@", omittingEmptySubsequences: false)
    // A header field of mail would read these as more than one address (RFC 8555 section 7.3).
    let isSound = text.unicodeScalars.allSatisfy {
      $0.value > 0x20 && $0.value != 0x7F && !",;<>".unicodeScalars.contains($0)
    }
    if isSound, parts.count == 2, (1...64).contains(parts[0].utf8.count),
      (1...253).contains(parts[1].utf8.count)
    {
      return nil
    }
    return Misreading(
      message: "\(Printable.quoted(text)) is not an address for mail",
      hint: "write one address, like `ops@example.com`")
  }

  static func machineFile(_ text: String) -> Misreading? {
    let isSound = text.unicodeScalars.allSatisfy { $0.value > 0x1F && $0.value != 0x7F }
    if isSound, text.hasPrefix("/"), (2...1_024).contains(text.utf8.count) { return nil }
    return Misreading(
      message: "\(Printable.quoted(text)) is not the absolute path of a file",
      hint: text.hasPrefix("/")
        ? "leave out control characters, and write at most 1024 characters"
        : "begin it with `/`: it is a file of the machine, which no repository should hold")
  }

  /// A path, or a pattern for paths, inside the checkout.
  static func relativePath(_ text: String) -> Misreading? {
    func wrong(_ hint: String) -> Misreading {
      Misreading(
        message: "\(Printable.quoted(text)) is not a path inside the repository", hint: hint)
    }
    if text.isEmpty { return wrong("write it relative to the root of the repository") }
    if text.hasPrefix("/") || text.hasPrefix("~") {
      return wrong("write it relative to the root of the repository, without the leading `/`")
    }
    if text.unicodeScalars.contains(where: { Printable.isInvisible($0) || $0 == "\\" }) {
      return wrong("it holds a character that has no place in a path; folders are split by `/`")
    }
    var path = text[...]
    while path.hasSuffix("/") { path = path.dropLast() }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    if parts.contains("..") { return wrong("it may not leave the repository with `..`") }
    if parts.contains("") || parts.contains(".") { return wrong("write it without `.` and `//`") }
    if parts.first == ".git" { return wrong("`.git` belongs to Git") }
    return nil
  }

  /// Git's rules for branch names, and none that could be taken for an option.
  static func branch(_ text: String) -> Misreading? {
    let forbidden: Set<Character> = [" ", "~", "^", ":", "?", "*", "[", "\\"]
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let isSound =
      !text.isEmpty && text.utf8.count <= 255 && !text.hasPrefix("-") && !text.hasSuffix(".")
      && !text.contains("..") && !text.contains("@{") && text != "@"
      && !text.contains { forbidden.contains($0) }
      && !text.unicodeScalars.contains(where: Printable.isInvisible)
      && parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") && !$0.hasSuffix(".lock") }
    if isSound { return nil }
    return Misreading(
      message: "\(Printable.quoted(text)) cannot be the name of a branch",
      hint: text.hasPrefix("refs/heads/") || text.hasPrefix("origin/")
        ? "write the name alone, like `main`" : "write it as `git branch` shows it, like `main`")
  }
}
