/// Reads a ``BranchPattern`` and makes its program.
struct PatternParser {
  private typealias Instruction = BranchPattern.Instruction
  private typealias CharacterSet = BranchPattern.CharacterSet
  /// Groups within groups.
  private static let depthLimit = 20

  private let scalars: [Unicode.Scalar]
  private var offset = 0
  private(set) var hasIssue = false

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  mutating func parse() throws(PatternFault) -> [BranchPattern.Instruction] {
    guard !scalars.isEmpty else {
      throw fault("it is empty; write .* to allow every name")
    }
    guard scalars.count <= BranchPattern.patternLimit else {
      offset = BranchPattern.patternLimit
      throw fault("it is longer than \(BranchPattern.patternLimit) characters")
    }
    if peek == "^" { offset += 1 }
    let body = try alternatives(depth: 0)
    if peek == ")" { throw fault("this ) closes nothing; write \\) for the character") }
    return body + [.done]
  }

  private var peek: Unicode.Scalar? { offset < scalars.count ? scalars[offset] : nil }

  private func fault(_ reason: String, at place: Int? = nil) -> PatternFault {
    PatternFault(offset: place ?? offset, reason: reason)
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard peek == scalar else { return false }
    offset += 1
    return true
  }

  // Programs are relative while they are put together: a jump's target counts from the program's
  // beginning, and moves with it.
  private func moved(_ program: [Instruction], by distance: Int) -> [Instruction] {
    program.map { instruction in
      switch instruction {
      case .one, .mark, .done: instruction
      case .jump(let target): .jump(target + distance)
      case .fork(let first, let second): .fork(first + distance, second + distance)
      }
    }
  }

  private func joined(_ first: [Instruction], _ second: [Instruction]) -> [Instruction] {
    first + moved(second, by: first.count)
  }

  private mutating func alternatives(depth: Int) throws(PatternFault) -> [Instruction] {
    let first = try sequence(depth: depth)
    guard take("|") else { return first }
    let rest = try alternatives(depth: depth)
    let second = first.count + 2
    return [.fork(1, second)] + moved(first, by: 1) + [.jump(second + rest.count)]
      + moved(rest, by: second)
  }

  private mutating func sequence(depth: Int) throws(PatternFault) -> [Instruction] {
    var program: [Instruction] = []
    while let scalar = peek, scalar != "|", scalar != ")" {
      if scalar == "$", offset == scalars.count - 1 {
        offset += 1
        break
      }
      let place = offset
      let piece = try repeated(try atom(depth: depth), place)
      guard program.count + piece.count <= BranchPattern.programLimit else {
        throw fault("this repeats too much; use smaller numbers", at: place)
      }
      program = joined(program, piece)
    }
    return program
  }

  private mutating func repeated(
    _ piece: [Instruction], _ place: Int
  ) throws(PatternFault) -> [Instruction] {
    let range: (least: Int, most: Int?)
    switch peek {
    case "*": range = (0, nil)
    case "+": range = (1, nil)
    case "?": range = (0, 1)
    case "{": range = try count()
    default: return piece
    }
    // The sign, or the brace that closes the count.
    offset += 1
    if let again = peek, "*+?{".unicodeScalars.contains(again) {
      throw fault("this repeats what is repeated already; put a group around it")
    }
    let copies = max(range.least, range.most ?? range.least + 1)
    guard copies * (piece.count + 2) <= BranchPattern.programLimit else {
      throw fault("this repeats too much; use smaller numbers", at: place)
    }
    var program: [Instruction] = []
    for _ in 0..<range.least { program = joined(program, piece) }
    guard let most = range.most else {
      return joined(program, [.fork(1, piece.count + 2)] + moved(piece, by: 1) + [.jump(0)])
    }
    for _ in range.least..<most {
      program = joined(program, [.fork(1, piece.count + 1)] + moved(piece, by: 1))
    }
    return program
  }

