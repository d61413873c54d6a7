import Ports
import SegueModel

extension JournalContract {
  static let outboxChecks: [JournalCheck] = [
    JournalCheck(name: "the outbox gives back what is not done, oldest first") { harness in
      let journal = try await harness.open()
      var first = transaction("a", 0, [event("1")])
      first.outbox = [outboxRow("z"), outboxRow("y")]
      _ = try await journal.append(first)
      var second = transaction("b", 0, [event("2")])
      second.outbox = [outboxRow("x", stream: "b")]
      second.completedOutbox = ["z"]
      _ = try await journal.append(second)
      try expect(
        try await journal.pendingOutbox(), is: [outboxRow("y"), outboxRow("x", stream: "b")],
        "outbox")
    },
    JournalCheck(name: "a row may be done in the transaction that makes it") { harness in
      let journal = try await harness.open()
      var both = transaction("a", 0, [event("1")])
      both.outbox = [outboxRow("x"), outboxRow("y")]
      both.completedOutbox = ["x"]
      _ = try await journal.append(both)
      try expect(try await journal.pendingOutbox(), is: [outboxRow("y")], "outbox")
    },
    JournalCheck(name: "a row is done once and for all; its id is never free again") { harness in
      let journal = try await harness.open()
      var make = transaction("a", 0, [event("1")])
      make.outbox = [outboxRow("x")]
      _ = try await journal.append(make)
      var complete = transaction("a", 1, [])
      complete.completedOutbox = ["x"]
      _ = try await journal.append(complete)
      _ = try await journal.append(complete)
      make.expectedVersion = 1
      _ = try await refusal(journal, make)
      try expect(try await journal.pendingOutbox(), is: [], "outbox")
    },
    JournalCheck(name: "a row that never was cannot be done") { harness in
      let journal = try await harness.open()
      var complete = transaction("a", 0, [event("1")])
      complete.completedOutbox = ["x"]
      let error = try await refusal(journal, complete)
      try expect(error.fault, is: .segue, "fault")
      try expect(try await journal.events(of: "a", after: 0), is: [], "events")
    },
  ]

  static let timerChecks: [JournalCheck] = [
    JournalCheck(name: "timers are set, moved and cleared; earliest first") { harness in
      let journal = try await harness.open()
      func timer(_ name: String, _ due: Int64) -> JournalTimer {
        JournalTimer(name: name, due: Instant(milliseconds: due))
      }
      var step = transaction("a", 0, [])
      step.setTimers = [timer("late", 30), timer("early", 10), timer("b", 20), timer("a", 20)]
      _ = try await journal.append(step)
      try expect(
        try await journal.timers(),
        is: [timer("early", 10), timer("a", 20), timer("b", 20), timer("late", 30)], "timers")
      step.setTimers = [timer("early", 40), timer("a", 5)]
      step.clearedTimers = ["b", "a", "unknown"]
      _ = try await journal.append(step)
      try expect(
        try await journal.timers(), is: [timer("a", 5), timer("late", 30), timer("early", 40)],
        "timers")
    }
  ]

