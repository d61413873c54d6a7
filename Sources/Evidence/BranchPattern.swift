/// What is wrong with a pattern, and where.
public struct PatternFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// Characters of the pattern before the fault.
  public var offset: Int
  /// What is wrong, and what to do.
  public var reason: String

  public var description: String { "character \(offset + 1) of the pattern: \(reason)" }
}

/// A regular expression for names of branches, with a group that holds the key of the issue.
///
/// A pattern must match the whole name. There are characters, `.`, `[a-z]`, `[^/]`, `\d`, `\w`, `\s` and
/// escaped characters; `(...)`, `(?:...)`, `(?<issue>...)`; `|`, `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`; `^`
/// and `$` are allowed at the ends, and mean nothing more. Where a group can match in several ways,
/// choices before others and longer ones before shorter ones win.
///
/// It runs on all ways at once (K. Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968), so
/// the time is at most proportional to the product of both lengths, and no pattern can hang a push.
public struct BranchPattern: Hashable, Sendable {
  /// Characters of a pattern, and of a name.
  public static let patternLimit = 200
  public static let nameLimit = 250
  /// Instructions; counted repeats make several of one character.
  static let programLimit = 2_000

  /// A name that fits.
  public struct Match: Hashable, Sendable {
    /// What the `issue` group holds; `nil` when there is none, or it took no part.
    public var issue: String?
  }

  public let text: String
  private let program: [Instruction]
  /// Whether there is a group of the name `issue`.
  public let hasIssue: Bool

  enum Instruction: Hashable, Sendable {
    case one(CharacterSet)
    /// Tries the first, then the second.
    case fork(Int, Int)
    case jump(Int)
    /// Marks the beginning (0) or the end (1) of the issue.
    case mark(Int)
    case done
  }

  struct CharacterSet: Hashable, Sendable {
    var ranges: [ClosedRange<UInt32>]
    var isNegated = false
    func holds(_ scalar: Unicode.Scalar) -> Bool {
      ranges.contains { $0.contains(scalar.value) } != isNegated
    }
  }

  /// - Throws: where the pattern is wrong, and why.
  public init(_ text: String) throws(PatternFault) {
    var parser = PatternParser(text)
    program = try parser.parse()
    hasIssue = parser.hasIssue
    self.text = text
  }

  /// `nil` when the name does not fit, or is longer than ``nameLimit``.
  public func match(_ name: String) -> Match? {
    let scalars = Array(name.unicodeScalars)
    guard scalars.count <= Self.nameLimit else { return nil }
    var threads: [Thread] = []
    let unseen = [Bool](repeating: false, count: program.count)
    var seen = unseen
    add(Thread(at: 0), to: &threads, &seen, position: 0)
    for (position, scalar) in scalars.enumerated() {
      var next: [Thread] = []
      seen = unseen
      for thread in threads {
        guard case .one(let set) = program[thread.at], set.holds(scalar) else { continue }
        var moved = thread
        moved.at += 1
        add(moved, to: &next, &seen, position: position + 1)
      }
      threads = next
      if threads.isEmpty { return nil }
    }
    guard let winner = threads.first(where: { program[$0.at] == .done }) else { return nil }
    guard let start = winner.start, let end = winner.end, start <= end else {
      return Match(issue: nil)
    }
    var issue = String.UnicodeScalarView()
    issue.append(contentsOf: scalars[start..<end])
    return Match(issue: String(issue))
  }

  private struct Thread {
    var at: Int
    var start: Int?
    var end: Int?
  }

  /// Follows what needs no character; the first way to an instruction wins.
  private func add(
    _ thread: Thread, to threads: inout [Thread], _ seen: inout [Bool], position: Int
  ) {
    var stack = [thread]
    while let thread = stack.popLast() {
      guard !seen[thread.at] else { continue }
      seen[thread.at] = true
      var moved = thread
      switch program[thread.at] {
      case .one, .done: threads.append(thread)
      case .jump(let target):
        moved.at = target
        stack.append(moved)
      case .fork(let first, let second):
        moved.at = second
        stack.append(moved)
        moved.at = first
        stack.append(moved)
      case .mark(let which):
        moved.at += 1
        if which == 0 { moved.start = position } else { moved.end = position }
        stack.append(moved)
      }
    }
  }
}
