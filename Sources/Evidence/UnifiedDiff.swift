/// What a commit changed, line by line: the output of `git diff` or of any tool that writes unified
/// diffs.
public struct UnifiedDiff: Hashable, Sendable {
  public struct File: Hashable, Sendable {
    /// Without the prefix `a/`; `nil` for a new file.
    public var oldPath: String?
    /// Without the prefix `b/`; `nil` for a deleted file.
    public var newPath: String?
    /// Numbers of lines of the new file.
    public var added: Set<Int> = []
    /// Numbers of lines of the old file.
    public var removed: Set<Int> = []

    public init(
      oldPath: String? = nil, newPath: String? = nil, added: Set<Int> = [], removed: Set<Int> = []
    ) {
      self.oldPath = oldPath
      self.newPath = newPath
      self.added = added
      self.removed = removed
    }

    public var isRename: Bool { oldPath != nil && newPath != nil && oldPath != newPath }
  }

  public var files: [File] = []

  public init(files: [File] = []) { self.files = files }

  /// Why a diff cannot be read.
  public struct Malformed: Error, Hashable, Sendable, CustomStringConvertible {
    public var line: Int
    public var description: String { "the diff is not valid at line \(line)" }
  }

  /// Reads a diff. Binary files and changes of a mode appear without lines.
  ///
  /// - Throws: ``Malformed`` for a hunk that is shorter than its header says, or whose header cannot
  ///   be read: half a diff would let half the changes pass unseen.
  public static func read(_ bytes: [UInt8]) throws(Malformed) -> UnifiedDiff {
    var reader = DiffReader()
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      try reader.take(line)
    }
    return try reader.finish()
  }
}

private struct DiffReader {
  private var files: [UnifiedDiff.File] = []
  private var file: UnifiedDiff.File?
  private var number = 0
  // What is left of the hunk, and where it is.
  private var oldLeft = 0
  private var newLeft = 0
  private var oldLine = 0
  private var newLine = 0

  mutating func take(_ bytes: ArraySlice<UInt8>) throws(UnifiedDiff.Malformed) {
    number += 1
    // Within a hunk only the count decides: a removed line `-- x` looks like the header of a file.
    if oldLeft > 0 || newLeft > 0 { return try takeChange(bytes.first) }
    let line = String(decoding: bytes, as: UTF8.self)
    if line.hasPrefix("diff --git ") {
      flush()
      file = Self.names(inGitHeader: line.dropFirst(11))
    } else if line.hasPrefix("rename from ") || line.hasPrefix("copy from ") {
      file?.oldPath = Self.unquoted(line.dropFirst(line.hasPrefix("rename") ? 12 : 10))
    } else if line.hasPrefix("rename to ") || line.hasPrefix("copy to ") {
      file?.newPath = Self.unquoted(line.dropFirst(line.hasPrefix("rename") ? 10 : 8))
    } else if line.hasPrefix("new file mode ") {
      file?.oldPath = nil
    } else if line.hasPrefix("deleted file mode ") {
      file?.newPath = nil
    } else if line.hasPrefix("--- ") {
      if file.map({ !($0.added.isEmpty && $0.removed.isEmpty) }) ?? true {
        flush()
        file = UnifiedDiff.File()
      }
      file?.oldPath = Self.path(line.dropFirst(4), prefix: "a/")
    } else if line.hasPrefix("+++ ") {
      file?.newPath = Self.path(line.dropFirst(4), prefix: "b/")
    } else if line.hasPrefix("@@ ") {
      try beginHunk(line)
    }
  }

  mutating func finish() throws(UnifiedDiff.Malformed) -> UnifiedDiff {
    guard oldLeft == 0, newLeft == 0 else { throw UnifiedDiff.Malformed(line: number) }
    flush()
    return UnifiedDiff(files: files)
  }

  private mutating func flush() {
    if let file, file.oldPath != nil || file.newPath != nil { files.append(file) }
    file = nil
  }

