import Testing

/// Fails once, with every violation on a line of its own.
func expectNone(
  _ violations: [Violation], sourceLocation: SourceLocation = #_sourceLocation
) {
  guard !violations.isEmpty else { return }
  let list = violations.map { "  \($0)" }.joined(separator: "\n")
  Issue.record("\(violations.count) found:\n\(list)", sourceLocation: sourceLocation)
}
