import Foundation
import Glibc
import Ports
import ReceiverProcess
import SegueModel
import Testing
import WebhookSigning

@testable import Notifications

private let key = "whsec_c2VndWUtc2VndWUtc2VndWUtc2VndWUtc2VndWU="

private func address(_ receiver: Receiver, _ path: String = "/hook") throws -> WebhookAddress {
  try WebhookAddress(Secret("http://127.0.0.1:\(receiver.port)\(path)"))
}

/// Runs a dispatcher for as long as `body` takes.
private func dispatching(
  _ channels: [NotificationChannel], from store: any NoticeStore,
  time: any TimeSource = HastyTime(),
  _ body: (NotificationDispatcher) async throws -> Void
) async throws {
  let dispatcher = NotificationDispatcher(channels: channels, store: store, time: time)
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { await dispatcher.run() }
    try await body(dispatcher)
    group.cancelAll()
  }
}

private func withClient(
  time: any TimeSource = RealTime(), deadline: Milliseconds = .seconds(60),
  _ body: (WebhookClient) async throws -> Void
) async throws {
  let client = WebhookClient(time: time, deadline: deadline)
  let result: Result<Void, any Error>
  do { result = .success(try await body(client)) } catch { result = .failure(error) }
  await client.shutdown()
  try result.get()
}

@Test func nothingIsLostWhateverTheReceiverDoes() async throws {
  let behaviours = [
    "500", "drop", "ok", "429:1", "lose", "503", "slow", "404", "drop", "ok", "302", "500", "lose",
  ]
  try await Receiver.with("webhook-receiver.py", [key] + behaviours) { receiver in
    try await withClient { client in
      let store = MemoryStore()
      let channel = NotificationChannel(
        name: "signed",
        sender: SignedWebhookSender(
          to: try address(receiver), signature: try WebhookSignature([Secret(key)]),
          client: client))
      try await dispatching([channel], from: store) { dispatcher in
        for number in 1...12 {
          store.add([notice(number)])
          dispatcher.wake()
          try await eventually("notice \(number) is delivered") {
            store.delivered(on: "signed").contains(Int64(number))
          }
        }
      }
      #expect(store.delivered(on: "signed") == Array(1...12))
      #expect(receiver.lines.allSatisfy { $0.verified == true })
      // Doubled is only what was accepted without an answer, and its id is the same.
      let ids = receiver.accepted.compactMap(\.id)
      var seen: Set<String> = []
      let unique = ids.filter { seen.insert($0).inserted }
      #expect(unique == (1...12).map { "n-\($0)" })
      #expect(ids.count == 12 + receiver.lines.count { $0.behaviour == "lose" })
      #expect(receiver.faults == [])
    }
  }
}

@Test func aDeadChannelHoldsUpNobody() async throws {
  try await Receiver.with("webhook-receiver.py", ["-", "hang", "hang", "hang"]) { dead in
    try await Receiver.with("webhook-receiver.py", ["-"]) { alive in
      try await withClient(deadline: .seconds(60)) { client in
        let store = MemoryStore((1...3).map { notice($0) })
        let channels = [
          NotificationChannel(
            name: "dead", sender: SlackSender(to: try address(dead), client: client)),
          NotificationChannel(
            name: "alive", sender: SlackSender(to: try address(alive), client: client)),
        ]
        try await dispatching(channels, from: store) { dispatcher in
          try await eventually("the other channel is served") {
            store.delivered(on: "alive") == [1, 2, 3] && dead.lines.count == 1
          }
          #expect(store.delivered(on: "dead") == [])
        }
      }
    }
  }
}

@Test func aFloodBecomesADigestAndTheReceiverHearsOfAll() async throws {
  try await Receiver.with("webhook-receiver.py", [key, "500"]) { receiver in
    try await withClient { client in
      let store = MemoryStore((1...2_000).map { notice($0) })
      let channel = NotificationChannel(
        name: "signed",
        sender: SignedWebhookSender(
          to: try address(receiver), signature: try WebhookSignature([Secret(key)]),
          client: client))
      try await dispatching([channel], from: store, time: JumpingTime()) { dispatcher in
        try await eventually("all are delivered") {
          store.delivered(on: "signed").count == 2_000
        }
      }
      #expect(receiver.accepted.count == 40)
      #expect(receiver.accepted.flatMap(\.notices) == (1...2_000).map { "n-\($0)" })
    }
  }
}