  private mutating func takeChange(_ mark: UInt8?) throws(UnifiedDiff.Malformed) {
    switch mark {
    case UInt8(ascii: "+"):
      file?.added.insert(newLine)
      newLine += 1
      newLeft -= 1
    case UInt8(ascii: "-"):
      file?.removed.insert(oldLine)
      oldLine += 1
      oldLeft -= 1
    case UInt8(ascii: " "), UInt8(ascii: "\r"), nil:
      newLine += 1
      newLeft -= 1
      oldLine += 1
      oldLeft -= 1
    case UInt8(ascii: "\\"): break
    default: throw UnifiedDiff.Malformed(line: number)
    }
    guard oldLeft >= 0, newLeft >= 0 else { throw UnifiedDiff.Malformed(line: number) }
  }

  /// Reads `@@ -12,3 +14 @@`; a count that is left out is one.
  private mutating func beginHunk(_ line: String) throws(UnifiedDiff.Malformed) {
    let fields = line.split(separator: " ", maxSplits: 4)
    guard file != nil, fields.count >= 4, fields[1].hasPrefix("-"), fields[2].hasPrefix("+"),
      let old = range(fields[1].dropFirst()), let new = range(fields[2].dropFirst())
    else { throw UnifiedDiff.Malformed(line: number) }
    (oldLine, oldLeft) = old
    (newLine, newLeft) = new
  }

  private func range(_ text: Substring) -> (start: Int, count: Int)? {
    let numbers = text.split(separator: ",").map { Int($0) ?? -1 }
    let limit = 100_000_000
    guard (1...2).contains(numbers.count), numbers.allSatisfy({ (0...limit).contains($0) }) else {
      return nil
    }
    let count = numbers.count == 2 ? numbers[1] : 1
    // Only a hunk without lines stands before the first line.
    return numbers[0] > 0 || count == 0 ? (numbers[0], count) : nil
  }

  /// The names in `diff --git a/x b/x`, which alone say them when only a mode changed. They are the
  /// same then, so that the middle is known whatever is in them.
  private static func names(inGitHeader text: Substring) -> UnifiedDiff.File {
    let half = text.utf8.count / 2
    let left = text.utf8.prefix(half)
    guard let old = Substring(left).nonEmpty,
      let new = Substring(text.utf8.dropFirst(half + 1)).nonEmpty
    else { return UnifiedDiff.File() }
    return UnifiedDiff.File(oldPath: path(old, prefix: "a/"), newPath: path(new, prefix: "b/"))
  }

  private static func path(_ text: Substring, prefix: String) -> String? {
    // Tools other than Git put a time after a tab.
    let name = text.hasPrefix("\"") ? text : text.prefix { $0 != "\t" && $0 != "\r" }
    let path = unquoted(name)
    if path == "/dev/null" { return nil }
    return path.hasPrefix(prefix) ? String(path.dropFirst(2)) : path
  }

  /// Git quotes names with unusual bytes as C does: `"a/\303\251"`.
  private static func unquoted(_ text: Substring) -> String {
    guard text.hasPrefix("\""), let end = text.lastIndex(of: "\""), end > text.startIndex else {
      return String(text)
    }
    var bytes: [UInt8] = []
    var rest = text[text.index(after: text.startIndex)..<end].utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
        bytes.append(byte)
        continue
      }
      if let digit = octal(escape) {
        var value = digit
        for _ in 0..<2 {
          guard let next = rest.first.flatMap(octal) else { break }
          value = value &* 8 &+ next
          rest = rest.dropFirst()
        }
        bytes.append(value)
      } else {
        let known: [UInt8: UInt8] = [0x6E: 0x0A, 0x74: 0x09, 0x72: 0x0D]
        bytes.append(known[escape] ?? escape)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func octal(_ byte: UInt8) -> UInt8? {
    (0x30...0x37).contains(byte) ? byte - 0x30 : nil
  }
}

extension Substring {
  fileprivate var nonEmpty: Substring? { isEmpty ? nil : self }
}
