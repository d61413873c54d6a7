/// Replaces what it drew before by what it draws now: moves the cursor up, and writes each line over
/// the old one. Nothing is cleared before its replacement is there, so nothing flickers.
struct Painter: Sendable {
  /// The widths of the lines on the screen, above the cursor.
  private var drawn: [Int] = []

  /// The bytes to write.
  mutating func paint(_ lines: [Line], columns: Int, color: Bool) -> String {
    let texts = lines.map { $0.rendered(width: columns, color: color) }
    // The terminal may be narrower than it was: then old lines have wrapped.
    let rowsUp = drawn.reduce(0) { $0 + max(1, ($1 + columns - 1) / max(1, columns)) }
    var output = "\u{1b}[?25l"
    if rowsUp > 0 { output += "\u{1b}[\(rowsUp)A\r" }
    for text in texts { output += "\u{1b}[2K\(text)\n" }
    output += "\u{1b}[J\u{1b}[?25h"
    drawn = lines.map { min($0.width, columns) }
    return output
  }
}