  static let readingChecks: [JournalCheck] = [
    JournalCheck(name: "a stream is read after a version") { harness in
      let journal = try await harness.open()
      _ = try await journal.append(
        transaction("a", 0, (1...5).map { event("\($0)") }))
      _ = try await journal.append(transaction("ab", 0, [event("6")]))
      try expect(
        try await journal.events(of: "a", after: 3).map(\.version), is: [4, 5], "versions")
      try expect(try await journal.events(of: "a", after: 5), is: [], "events after the last")
      try expect(try await journal.events(of: "none", after: 0), is: [], "events of no stream")
    },
    JournalCheck(name: "the journal is read in pages") { harness in
      let journal = try await harness.open()
      for stream: StreamID in ["a", "b", "c"] {
        _ = try await journal.append(transaction(stream, 0, (1...7).map { event("\($0)") }))
      }
      var pages: [[Int64]] = []
      var last: Int64 = 0
      while true {
        let page = try await journal.events(after: last, limit: 8).map(\.sequence)
        guard let end = page.last else { break }
        pages.append(page)
        last = end
      }
      try expect(pages, is: [Array(1...8), Array(9...16), Array(17...21)], "pages")
      try expect(try await journal.events(after: 0, limit: 0), is: [], "a limit of nothing")
      try expect(try await journal.events(after: 0, limit: -1), is: [], "a negative limit")
    },
    JournalCheck(name: "streams are listed by prefix, sorted, wildcards taken literally") {
      harness in
      let journal = try await harness.open()
      let names: [StreamID] = [
        "service/staging/web", "service/production/web", "service/production/api", "services",
        "pipeline/1", "service%", "service_x", "Service/a",
      ]
      for name in names {
        _ = try await journal.append(transaction(name, 0, [event("1"), event("2")]))
      }
      try expect(
        try await journal.streams(prefix: "service/"),
        is: ["service/production/api", "service/production/web", "service/staging/web"], "service/")
      try expect(try await journal.streams(prefix: "service%"), is: ["service%"], "service%")
      try expect(try await journal.streams(prefix: "service_"), is: ["service_x"], "service_")
      try expect(try await journal.streams(prefix: "services"), is: ["services"], "services")
      try expect(try await journal.streams(prefix: "zzz"), is: [], "zzz")
      try expect(try await journal.streams(prefix: ""), is: names.sorted(), "everything")
    },
    JournalCheck(name: "a snapshot is kept, replaced by a later one, and never by an earlier") {
      harness in
      let journal = try await harness.open()
      func snapshot(_ version: Int64, _ payload: [UInt8]) -> JournalSnapshot {
        JournalSnapshot(stream: "a", version: version, schema: 2, payload: payload)
      }
      try expect(try await journal.snapshot(of: "a"), is: nil, "no snapshot")
      _ = try await journal.append(transaction("a", 0, (1...3).map { event("\($0)") }))
      try await journal.saveSnapshot(snapshot(2, [0, 255]))
      try expect(try await journal.snapshot(of: "a"), is: snapshot(2, [0, 255]), "snapshot")
      try await journal.saveSnapshot(snapshot(3, []))
      try await journal.saveSnapshot(snapshot(1, [9]))
      try expect(try await journal.snapshot(of: "a"), is: snapshot(3, []), "snapshot")
      try expect(try await journal.snapshot(of: "b"), is: nil, "another stream's snapshot")
    },
    JournalCheck(name: "a snapshot of a version that is not there is refused") { harness in
      let journal = try await harness.open()
      _ = try await journal.append(transaction("a", 0, [event("1")]))
      for (stream, version) in [("a", 2), ("a", 0), ("b", 0), ("b", 1)] as [(StreamID, Int64)] {
        do {
          try await journal.saveSnapshot(
            JournalSnapshot(stream: stream, version: version, schema: 1, payload: []))
        } catch {
          continue
        }
        throw ContractFailure(description: "accepted a snapshot of \(stream) at \(version)")
      }
    },
  ]

  static let durabilityChecks: [JournalCheck] = [
    JournalCheck(name: "everything is there after it was opened again") { harness in
      let journal = try await harness.open()
      var all = transaction("a", 0, [event("1"), event("2")])
      all.outbox = [outboxRow("x"), outboxRow("y")]
      all.setTimers = [JournalTimer(name: "t", due: Instant(milliseconds: 9))]
      _ = try await journal.append(all)
      let snapshot = JournalSnapshot(stream: "a", version: 1, schema: 1, payload: [1, 2])
      try await journal.saveSnapshot(snapshot)
      let before = try await Contents(journal)

      let again = try await harness.open()
      try expect(try await Contents(again), is: before, "contents")
      try expect(try await again.snapshot(of: "a"), is: snapshot, "snapshot")
      let next = try await again.append(transaction("a", 2, [event("3")]))
      try expect(next.map(\.sequence), is: [3], "the next sequence")
      try expect(try await again.verify().firstBroken, is: nil, "first broken event")
    },
    JournalCheck(name: "ten thousand events are replayed as they were written") { harness in
      let journal = try await harness.open()
      for batch in 0..<100 {
        let stream = StreamID("stream/\(batch % 4)")
        _ = try await journal.append(
          transaction(
            stream, Int64(batch / 4 * 100), (0..<100).map { event("\(batch)-\($0)") },
            at: Int64(batch)))
      }
      let reopened = try await harness.open()
      var last: Int64 = 0
      while true {
        let page = try await reopened.events(after: last, limit: 1_000)
        guard let end = page.last else { break }
        for found in page {
          let (batch, index) = (Int(found.sequence - 1) / 100, Int(found.sequence - 1) % 100)
          try expect(found.payload, is: event("\(batch)-\(index)").payload, "payload")
          try expect(found.version, is: Int64(batch / 4 * 100 + index + 1), "version")
        }
        last = end.sequence
      }
      try expect(last, is: 10_000, "last sequence")
      let verification = try await reopened.verify()
      try expect(verification.events, is: 10_000, "events verified")
      try expect(verification.firstBroken, is: nil, "first broken event")
      try expect(verification.head.utf8.count, is: 64, "digits of the head")
    },
    JournalCheck(name: "the head depends on every event and on nothing else") { harness in
      let journal = try await harness.open()
      let empty = try await journal.verify().head
      _ = try await journal.append(transaction("a", 0, [event("1")]))
      let one = try await journal.verify().head
      var rest = transaction("a", 1, [])
      rest.outbox = [outboxRow("x")]
      _ = try await journal.append(rest)
      try expect(try await journal.verify().head, is: one, "head after an outbox row")
      _ = try await journal.append(transaction("a", 1, [event("1")]))
      let two = try await journal.verify().head
      try expect(Set([empty, one, two]).count, is: 3, "different heads")
    },
  ]
}
