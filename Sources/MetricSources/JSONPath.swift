import Foundation
import Ports

/// A path into JSON: keys and indexes, as in `data.items[0].rate`.
struct JSONPath: Sendable {
  private enum Step: Sendable {
    case key(String)
    case index(Int)
  }

  private let text: String
  private let steps: [Step]

  /// `nil` for a path that cannot be read, or has more than 32 steps. A leading `$` may be left out.
  init?(_ text: String) {
    self.text = text
    var steps: [Step] = []
    let body = text.hasPrefix("$") ? text.dropFirst() : text[...]
    for part in body.split(separator: ".") {
      let open = part.firstIndex(of: "[") ?? part.endIndex
      if open > part.startIndex { steps.append(.key(String(part[..<open]))) }
      var rest = part[open...]
      while !rest.isEmpty {
        guard rest.first == "[", let close = rest.firstIndex(of: "]"),
          let index = Int(rest[rest.index(after: rest.startIndex)..<close]), index >= 0
        else { return nil }
        steps.append(.index(index))
        rest = rest[rest.index(after: close)...]
      }
    }
    guard steps.count <= 32 else { return nil }
    self.steps = steps
  }

  /// The number there, also one that is written as a string; or why there is none.
  func number(in bytes: [UInt8]) -> MetricReading {
    guard var value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else {
      return .noData("the answer is not JSON")
    }
    for step in steps {
      switch (step, value) {
      case (.key(let key), .object(let members)):
        guard let next = members[key] else { return missing }
        value = next
      case (.index(let index), .array(let elements)):
        guard index < elements.count else { return missing }
        value = elements[index]
      case (.key, _), (.index, _): return missing
      }
    }
    let number: Double?
    switch value {
    case .number(let found): number = found
    case .string(let text): number = Double(text)
    case .other, .array, .object: number = nil
    }
    guard let number else { return .noData("\(text) is not a number") }
    return number.isFinite ? .value(number) : .noData("\(text) is \(number)")
  }

  private var missing: MetricReading { .noData("the answer has no \(text)") }
}

/// JSON as far as a path goes through it.
private enum JSONValue: Decodable {
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])
  /// `true`, `false`, `null`.
  case other

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() || (try? container.decode(Bool.self)) != nil {
      self = .other
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let string = try? container.decode(String.self) {
      self = .string(string)
    } else if let array = try? container.decode([JSONValue].self) {
      self = .array(array)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }
}