  /// `{2}`, `{2,}` or `{2,5}`, up to the closing brace.
  private mutating func count() throws(PatternFault) -> (least: Int, most: Int?) {
    let place = offset
    offset += 1
    let least = try number(place)
    var most: Int? = least
    if take(",") { most = peek == "}" ? nil : try number(place) }
    guard peek == "}", most.map({ $0 >= least }) ?? true else {
      throw fault("this is no count; write {2}, {2,} or {2,5}, or \\{ for the character", at: place)
    }
    return (least, most)
  }

  private mutating func number(_ place: Int) throws(PatternFault) -> Int {
    var value: Int?
    while let digit = peek, ("0"..."9").contains(digit), (value ?? 0) <= 100 {
      value = (value ?? 0) * 10 + Int(digit.value - 48)
      offset += 1
    }
    guard let value, value <= 100 else {
      throw fault("a count is a number up to 100; write \\{ for the character", at: place)
    }
    return value
  }

  private mutating func atom(depth: Int) throws(PatternFault) -> [Instruction] {
    let place = offset
    guard let scalar = peek else { return [] }
    offset += 1
    switch scalar {
    case "(": return try group(place, depth: depth)
    case "[": return [.one(try characterClass(place))]
    case "\\": return [.one(try escaped(place))]
    case ".": return [.one(CharacterSet(ranges: [], isNegated: true))]
    case "*", "+", "?", "{":
      throw fault("there is nothing here to repeat; write \\\(scalar) for the character", at: place)
    case "^", "$":
      throw fault("\(scalar) has a meaning only at the end of a pattern", at: place)
    default: return [.one(Self.single(scalar))]
    }
  }

  private mutating func group(
    _ place: Int, depth: Int
  ) throws(PatternFault) -> [Instruction] {
    guard depth < Self.depthLimit else {
      throw fault("there are too many groups within groups", at: place)
    }
    var isIssue = false
    if take("?") {
      if !take(":") {
        var name = String.UnicodeScalarView()
        guard take("<") else {
          throw fault("there are (...), (?:...) and (?<issue>...)", at: place)
        }
        while let scalar = peek, scalar != ">" {
          name.append(scalar)
          offset += 1
        }
        guard take(">"), String(name) == "issue", !hasIssue else {
          throw fault("the only named group is (?<issue>...), once", at: place)
        }
        isIssue = true
        hasIssue = true
      }
    }
    let body = try alternatives(depth: depth + 1)
    guard take(")") else { throw fault("this ( is not closed", at: place) }
    return isIssue ? [.mark(0)] + moved(body, by: 1) + [.mark(1)] : body
  }

  private mutating func escaped(_ place: Int) throws(PatternFault) -> CharacterSet {
    guard let scalar = peek else {
      throw fault("there is nothing after the \\; write \\\\ for the character", at: place)
    }
    offset += 1
    switch scalar {
    case "d": return CharacterSet(ranges: [48...57])
    case "w": return CharacterSet(ranges: [48...57, 65...90, 95...95, 97...122])
    case "s": return CharacterSet(ranges: [9...13, 32...32])
    case "0"..."9", "A"..."Z", "a"..."z":
      throw fault("\\\(scalar) is not known; there are \\d, \\w and \\s", at: place)
    default: return Self.single(scalar)
    }
  }

  private mutating func characterClass(_ place: Int) throws(PatternFault) -> CharacterSet {
    var set = CharacterSet(ranges: [])
    set.isNegated = take("^")
    while let scalar = peek, scalar != "]" || set.ranges.isEmpty {
      let start = offset
      offset += 1
      if scalar == "\\" {
        set.ranges += try escaped(start).ranges
        continue
      }
      guard peek == "-", offset + 1 < scalars.count, scalars[offset + 1] != "]" else {
        set.ranges.append(scalar.value...scalar.value)
        continue
      }
      let last = scalars[offset + 1]
      offset += 2
      guard last != "\\", last.value >= scalar.value else {
        throw fault("this range runs backwards, or ends in no character", at: start)
      }
      set.ranges.append(scalar.value...last.value)
    }
    guard take("]") else { throw fault("this [ is not closed", at: place) }
    return set
  }

  private static func single(_ scalar: Unicode.Scalar) -> CharacterSet {
    CharacterSet(ranges: [scalar.value...scalar.value])
  }
}
