import Ports
import SegueModel
import Testing

struct CanonicalJSONTests {
  private func text(_ value: some Encodable) throws -> String {
    String(decoding: try CanonicalJSON.encode(value), as: UTF8.self)
  }

  private struct Everything: Codable, Equatable {
    enum Colour: String, Codable { case red, green }
    enum Shape: Codable, Equatable {
      case circle(radius: Int)
      case dot
    }
    var zebra = "a/b \"quoted\" \\ \n\t\r\u{8}\u{C}\u{1}\u{1F} é 日本 👍\u{7F}"
    var apple: Int? = nil
    var list: [Int?] = [1, nil, -3]
    var largest = UInt64.max
    var smallest = Int64.min
    var flag = false
    var shapes: [Shape] = [.circle(radius: 2), .dot]
    var colour = Colour.green
    var instant = Instant(milliseconds: 1_700_000_000_123)
    var byStep: [StepName: [Milliseconds]] = ["test": [.seconds(1)], "build": []]
    var names: [String: Colour] = ["é": .red, "z": .green, "Z": .red, "_": .red]
    var numbers: [Int: Bool] = [10: true, 9: false]
  }

  @Test func `is sorted, compact and escapes only what it must`() throws {
    let expected =
      #"{"byStep":{"build":[],"test":[1000]},"colour":"green","flag":false,"#
      + #""instant":1700000000123,"largest":18446744073709551615,"list":[1,null,-3],"#
      + #""names":{"Z":"red","_":"red","z":"green","é":"red"},"numbers":{"10":true,"9":false},"#
      + #""shapes":[{"circle":{"radius":2}},{"dot":{}}],"smallest":-9223372036854775808,"#
      + #""zebra":"a/b \"quoted\" \\ \n\t\r\b\f\u0001\u001f é 日本 👍"# + "\u{7F}\"}"
    #expect(try text(Everything()) == expected)
  }

  @Test func `what was written is read back`() throws {
    let value = Everything()
    let bytes = try CanonicalJSON.encode(value)
    let back = try CanonicalJSON.decode(Everything.self, from: bytes)
    #expect(back == value)
    #expect(try CanonicalJSON.encode(back) == bytes)
  }

  @Test func `a bare value is a text too`() throws {
    #expect(try text("a") == #""a""#)
    #expect(try text(7) == "7")
    #expect(try text([true, false]) == "[true,false]")
    #expect(try text(String?.none) == "null")
    #expect(try text([String: Int]()) == "{}")
  }

  private struct Reading: Codable { var values: [String: [Double]] }
  private enum Door: Hashable, Codable { case left, right }

  @Test func `whole floating point is refused as well, and the place is named`() {
    let error = #expect(throws: PortError.self) {
      try CanonicalJSON.encode(Reading(values: ["a": [], "b": [1.0]]))
    }
    #expect(error?.fault == .segue)
    #expect(error?.retry == .never)
    #expect(error?.causes == ["at values.b.0: floating point is not the same everywhere"])
    #expect(throws: PortError.self) { try CanonicalJSON.encode(Float(1)) }
    #expect(throws: PortError.self) { try CanonicalJSON.encode([Double?.some(2)]) }
  }

  @Test func `collections in random order are refused`() {
    #expect(throws: PortError.self) { try CanonicalJSON.encode(["x": Set([1, 2])]) }
    #expect(throws: PortError.self) { try CanonicalJSON.encode([Door.left: 1]) }
    #expect(throws: PortError.self) { try CanonicalJSON.encode([[Door.left: 1]]) }
  }

  private class Base: Encodable {
    var base = 1
  }
  private final class Derived: Base {
    private enum Key: CodingKey { case own, nested, list }
    override func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(2, forKey: .own)
      var nested = container.nestedContainer(keyedBy: Key.self, forKey: .nested)
      try nested.encodeNil(forKey: .own)
      var list = container.nestedUnkeyedContainer(forKey: .list)
      try list.encode("x")
      try list.encodeNil()
      var inner = list.nestedUnkeyedContainer()
      try inner.encode(list.count)
      var object = list.nestedContainer(keyedBy: Key.self)
      try object.encode(3, forKey: .own)
      try super.encode(to: container.superEncoder())
    }
  }

  @Test func `nested containers and superclasses land where they belong`() throws {
    #expect(
      try text(Derived())
        == #"{"list":["x",null,[3],{"own":3}],"nested":{"own":null},"own":2,"super":{"base":1}}"#)
  }

  @Test func `what cannot be read says where and why`() {
    let error = #expect(throws: PortError.self) {
      try CanonicalJSON.decode(
        [String: [Int]].self, from: Array(#"{"a":[1,"two"]}"#.utf8))
    }
    #expect(error?.retry == .never)
    #expect(error?.causes.first?.hasPrefix("at a.") == true)
    #expect(throws: PortError.self) {
      try CanonicalJSON.decode(Int.self, from: Array("{".utf8))
    }
  }
}
