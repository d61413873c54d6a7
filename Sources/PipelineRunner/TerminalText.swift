/// Makes a line of a program's output safe to print to somebody's terminal.
enum TerminalText {
  /// The line with its colours and without everything else that steers a terminal: cursor movement,
  /// titles, device queries, C1 controls. Of a line that overwrites itself with carriage returns, what
  /// would stay to be seen.
  static func safe(_ line: Substring) -> String {
    guard line.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 }) else {
      return String(line)
    }
    var scalars = Array(line.unicodeScalars)
    while scalars.last == "\r" { scalars.removeLast() }
    if let overwritten = scalars.lastIndex(of: "\r") { scalars.removeFirst(overwritten + 1) }
    var result = String.UnicodeScalarView()
    var hasColour = false
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      if scalar == "\u{1B}" || scalar == "\u{9B}" {
        let (end, isColour) = sequence(scalars, at: index)
        if isColour {
          result.append(contentsOf: scalars[index..<end])
          hasColour = true
        }
        index = end
        continue
      }
      if scalar == "\t" || !(scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)) {
        result.append(scalar)
      }
      index += 1
    }
    // A colour must not run on into another step's lines.
    return hasColour ? String(result) + "\u{1B}[0m" : String(result)
  }

  /// Where the escape sequence (ECMA-48) that begins at `start` ends, and whether it sets colours.
  private static func sequence(
    _ scalars: [Unicode.Scalar], at start: Int
  ) -> (end: Int, isColour: Bool) {
    var index = start + 1
    let isC1 = scalars[start] == "\u{9B}"
    guard isC1 || index < scalars.count else { return (index, false) }
    if isC1 || scalars[index] == "[" {
      if !isC1 { index += 1 }
      let first = index
      while index < scalars.count, (0x20...0x3F).contains(scalars[index].value) { index += 1 }
      guard index < scalars.count else { return (index, false) }
      let parameters = scalars[first..<index].allSatisfy { (0x30...0x3B).contains($0.value) }
      return (index + 1, !isC1 && scalars[index] == "m" && parameters)
    }
    if ["]", "P", "X", "^", "_"].contains(scalars[index]) {
      // A string: it runs to BEL or to ESC \, or it swallows the rest of the line.
      while index < scalars.count {
        if scalars[index] == "\u{07}" || scalars[index] == "\u{9C}" { return (index + 1, false) }
        if scalars[index] == "\u{1B}", index + 1 < scalars.count, scalars[index + 1] == "\\" {
          return (index + 2, false)
        }
        index += 1
      }
      return (index, false)
    }
    while index < scalars.count, (0x20...0x2F).contains(scalars[index].value) { index += 1 }
    return (min(index + 1, scalars.count), false)
  }
}
