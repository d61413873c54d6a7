import Ports
import SegueModel

extension JournalContract {
  static let appendingChecks: [JournalCheck] = [
    JournalCheck(name: "a new journal is empty and verifies") { harness in
      let contents = try await Contents(try await harness.open())
      try expect(contents.events, is: [], "events")
      try expect(contents.outbox, is: [], "outbox")
      try expect(contents.timers, is: [], "timers")
      try expect(contents.verification.events, is: 0, "events verified")
      try expect(contents.verification.firstBroken, is: nil, "first broken event")
    },
    JournalCheck(name: "events are read as they were appended, in order") { harness in
      let journal = try await harness.open()
      let first = try await journal.append(
        transaction("a", 0, [event("1"), event("2", kind: "ended")], at: 5))
      let second = try await journal.append(
        transaction("a", 2, [NewEvent(kind: "happened", schema: 7, payload: [1])], at: 4))
      let expected = [
        RecordedEvent(
          sequence: 1, stream: "a", version: 1, kind: "happened", schema: 1,
          at: Instant(milliseconds: 5), payload: event("1").payload),
        RecordedEvent(
          sequence: 2, stream: "a", version: 2, kind: "ended", schema: 1,
          at: Instant(milliseconds: 5), payload: event("2").payload),
        RecordedEvent(
          sequence: 3, stream: "a", version: 3, kind: "happened", schema: 7,
          at: Instant(milliseconds: 4), payload: [1]),
      ]
      try expect(first + second, is: expected, "what append returned")
      try expect(try await journal.events(of: "a", after: 0), is: expected, "the stream")
    },
    JournalCheck(name: "each stream has versions of its own; the sequence is common") { harness in
      let journal = try await harness.open()
      _ = try await journal.append(transaction("a", 0, [event("1")]))
      _ = try await journal.append(transaction("b", 0, [event("2"), event("3")]))
      _ = try await journal.append(transaction("a", 1, [event("4")]))
      let all = try await journal.events(after: 0, limit: 10)
      try expect(all.map(\.sequence), is: [1, 2, 3, 4], "sequences")
      try expect(all.map(\.stream), is: ["a", "b", "b", "a"], "streams")
      try expect(all.map(\.version), is: [1, 1, 2, 2], "versions")
    },
    JournalCheck(name: "an append at the wrong version is refused for good") { harness in
      let journal = try await harness.open()
      _ = try await journal.append(transaction("service/production/web", 0, [event("1")]))
      let before = try await Contents(journal)
      for wrong: Int64 in [0, 2, -1, 1_000] {
        let error = try await refusal(
          journal, transaction("service/production/web", wrong, [event("2")]))
        try expect(error.retry, is: .never, "retry")
        for word in ["service/production/web", "version 1", "\(wrong)"] {
          try expect(error.what.contains(word), "\"\(error.what)\" does not say \(word)")
        }
      }
      try expect(try await Contents(journal), is: before, "contents")
    },
    JournalCheck(name: "of two writers at one version, one is refused") { harness in
      let journal = try await harness.open()
      let winners = await withTaskGroup(of: Bool.self) { group in
        for writer in 0..<8 {
          group.addTask {
            (try? await journal.append(transaction("a", 0, [event("\(writer)")]))) != nil
          }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      try expect(winners, is: 1, "writers that won")
      try expect(try await journal.events(of: "a", after: 0).count, is: 1, "events")
    },
    JournalCheck(name: "writers to different streams do not disturb one another") { harness in
      let journal = try await harness.open()
      let failures = await withTaskGroup(of: String?.self) { group in
        for writer in 0..<8 {
          group.addTask {
            do {
              for version in 0..<20 {
                _ = try await journal.append(
                  transaction(StreamID("stream/\(writer)"), Int64(version), [event("\(version)")]))
              }
              return nil
            } catch {
              return "\(error)"
            }
          }
        }
        return await group.reduce(into: [String]()) { all, failure in
          if let failure { all.append(failure) }
        }
      }
      try expect(failures, is: [], "failures")
      let all = try await journal.events(after: 0, limit: 1_000)
      try expect(all.map(\.sequence), is: Array(1...160), "sequences")
      for writer in 0..<8 {
        let versions = try await journal.events(of: StreamID("stream/\(writer)"), after: 0).map(
          \.version)
        try expect(versions, is: Array(1...20), "versions of stream \(writer)")
      }
      try expect(try await journal.verify().firstBroken, is: nil, "first broken event")
    },
    JournalCheck(name: "a refused transaction leaves nothing behind") { harness in
      let journal = try await harness.open()
      var good = transaction("a", 0, [event("1")])
      good.outbox = [outboxRow("o-1")]
      good.setTimers = [JournalTimer(name: "t", due: Instant(milliseconds: 9))]
      _ = try await journal.append(good)
      let before = try await Contents(journal)

      var bad = transaction("a", 1, [event("2"), event("3")])
      bad.completedOutbox = ["o-1"]
      bad.setTimers = [JournalTimer(name: "u", due: Instant(milliseconds: 10))]
      bad.clearedTimers = ["t"]
      // The last row is refused, after all before it was accepted.
      bad.outbox = [outboxRow("o-2"), outboxRow("o-1")]
      let error = try await refusal(journal, bad)
      try expect(error.retry, is: .never, "retry")
      try expect(error.what.contains("o-1"), "\"\(error.what)\" does not name the row")
      bad.expectedVersion = 0
      bad.outbox = []
      _ = try await refusal(journal, bad)
      try expect(try await Contents(journal), is: before, "contents")
    },
    JournalCheck(name: "a transaction may hold no event") { harness in
      let journal = try await harness.open()
      _ = try await journal.append(transaction("a", 0, [event("1")]))
      var only = transaction("a", 1, [])
      only.setTimers = [JournalTimer(name: "t", due: Instant(milliseconds: 9))]
      try expect(try await journal.append(only), is: [], "events")
      try expect(try await journal.timers().count, is: 1, "timers")
      only.expectedVersion = 2
      _ = try await refusal(journal, only)
    },
    JournalCheck(name: "payloads and texts come back byte for byte") { harness in
      let journal = try await harness.open()
      let payloads: [[UInt8]] = [
        [], [0], [0, 0, 255, 254, 10, 13], Array(0...255), Array("NULL".utf8),
        [0xC3, 0x28, 0xED, 0xA0, 0x80], [UInt8](repeating: 7, count: 1 << 20),
      ]
      // A letter with a combining accent must not turn into the composed one.
      let stream: StreamID = "släng/e\u{301}'\"%_\\ 日本"
      _ = try await journal.append(
        transaction(stream, 0, payloads.map { NewEvent(kind: "käse'\"", payload: $0) }))
      let read = try await journal.events(of: stream, after: 0)
      try expect(read.map(\.payload), is: payloads, "payloads")
      for event in read {
        try expect(Array(event.kind.utf8), is: Array("käse'\"".utf8), "kind")
        try expect(
          Array(event.stream.rawValue.utf8), is: Array(stream.rawValue.utf8), "stream")
      }
      try expect(try await journal.verify().firstBroken, is: nil, "first broken event")
    },
    JournalCheck(name: "texts that could not be kept are refused") { harness in
      let journal = try await harness.open()
      for bad in ["", "a\0b"] {
        _ = try await refusal(journal, transaction(StreamID(bad), 0, [event("1")]))
        _ = try await refusal(journal, transaction("a", 0, [event("1", kind: bad)]))
        var row = transaction("a", 0, [])
        row.outbox = [outboxRow(bad)]
        _ = try await refusal(journal, row)
        row.outbox = []
        row.setTimers = [JournalTimer(name: bad, due: Instant(milliseconds: 1))]
        _ = try await refusal(journal, row)
      }
      try expect(try await journal.streams(prefix: ""), is: [], "streams")
    },
    JournalCheck(name: "a cancelled task still learns what became of its append") { harness in
      let journal = try await harness.open()
      let task = Task { () async throws -> [RecordedEvent] in
        withUnsafeCurrentTask { $0?.cancel() }
        return try await journal.append(transaction("a", 0, [event("1")]))
      }
      let appended = try await task.value
      try expect(appended, is: try await journal.events(of: "a", after: 0), "events")
      try expect(appended.count, is: 1, "number of events")
    },
  ]
}
