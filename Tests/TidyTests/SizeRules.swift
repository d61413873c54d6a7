import Foundation

/// A file in one sitting, a function on one screen.
enum SizeRules {
  static let fileLimit = 500
  static let functionLimit = 70

  static func longFiles(_ file: TextFile) -> [Violation] {
    let count = file.text.hasSuffix("\n") ? file.lines.count - 1 : file.lines.count
    guard count > fileLimit else { return [] }
    return [
      Violation(path: file.path, line: 0, message: "\(count) lines; at most \(fileLimit)")
    ]
  }

  static func longFunctions(_ file: TextFile) -> [Violation] {
    Function.all(in: file.code).filter { $0.length > functionLimit }.map {
      Violation(
        path: file.path, line: $0.line,
        message: "a \($0.keyword) of \($0.length) lines; at most \(functionLimit)")
    }
  }
}

/// A declaration with a body, from its keyword's line to its closing brace's.
struct Function: Hashable {
  let keyword: String
  let line: Int
  let length: Int

  static func all(in code: SwiftCode) -> [Function] {
    ["func", "init", "deinit", "subscript", "var"].flatMap { keyword in
      code.offsets(of: keyword).compactMap { function(keyword, at: $0, in: code) }
    }.sorted { $0.line < $1.line }
  }

  private static func function(
    _ keyword: String, at offset: Int, in code: SwiftCode
  ) -> Function? {
    // `self.init(...)` and `.init(...)` are calls.
    if offset > 0, code.bytes[offset - 1] == UInt8(ascii: ".") { return nil }
    guard let opening = body(keyword, from: offset + keyword.utf8.count, in: code.bytes),
      let closing = closing(from: opening, in: code.bytes)
    else { return nil }
    let line = code.line(at: offset)
    return Function(keyword: keyword, line: line, length: code.line(at: closing) - line + 1)
  }

  /// The brace that opens the body. There is none when the enclosing declaration ends first, or the
  /// next one begins (a protocol's requirement), or when a variable is given a value.
  private static func body(_ keyword: String, from start: Int, in bytes: [UInt8]) -> Int? {
    var depth = 0
    var index = start
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: "{") where depth == 0: return index
      case UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "}") where depth == 0: return nil
      case UInt8(ascii: "}"): depth -= 1
      case UInt8(ascii: "=") where depth == 0 && keyword == "var": return nil
      case UInt8(ascii: "\n")
      where depth == 0 && (keyword == "var" || declares(after: index, bytes)):
        return nil
      default: break
      }
      if depth < 0 { return nil }
      index += 1
    }
    return nil
  }

  /// Whether the line after the line break at `index` begins a declaration.
  private static func declares(after index: Int, _ bytes: [UInt8]) -> Bool {
    var start = index + 1
    while start < bytes.count, bytes[start] == UInt8(ascii: " ") { start += 1 }
    var end = start
    while end < bytes.count, isIdentifier(bytes[end]) { end += 1 }
    let beginnings: Set = [
      "func", "var", "let", "init", "deinit", "subscript", "case", "static", "mutating", "public",
      "private", "package", "internal", "nonisolated", "associatedtype", "typealias", "struct",
      "class", "enum", "actor", "extension", "protocol",
    ]
    return beginnings.contains(String(decoding: bytes[start..<end], as: UTF8.self))
  }

  private static func closing(from opening: Int, in bytes: [UInt8]) -> Int? {
    var depth = 0
    for index in opening..<bytes.count {
      if bytes[index] == UInt8(ascii: "{") { depth += 1 }
      if bytes[index] == UInt8(ascii: "}") {
        depth -= 1
        if depth == 0 { return index }
      }
    }
    return nil
  }
}
