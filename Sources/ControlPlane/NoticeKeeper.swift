import Logging
import Ports
import SegueModel

/// What was promised to channels, and what became of it. Stream `notices`.
enum NoticeEvent: Hashable, JournalEvent {
  /// `source`: the event that it tells of; everything up to that one was looked at.
  case noticePromised(notice: Notice, channels: [ChannelName], source: Int64)
  case noticesDelivered(channel: ChannelName, sequences: [Int64])
  case noticesFailed(channel: ChannelName, sequences: [Int64], reason: String)
  /// Nothing up to this event is left to be told.
  case journalRead(upTo: Int64)

  var kind: String {
    switch self {
    case .noticePromised: "noticePromised"
    case .noticesDelivered: "noticesDelivered"
    case .noticesFailed: "noticesFailed"
    case .journalRead: "journalRead"
    }
  }
}

/// Reads the journal behind everybody else and promises notices of what it finds to the channels of
/// the newest release's `segue.yaml`.
///
/// An event that is recorded is told at some time: the place that was read up to is in the journal
/// too, together with the promise, so that a control plane that dies loses no notice and promises none
/// twice. Nobody waits for it.
actor NoticeKeeper: NoticeStore {
  /// Events that are read at once.
  static let page = 500
  /// Notices that wait on one channel; the oldest are given up for newer ones.
  static let waitingLimit = 1_000
  /// Events that are read again after a restart when none of them was to be told.
  private static let unmarked: Int64 = 2_000

  private let world: Dependencies
  private let catalogue: ReleaseCatalogue
  private let gate = SerialGate()
  private var stream: TypedStream<NoticeEvent>
  private var scribe: NoticeScribe
  /// The last event that was looked at, and the last one that the journal says so of.
  private var read: Int64 = 0
  private var marked: Int64 = 0
  private var waiting: [ChannelName: [PendingNotice]] = [:]

  init(world: Dependencies, catalogue: ReleaseCatalogue) {
    self.world = world
    self.catalogue = catalogue
    stream = TypedStream(id: Streams.notices, journal: world.journal)
    scribe = NoticeScribe(journal: world.journal)
  }

  func recover() async throws(PortError) {
    var reader = stream
    for record in try await reader.load() { apply(record) }
    stream = reader
    read = marked
    var beginner = scribe
    try await beginner.begin(after: read, catalogue)
    scribe = beginner
  }

  private func apply(_ record: Recorded<NoticeEvent>) {
    switch record.event {
    case .noticePromised(let notice, let channels, let source):
      for channel in channels {
        waiting[channel, default: []].append(
          PendingNotice(sequence: record.sequence, notice: notice))
      }
      marked = max(marked, source)
    case .noticesDelivered(let channel, let sequences),
      .noticesFailed(let channel, let sequences, _):
      let gone = Set(sequences)
      waiting[channel]?.removeAll { gone.contains($0.sequence) }
      if waiting[channel]?.isEmpty == true { waiting[channel] = nil }
    case .journalRead(let upTo): marked = max(marked, upTo)
    }
  }

  private func append(_ events: [NoticeEvent]) async throws(PortError) {
    guard !events.isEmpty else { return }
    try await gate.withTurn { () async throws(PortError) in
      var writer = stream
      let records = try await writer.append(events, at: world.time.now())
      stream = writer
      for record in records { apply(record) }
    }
  }

  // MARK: Promising

  /// Who is to be told, by the newest release; `nil` while there is none.
  var wishes: OutreachWishes? { scribe.wishes }

  /// Looks at what was recorded since the last time.
  ///
  /// - Returns: whether anything was promised.
  func catchUp() async throws(PortError) -> Bool {
    var hasPromised = false
    while !Task.isCancelled {
      let records = try await world.journal.events(after: read, limit: Self.page)
      guard let last = records.last else { break }
      var next = scribe
      var promises: [NoticeEvent] = []
      for record in records where record.stream != Streams.notices {
        guard let notice = try await next.notice(of: record, catalogue) else { continue }
        let channels = next.channels(for: notice)
        guard !channels.isEmpty else { continue }
        promises.append(
          .noticePromised(notice: notice, channels: channels, source: record.sequence))
      }
      if promises.isEmpty, last.sequence - marked > Self.unmarked {
        promises.append(.journalRead(upTo: last.sequence))
      }
      try await append(promises)
      (scribe, read) = (next, last.sequence)
      hasPromised = hasPromised || !promises.isEmpty
      try await giveUpTheOldest()
    }
    return hasPromised
  }

  private func giveUpTheOldest() async throws(PortError) {
    for (channel, notices) in waiting.sorted(by: { $0.key < $1.key })
    where notices.count > Self.waitingLimit {
      let oldest = notices.prefix(notices.count - Self.waitingLimit).map(\.sequence)
      try await failed(oldest, on: channel, reason: "too many were waiting")
    }
  }

  /// Gives up what nobody will ask for any more, because `segue.yaml` has no such channel now.
  func forget(allBut channels: Set<ChannelName>) async throws(PortError) {
    for (channel, notices) in waiting.sorted(by: { $0.key < $1.key })
    where !channels.contains(channel) {
      try await failed(
        notices.map(\.sequence), on: channel, reason: "segue.yaml has no such channel any more")
    }
  }

  // MARK: Delivering

  func pending(
    on channel: ChannelName, after sequence: Int64, limit: Int
  ) async throws(PortError) -> [PendingNotice] {
    Array((waiting[channel] ?? []).lazy.filter { $0.sequence > sequence }.prefix(max(limit, 0)))
  }

  func delivered(_ sequences: [Int64], on channel: ChannelName) async throws(PortError) {
    try await append([.noticesDelivered(channel: channel, sequences: sequences)])
  }

  func failed(
    _ sequences: [Int64], on channel: ChannelName, reason: String
  ) async throws(PortError) {
    world.logger.warning(
      "notices were given up",
      metadata: [
        "channel": "\(channel)", "count": "\(sequences.count)", "reason": "\(reason)",
      ])
    try await append([.noticesFailed(channel: channel, sequences: sequences, reason: reason)])
  }
}