@Test func aStoreThatIsBusyDelaysAndLosesNothing() async throws {
  try await Receiver.with("webhook-receiver.py", ["-"]) { receiver in
    try await withClient { client in
      let store = MemoryStore((1...3).map { notice($0) })
      store.refuse(3)
      let channel = NotificationChannel(
        name: "chat", sender: SlackSender(to: try address(receiver), client: client))
      try await dispatching([channel], from: store) { dispatcher in
        try await eventually("all are delivered") {
          store.delivered(on: "chat") == [1, 2, 3]
        }
      }
      #expect(receiver.accepted.count == 3)
    }
  }
}

@Test func aReceiverThatWantsNothingAnyMoreIsLeftAlone() async throws {
  try await Receiver.with("webhook-receiver.py", ["-", "ok", "410"]) { receiver in
    try await withClient { client in
      let store = MemoryStore((1...3).map { notice($0) })
      let channel = NotificationChannel(
        name: "chat", sender: SlackSender(to: try address(receiver), client: client))
      try await dispatching([channel], from: store) { dispatcher in
        try await eventually("all are settled") { store.failed(on: "chat").count == 2 }
        #expect(dispatcher.health["chat"]?.givenUp == 2)
      }
      #expect(store.delivered(on: "chat") == [1])
      #expect(
        store.failed(on: "chat")[3]
          == "it answered 410 (not_now): it takes nothing any more")
      #expect(receiver.lines.count == 2)
    }
  }
}

/// A directory as a store: what was delivered is a file each, so that it survives a killed sender.
private struct DirectoryStore: NoticeStore {
  var directory: String
  var count: Int
  /// The process kills itself when it is to record this one: its receiver has it, and no store knows.
  var fatal: Int64?

  func isSettled(_ sequence: Int64) -> Bool {
    FileManager.default.fileExists(atPath: "\(directory)/\(sequence)")
  }

  func pending(
    on channel: ChannelName, after sequence: Int64, limit: Int
  ) async throws(PortError) -> [PendingNotice] {
    Array(
      (1...count).map { notice($0) }
        .filter { $0.sequence > sequence && !isSettled($0.sequence) }.prefix(limit))
  }

  func delivered(_ sequences: [Int64], on channel: ChannelName) async throws(PortError) {
    if let fatal, sequences.contains(fatal) { kill(getpid(), SIGKILL) }
    for sequence in sequences {
      _ = FileManager.default.createFile(atPath: "\(directory)/\(sequence)", contents: nil)
    }
  }

  func failed(
    _ sequences: [Int64], on channel: ChannelName, reason: String
  ) async throws(PortError) {}
}

@Test func aKilledSenderLosesNothingAndDoublesOnlyWhatWasNotRecorded() async throws {
  let directory = NSTemporaryDirectory() + "segue-notices-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  try await Receiver.with("webhook-receiver.py", [key, "500"]) { receiver in
    let port = receiver.port
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [directory = directory as String, port = port as Int] in
      try await deliver(DirectoryStore(directory: directory, count: 6, fatal: 3), port: port)
    }
    #expect(receiver.accepted.map(\.id) == ["n-1", "n-2", "n-3"])
    let store = DirectoryStore(directory: directory, count: 6)
    #expect([1, 2].allSatisfy { store.isSettled($0) } && !store.isSettled(3))
    try await deliver(store, port: port)
    #expect(
      receiver.accepted.map(\.id)
        == ["n-1", "n-2", "n-3", "n-3", "n-4", "n-5", "n-6"])
    #expect(receiver.lines.allSatisfy { $0.verified == true })
  }
}

/// Delivers one by one until all is settled.
private func deliver(_ store: DirectoryStore, port: Int) async throws {
  try await withClient { client in
    var limits = ChannelQueue.Limits()
    limits.single = 10
    let channel = NotificationChannel(
      name: "signed", limits: limits,
      sender: SignedWebhookSender(
        to: try WebhookAddress(Secret("http://127.0.0.1:\(port)/hook")),
        signature: try WebhookSignature([Secret(key)]), client: client))
    try await dispatching([channel], from: store) { _ in
      try await eventually("all are delivered") {
        (1...store.count).allSatisfy { store.isSettled(Int64($0)) }
      }
    }
  }
}

/// A clock that is where it is waited for, so that minutes pass in no time.
private final class JumpingTime: TimeSource {
  private let offset = OffsetBox()
  func now() -> Instant { RealTime().now() + offset.value }
  func sleep(for span: Milliseconds) async throws {
    let deadline = Duration.milliseconds(1)
    try await Task.sleep(for: deadline)
    offset.advance(span)
  }
}
