/// Finds the first place where two JSON values differ, members of objects taken in the order of their
/// keys.
struct JSONDifference {
  private enum Step {
    case index(Int)
    case key([UInt8])
  }

  /// Kept as steps, and made a text only once there is something to tell: a path as a string for each
  /// of many values would grow with their number times their depth.
  private var path: [Step] = []

  /// `$.items[2].price is 3 there, 4 here`; `nil`: they are equal.
  static func first(there: JSONValue, here: JSONValue) -> String? {
    var search = JSONDifference()
    return search.compare(there, here)
  }

  private mutating func compare(_ there: JSONValue, _ here: JSONValue) -> String? {
    switch (there, here) {
    case (.null, .null): return nil
    case (.boolean(let one), .boolean(let other)) where one == other: return nil
    case (.number(let one), .number(let other)) where one.isEqual(to: other): return nil
    case (.string(let one), .string(let other)) where one == other: return nil
    case (.array(let one), .array(let other)): return compareElements(one, other)
    case (.object(let one), .object(let other)): return compareMembers(one, other)
    case (.null, _), (.boolean, _), (.number, _), (.string, _), (.array, _), (.object, _):
      return sentence(there, here)
    }
  }

  private mutating func compareElements(_ there: [JSONValue], _ here: [JSONValue]) -> String? {
    for index in 0..<max(there.count, here.count) {
      path.append(.index(index))
      if index >= there.count { return sentence(nil, here[index]) }
      if index >= here.count { return sentence(there[index], nil) }
      if let found = compare(there[index], here[index]) { return found }
      path.removeLast()
    }
    return nil
  }

  private mutating func compareMembers(
    _ there: [JSONValue.Member], _ here: [JSONValue.Member]
  ) -> String? {
    var left = 0
    var right = 0
    while left < there.count || right < here.count {
      let isOnlyThere =
        left < there.count
        && (right >= here.count || there[left].key.lexicographicallyPrecedes(here[right].key))
      if isOnlyThere {
        path.append(.key(there[left].key))
        return sentence(there[left].value, nil)
      }
      path.append(.key(here[right].key))
      guard left < there.count, there[left].key == here[right].key else {
        return sentence(nil, here[right].value)
      }
      if let found = compare(there[left].value, here[right].value) { return found }
      path.removeLast()
      left += 1
      right += 1
    }
    return nil
  }

  private func sentence(_ there: JSONValue?, _ here: JSONValue?) -> String {
    "\(pathText) is \(Self.describe(there)) there, \(Self.describe(here)) here"
  }

  private var pathText: String {
    var text = "$"
    for step in path {
      guard text.utf8.count < 160 else { return text + "..." }
      switch step {
      case .index(let index): text += "[\(index)]"
      case .key(let key):
        let isPlain =
          !key.isEmpty && key.count <= 40 && !key[0].isDigit
          && key.allSatisfy { $0 == 95 || $0.isDigit || (97...122).contains($0 | 0x20) }
        text += isPlain ? "." + String(decoding: key, as: UTF8.self) : "[\(Excerpt.quoted(key))]"
      }
    }
    return text
  }

  private static func describe(_ value: JSONValue?) -> String {
    switch value {
    case nil: "absent"
    case .null: "null"
    case .boolean(let value): value ? "true" : "false"
    case .number(let number): Excerpt.plain(number.text)
    case .string(let text): Excerpt.quoted(text)
    case .array(let elements): "an array of \(elements.count)"
    case .object(let members): "an object of \(members.count)"
    }
  }
}

/// What is shown of octets that somebody else wrote: little, and nothing that steers a terminal.
enum Excerpt {
  static let limit = 40

  static func plain(_ octets: some Collection<UInt8>, limit: Int = limit) -> String {
    var text = ""
    for scalar in String(decoding: octets.prefix(limit), as: UTF8.self).unicodeScalars {
      let isControl = scalar.value < 32 || (127..<160).contains(scalar.value)
      text.unicodeScalars.append(isControl ? "?" : scalar)
    }
    return octets.count > limit ? text + "..." : text
  }

  static func quoted(_ octets: some Collection<UInt8>) -> String { "\"\(plain(octets))\"" }
}
