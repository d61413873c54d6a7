import Foundation

/// Calls that are wrong in certain places.
enum CodeRules {
  /// Things that differ from one run to the next. The core is given them as arguments.
  private static let impure = [
    "Date(", "Date.now", "UUID(", "ContinuousClock", "SuspendingClock", "DispatchTime",
    "clock_gettime(", ".now()", "random(", "randomElement(", "shuffled(", "shuffle(",
    "SystemRandomNumberGenerator", "print(", "debugPrint(", "Task {", "Task(", "Task.detached",
    "Task.sleep", "ProcessInfo", "getenv(", "FileManager",
  ]

  static func impureCalls(_ file: TextFile) -> [Violation] {
    guard file.isSource, let target = file.target, ImportRules.core.contains(target) else {
      return []
    }
    return find(impure, in: file) { "'\($0)' in \(target): the core is told, it does not ask" }
  }

  /// Work outside any task tree survives its owner's cancellation. Where there is no other way, a
  /// comment on the line or just above it says `unstructured:` and how it ends.
  static func unstructuredTasks(_ file: TextFile) -> [Violation] {
    guard file.isSource, file.target != "segue" else { return [] }
    let lines = file.lines
    return find(["Task {", "Task(", "Task.detached", "Task.immediate"], in: file) {
      "'\($0)' starts work that nothing waits for; use a task group, or say 'unstructured: ...'"
    }.filter { !isExplained($0.line, by: "unstructured:", in: lines) }
  }

  /// Whether a comment on the line, or in the comment that ends just above it, has the word.
  private static func isExplained(_ line: Int, by word: String, in lines: [Substring]) -> Bool {
    let above = lines[..<(line - 1)].reversed().prefix {
      $0.trimmingCharacters(in: .whitespaces).hasPrefix("//")
    }
    return (above + [lines[line - 1]]).contains { $0.contains("// " + word) }
  }

  /// A test that sleeps is either slow or wrong: it waits on a condition, with a deadline. Allowed are
  /// the deadline itself, the short pause between two looks at the condition, and what a comment on
  /// the line or just above it explains with `pause:`.
  static func sleepingTests(_ file: TextFile) -> [Violation] {
    guard file.isTest else { return [] }
    let lines = file.lines
    return find(["Thread.sleep", "Task.sleep", "sleep(", "usleep(", "nanosleep("], in: file) {
      "'\($0)' in a test: wait on a condition with a deadline, or say 'pause: ...'"
    }.filter { violation in
      let line = lines[violation.line - 1]
      if line.contains("func sleep(") || line.contains("Task.sleep(for: deadline)") { return false }
      if let pause = line.firstMatch(of: #/Task\.sleep\(for: \.milliseconds\((\d+)\)\)/#) {
        return Int(pause.1).map { $0 > 50 } ?? true
      }
      return !isExplained(violation.line, by: "pause:", in: lines)
    }
  }

  /// What ends the process where an error would have told somebody something.
  static func crashes(_ file: TextFile) -> [Violation] {
    guard file.isSource else { return [] }
    return find(["try!", "fatalError(", "exit(-1)"], in: file) {
      "'\($0)' gives up without telling anybody; throw, or state a precondition"
    }
  }

  private static func find(
    _ tokens: [String], in file: TextFile, message: (String) -> String
  ) -> [Violation] {
    let code = file.code
    var seen: Set<Int> = []
    return tokens.flatMap { token in
      code.offsets(of: token).map { (token, code.line(at: $0)) }
    }.filter { seen.insert($0.1).inserted }.map { token, line in
      Violation(path: file.path, line: line, message: message(token))
    }
  }
}
