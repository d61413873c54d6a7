/// Finds the name that somebody meant.
enum Suggestion {
  /// The candidate with the fewest edits to `text`, if they are few enough to be a slip of the
  /// finger; the earlier one of equals.
  static func nearest(to text: String, among candidates: [String]) -> String? {
    guard text.utf8.count <= 64 else { return nil }
    let wanted = normalized(text)
    var best: (name: String, distance: Int)?
    for candidate in candidates {
      let distance = distance(wanted, normalized(candidate))
      let allowed = max(1, min(wanted.count, candidate.count) / 3)
      guard distance <= allowed, distance < best?.distance ?? .max else { continue }
      best = (candidate, distance)
    }
    return best?.name
  }

  /// `maxSurge`, `max_surge` and `MAX-SURGE` are all one slip away from `max-surge`.
  private static func normalized(_ text: String) -> [Character] {
    text.lowercased().filter { $0 != "-" && $0 != "_" && $0 != " " }
  }

  /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
  static func distance(_ left: [Character], _ right: [Character]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for (row, character) in left.enumerated() {
      var current = [row + 1]
      for (column, other) in right.enumerated() {
        var cost = min(previous[column + 1] + 1, current[column] + 1)
        cost = min(cost, previous[column] + (character == other ? 0 : 1))
        if row > 0, column > 0, character == right[column - 1], left[row - 1] == other {
          cost = min(cost, beforePrevious[column - 1] + 1)
        }
        current.append(cost)
      }
      beforePrevious = previous
      previous = current
    }
    return previous[right.count]
  }
}
