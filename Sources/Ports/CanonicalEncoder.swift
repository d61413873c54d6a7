/// A JSON value while it is put together. A class, because a container writes into the place it was
/// given after it was handed out.
final class CanonicalNode {
  private enum Content {
    case null
    /// JSON text that stands for itself: a number, `true`, a quoted string.
    case scalar(String)
    case array([CanonicalNode])
    case object([String: CanonicalNode])
  }

  private var content = Content.null

  var count: Int {
    if case .array(let elements) = content { elements.count } else { 0 }
  }

  func becomeNull() { content = .null }
  func becomeScalar(_ text: String) { content = .scalar(text) }

  func becomeArray() {
    if case .array = content { return }
    content = .array([])
  }

  func becomeObject() {
    if case .object = content { return }
    content = .object([:])
  }

  func appendElement() -> CanonicalNode {
    let child = CanonicalNode()
    guard case .array(var elements) = content else {
      preconditionFailure("only an array has elements")
    }
    content = .null
    elements.append(child)
    content = .array(elements)
    return child
  }

  func member(_ key: String) -> CanonicalNode {
    guard case .object(var members) = content else {
      preconditionFailure("only an object has members")
    }
    // Asked for again, a member is continued: `nestedContainer` may be called twice for one key.
    if let existing = members[key] { return existing }
    let child = CanonicalNode()
    content = .null
    members[key] = child
    content = .object(members)
    return child
  }

  func append(to bytes: inout [UInt8]) {
    switch content {
    case .null: bytes.append(contentsOf: "null".utf8)
    case .scalar(let text): bytes.append(contentsOf: text.utf8)
    case .array(let elements):
      bytes.append(UInt8(ascii: "["))
      for (index, element) in elements.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        element.append(to: &bytes)
      }
      bytes.append(UInt8(ascii: "]"))
    case .object(let members):
      bytes.append(UInt8(ascii: "{"))
      // By bytes: `String`'s own order compares normalised text, which is a matter of Unicode version.
      let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      for (index, (key, member)) in sorted.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(contentsOf: Self.quoted(key).utf8)
        bytes.append(UInt8(ascii: ":"))
        member.append(to: &bytes)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{8}": result += "\\b"
      case "\u{9}": result += "\\t"
      case "\u{A}": result += "\\n"
      case "\u{C}": result += "\\f"
      case "\u{D}": result += "\\r"
      case "\0"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// Why a value has no canonical text.
struct CanonicalFault: Error {
  var sentence: String

  init(_ reason: String, at path: [any CodingKey]) {
    sentence = "at \(CanonicalJSON.place(path)): \(reason)"
  }
}

/// Keeps the first fault found where `Encoder` gives no way to throw.
final class CanonicalFaults {
  var first: CanonicalFault?
}

/// Marks the collections whose order differs from process to process.
private protocol RandomlyOrdered {}
extension Set: RandomlyOrdered {}
/// A dictionary is sorted when it is written as an object, and random when written as an array.
private protocol RandomlyOrderedAsArray {}
extension Dictionary: RandomlyOrderedAsArray {}

struct CanonicalEncoder: Encoder {
  let node: CanonicalNode
  let path: [any CodingKey]
  let faults: CanonicalFaults
  var refusesArray = false

  var codingPath: [any CodingKey] { path }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    node.becomeObject()
    return KeyedEncodingContainer(CanonicalObject(encoder: self))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    if refusesArray, faults.first == nil {
      faults.first = CanonicalFault(
        "a Dictionary with keys of this type is written as an array in random order", at: path)
    }
    node.becomeArray()
    return CanonicalArray(encoder: self)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    CanonicalSingle(encoder: self)
  }

  func child(_ node: CanonicalNode, _ key: any CodingKey) -> CanonicalEncoder {
    CanonicalEncoder(node: node, path: path + [key], faults: faults)
  }

  func write(
    _ value: some Encodable, into node: CanonicalNode, path: [any CodingKey]
  ) throws {
    switch value {
    case let text as String: node.becomeScalar(CanonicalNode.quoted(text))
    case let flag as Bool: node.becomeScalar(flag ? "true" : "false")
    case let number as any FixedWidthInteger: node.becomeScalar(String(describing: number))
    case is any BinaryFloatingPoint:
      throw CanonicalFault("floating point is not the same everywhere", at: path)
    case is any RandomlyOrdered:
      throw CanonicalFault("a Set is written in random order", at: path)
    default:
      node.becomeNull()
      try value.encode(
        to: CanonicalEncoder(
          node: node, path: path, faults: faults,
          refusesArray: value is any RandomlyOrderedAsArray))
    }
  }
}

// One generic `encode` meets the requirement for every primitive type: `write` tells them apart.

private struct CanonicalObject<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let encoder: CanonicalEncoder
  var codingPath: [any CodingKey] { encoder.path }

  func encodeNil(forKey key: Key) { encoder.node.member(key.stringValue).becomeNull() }

  func encode(_ value: some Encodable, forKey key: Key) throws {
    try encoder.write(
      value, into: encoder.node.member(key.stringValue), path: encoder.path + [key])
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    encoder.child(encoder.node.member(key.stringValue), key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    encoder.child(encoder.node.member(key.stringValue), key).unkeyedContainer()
  }

  func superEncoder() -> any Encoder {
    encoder.child(encoder.node.member("super"), CanonicalKey(stringValue: "super"))
  }

  func superEncoder(forKey key: Key) -> any Encoder {
    encoder.child(encoder.node.member(key.stringValue), key)
  }
}

private struct CanonicalArray: UnkeyedEncodingContainer {
  let encoder: CanonicalEncoder
  var codingPath: [any CodingKey] { encoder.path }
  var count: Int { encoder.node.count }

  func encodeNil() { encoder.node.appendElement().becomeNull() }

  func encode(_ value: some Encodable) throws {
    let key = CanonicalKey(stringValue: String(count))
    try encoder.write(value, into: encoder.node.appendElement(), path: encoder.path + [key])
  }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy type: NestedKey.Type
  ) -> KeyedEncodingContainer<NestedKey> {
    nested().container(keyedBy: type)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested().unkeyedContainer() }

  func superEncoder() -> any Encoder { nested() }

  private func nested() -> CanonicalEncoder {
    let key = CanonicalKey(stringValue: String(count))
    return encoder.child(encoder.node.appendElement(), key)
  }
}

private struct CanonicalSingle: SingleValueEncodingContainer {
  let encoder: CanonicalEncoder
  var codingPath: [any CodingKey] { encoder.path }

  func encodeNil() { encoder.node.becomeNull() }

  func encode(_ value: some Encodable) throws {
    try encoder.write(value, into: encoder.node, path: encoder.path)
  }
}

private struct CanonicalKey: CodingKey {
  var stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}
