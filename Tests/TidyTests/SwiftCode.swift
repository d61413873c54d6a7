import Foundation

/// Swift source with everything that is not code blanked out: comments, and the text of string
/// literals (what is interpolated into them stays, being code). Lines and columns do not move.
struct SwiftCode: Sendable {
  let bytes: [UInt8]
  /// Where each line begins.
  private let lineStarts: [Int]

  /// - Parameter keepingStrings: leaves string literals as they are, and blanks only comments.
  init(_ text: String, keepingStrings: Bool = false) {
    var scanner = Scanner(Array(text.utf8), keepingStrings: keepingStrings)
    scanner.scan()
    bytes = scanner.output
    lineStarts =
      [0] + bytes.indices.filter { scanner.output[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
  }

  var lines: [String] {
    bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
  }

  /// The line, from 1, that the byte at `offset` is on.
  func line(at offset: Int) -> Int {
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low + 1
  }

  /// Where `token` occurs as a word of its own: what stands before it does not continue an identifier
  /// when it begins like one, and what follows does not when it ends like one.
  func offsets(of token: String) -> [Int] {
    let needle = Array(token.utf8)
    guard let first = needle.first, let last = needle.last else { return [] }
    var found: [Int] = []
    for index in occurrences(of: needle) {
      let before = index > 0 ? bytes[index - 1] : 0
      let after = index + needle.count < bytes.count ? bytes[index + needle.count] : 0
      if isIdentifier(first), isIdentifier(before) { continue }
      if isIdentifier(last), isIdentifier(after) { continue }
      found.append(index)
    }
    return found
  }

  /// By the C library: this is asked for some thirty words in every file.
  private func occurrences(of needle: [UInt8]) -> [Int] {
    func terminated(_ bytes: [UInt8]) -> [CChar] { bytes.map(CChar.init(bitPattern:)) + [0] }
    let word = terminated(needle)
    return terminated(bytes).withUnsafeBufferPointer { text in
      guard let base = text.baseAddress else { return [] }
      var found: [Int] = []
      var start = base
      while let hit = strstr(start, word) {
        found.append(UnsafePointer(hit) - base)
        start = UnsafePointer(hit) + 1
      }
      return found
    }
  }
}

func isIdentifier(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
    true
  default: false
  }
}

/// A pass over the bytes, with a stack of what the scanner is inside of.
private struct Scanner {
  private enum Mode {
    /// Code; inside an interpolation, `depth` counts the parentheses opened since.
    case code(depth: Int)
    case string(hashes: Int, multiline: Bool)
  }

  private static let newline = UInt8(ascii: "\n")
  private static let quote = UInt8(ascii: "\"")
  private static let hash = UInt8(ascii: "#")
  private static let slash = UInt8(ascii: "/")
  private static let star = UInt8(ascii: "*")
  private static let backslash = UInt8(ascii: "\\")
  private static let open = UInt8(ascii: "(")
  private static let close = UInt8(ascii: ")")

  private(set) var output: [UInt8]
  private let input: [UInt8]
  private let keepingStrings: Bool
  private var index = 0
  private var modes: [Mode] = [.code(depth: 0)]

  init(_ input: [UInt8], keepingStrings: Bool) {
    self.input = input
    self.output = input
    self.keepingStrings = keepingStrings
  }

  mutating func scan() {
    while index < input.count {
      switch modes.last ?? .code(depth: 0) {
      case .code(let depth): scanCode(depth: depth)
      case .string(let hashes, let multiline): scanString(hashes: hashes, multiline: multiline)
      }
    }
  }

  private mutating func scanCode(depth: Int) {
    let byte = input[index]
    if byte == Self.slash, at(index + 1) == Self.slash {
      blank { $0 == Self.newline }
    } else if byte == Self.slash, at(index + 1) == Self.star {
      blankBlockComment()
    } else if byte == Self.quote || byte == Self.hash {
      openLiteral()
    } else {
      if byte == Self.open {
        modes[modes.count - 1] = .code(depth: depth + 1)
      } else if byte == Self.close {
        if depth == 0, modes.count > 1 {
          modes.removeLast()
        } else {
          modes[modes.count - 1] = .code(depth: depth - 1)
        }
      }
      index += 1
    }
  }

  /// At a quote or a `#`: a string, an extended regular expression, or (`#if`) neither.
  private mutating func openLiteral() {
    let hashes = run(of: Self.hash, from: index)
    let start = index + hashes
    if at(start) == Self.quote {
      let multiline = at(start + 1) == Self.quote && at(start + 2) == Self.quote
      blank(upTo: start + (multiline ? 3 : 1))
      modes.append(.string(hashes: hashes, multiline: multiline))
    } else if hashes > 0, at(start) == Self.slash {
      var end = start + 1
      while end < input.count,
        !(input[end] == Self.slash && run(of: Self.hash, from: end + 1) >= hashes)
      {
        end += 1
      }
      blank(upTo: end + 1 + hashes)
    } else {
      index = max(start, index + 1)
    }
  }

  private mutating func scanString(hashes: Int, multiline: Bool) {
    let byte = input[index]
    if byte == Self.backslash, run(of: Self.hash, from: index + 1) >= hashes {
      let next = index + 1 + hashes
      if at(next) == Self.open {
        blank(upTo: next)
        index += 1
        modes.append(.code(depth: 0))
      } else {
        blank(upTo: next + 1)
      }
    } else if byte == Self.quote, closes(hashes: hashes, multiline: multiline) {
      blank(upTo: index + (multiline ? 3 : 1) + hashes)
      modes.removeLast()
    } else if byte == Self.newline, !multiline {
      modes.removeLast()
    } else {
      blank(upTo: index + 1)
    }
  }

  private func closes(hashes: Int, multiline: Bool) -> Bool {
    let quotes = run(of: Self.quote, from: index)
    let needed = multiline ? 3 : 1
    return quotes >= needed && run(of: Self.hash, from: index + needed) >= hashes
  }

  private mutating func blankBlockComment() {
    var depth = 0
    repeat {
      if input[index] == Self.slash, at(index + 1) == Self.star {
        depth += 1
        erase(upTo: index + 2)
      } else if input[index] == Self.star, at(index + 1) == Self.slash {
        depth -= 1
        erase(upTo: index + 2)
      } else {
        erase(upTo: index + 1)
      }
    } while depth > 0 && index < input.count
  }

  private mutating func blank(until stop: (UInt8) -> Bool) {
    while index < input.count, !stop(input[index]) { erase(upTo: index + 1) }
  }

  /// Passes over the text of a literal.
  private mutating func blank(upTo end: Int) {
    if keepingStrings { index = min(end, input.count) } else { erase(upTo: end) }
  }

  private mutating func erase(upTo end: Int) {
    while index < min(end, input.count) {
      if input[index] != Self.newline { output[index] = UInt8(ascii: " ") }
      index += 1
    }
  }

  private func at(_ position: Int) -> UInt8? { position < input.count ? input[position] : nil }

  private func run(of byte: UInt8, from start: Int) -> Int {
    var end = start
    while at(end) == byte { end += 1 }
    return end - start
  }
}
