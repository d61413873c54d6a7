import Ports
import SegueModel
import Testing

struct UpcasterTests {
  private struct First: Codable { var seconds: Int64 }
  private struct Second: Codable { var milliseconds: Int64 }
  private struct Third: Codable {
    var milliseconds: Int64
    var reason: String
  }

  private let upcasters = Upcasters([
    Upcaster(kind: "waited", from: 1) { (old: First) in
      Second(milliseconds: old.seconds * 1_000)
    },
    Upcaster(kind: "waited", from: 2) { (old: Second) in
      Third(milliseconds: old.milliseconds, reason: "unknown")
    },
  ])

  private func event(
    _ payload: String, schema: Int, kind: String = "waited"
  ) -> RecordedEvent {
    RecordedEvent(
      sequence: 9, stream: "s", version: 4, kind: kind, schema: schema,
      at: Instant(milliseconds: 5), payload: Array(payload.utf8))
  }

  @Test func `lifts one schema at a time and touches nothing else`() throws {
    let lifted = try upcasters.upcast(event(#"{"seconds":3}"#, schema: 1), to: 3)
    #expect(lifted == event(#"{"milliseconds":3000,"reason":"unknown"}"#, schema: 3))
    let half = try upcasters.upcast(event(#"{"seconds":3}"#, schema: 1), to: 2)
    #expect(half == event(#"{"milliseconds":3000}"#, schema: 2))
  }

  @Test func `leaves a current event as it is`() throws {
    let current = event("not even JSON", schema: 3)
    #expect(try upcasters.upcast(current, to: 3) == current)
  }

  @Test func `refuses what a newer version wrote`() {
    let error = #expect(throws: PortError.self) {
      try upcasters.upcast(event("{}", schema: 4), to: 3)
    }
    #expect(error?.fault == .user)
    #expect(error?.what.contains("newer version") == true)
  }

  @Test func `a missing step and a failing one are told apart`() {
    let missing = #expect(throws: PortError.self) {
      try upcasters.upcast(event("{}", schema: 1, kind: "slept"), to: 2)
    }
    #expect(missing?.what == "nothing lifts slept from schema 1 to 2")
    let failing = #expect(throws: PortError.self) {
      try upcasters.upcast(event("{}", schema: 1), to: 2)
    }
    #expect(failing?.what == "event 9 (waited) cannot be lifted to schema 2")
    #expect(failing?.causes.count == 2)
  }
}
