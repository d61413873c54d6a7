import ControlProtocol
import Foundation
import Testing

@testable import ControlClient

@Suite struct EventParserTests {
  private typealias Event = EventParser.Event

  private func event(_ name: String, _ data: String, id: String? = nil) -> EventParser.Event {
    EventParser.Event(id: id, name: name, data: Data(data.utf8))
  }

  @Test(arguments: [
    ("data: a\n\n", 1), ("data: a\r\n\r\n", 1), ("data: a\r\r", 1), (": alive\n\n", 0),
    ("event: item\n\n", 0), ("data: a\n", 0), ("data: a\n\ndata: b\n\n", 2), ("\n\n\n", 0),
    ("data\n\n", 1),
  ])
  func blankLinesEndEvents(text: String, count: Int) throws {
    var parser = EventParser()
    #expect(try parser.parse(text.utf8).count == count)
  }

  @Test func fieldsAreReadAndUnknownOnesPassedOver() throws {
    var parser = EventParser()
    let text = "id: 7\nevent: item\nretry: 3\n: comment\ndata:{\"a\":1}\ndata:  b: c\n\ndata: x\n\n"
    #expect(
      try parser.parse(text.utf8) == [
        event("item", "{\"a\":1}\n b: c", id: "7"), event("message", "x", id: "7"),
      ])
  }

  @Test func theSameComesOutHoweverTheBytesAreCut() throws {
    let text = "id: 1\r\nevent: item\r\ndata: ü…\r\n\r\n: alive\n\nevent: end\ndata: {}\n\n"
    var whole = EventParser()
    let expected = try whole.parse(text.utf8)
    #expect(expected.map(\.name) == ["item", "end"])
    for size in 1...9 {
      var parser = EventParser()
      var events: [EventParser.Event] = []
      var rest = Array(text.utf8)[...]
      while !rest.isEmpty {
        events += try parser.parse(rest.prefix(size))
        rest = rest.dropFirst(size)
      }
      #expect(events == expected, "pieces of \(size)")
    }
  }

  @Test func anEventWithoutEndIsRefused() {
    var parser = EventParser(limit: 1_000)
    let bytes = repeatElement(UInt8(ascii: "x"), count: 1_001)
    #expect(throws: ControlError.self) { try parser.parse(bytes) }
  }

  @Test func heartbeatsForDaysDoNotAddUp() throws {
    var parser = EventParser(limit: 1_000)
    let beat = Array(": alive\n\n".utf8)
    for _ in 0..<1_000 { _ = try parser.parse(beat) }
    #expect(try parser.parse("data: a\n\n".utf8).count == 1)
  }
}
