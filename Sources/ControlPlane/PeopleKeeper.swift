import ControlProtocol
import Ports
import ReleaseCalendar
import SegueModel

/// What people said about when something may start. Stream `people`.
enum PeopleEvent: Hashable, JournalEvent {
  case freezeOrdered(FreezeOrder)
  case freezeLifted(FreezeLift)
  /// For one commit only.
  case calendarOverridden(CommitOverride)
  case approvalSaid(Approval)
  case changeAdmitted(MilestoneAdmission)

  var kind: String {
    switch self {
    case .freezeOrdered: "freezeOrdered"
    case .freezeLifted: "freezeLifted"
    case .calendarOverridden: "calendarOverridden"
    case .approvalSaid: "approvalSaid"
    case .changeAdmitted: "changeAdmitted"
    }
  }
}

/// An override that somebody gave for one commit, which may not be built yet.
struct CommitOverride: Hashable, Codable, Sendable {
  var commit: CommitID
  var override: CalendarOverride
}

/// The sum of what people said.
struct PeopleState: Hashable, Sendable {
  /// How many of each are remembered; of more, the oldest go.
  static let limit = 5_000

  private(set) var book = FreezeBook()
  private(set) var overrides: [CommitOverride] = []
  private(set) var approvals: [Approval] = []
  private(set) var admitted: [Admitted] = []
  /// Grows with everything that is said.
  private(set) var version = 0

  /// When somebody let a release in past a milestone.
  struct Admitted: Hashable, Sendable {
    var admission: MilestoneAdmission
    var at: Instant
  }

  mutating func evolve(_ record: Recorded<PeopleEvent>) {
    version += 1
    switch record.event {
    case .freezeOrdered(let order): book.apply(order)
    case .freezeLifted(let lift): book.apply(lift)
    case .calendarOverridden(let override): Self.add(override, to: &overrides)
    case .approvalSaid(let approval): Self.add(approval, to: &approvals)
    case .changeAdmitted(let admission):
      Self.add(Admitted(admission: admission, at: record.at), to: &admitted)
    }
  }

  private static func add<Element>(_ element: Element, to list: inout [Element]) {
    list.append(element)
    if list.count > limit { list.removeFirst(list.count - limit) }
  }
}

/// Records what people say about when something may start, and tells everybody.
actor PeopleKeeper {
  private let world: Dependencies
  private let feed: FeedHub
  private let catalogue: ReleaseCatalogue
  private let gate = SerialGate()
  private var stream: TypedStream<PeopleEvent>
  private(set) var state = PeopleState()

  init(world: Dependencies, feed: FeedHub, catalogue: ReleaseCatalogue) {
    self.world = world
    self.feed = feed
    self.catalogue = catalogue
    stream = TypedStream(id: Streams.people, journal: world.journal)
  }

  func recover() async throws(PortError) {
    var reader = stream
    let history = try await reader.load()
    stream = reader
    for record in history { state.evolve(record) }
    if let last = history.last { await feed.advance(to: last.sequence) }
  }

  /// Records what `decide` makes of what was said before, and of this moment.
  /// - Returns: The event, once the journal has it.
  @discardableResult
  func record(
    _ decide: @Sendable (PeopleState, Instant) throws -> PeopleEvent
  ) async throws -> PeopleEvent {
    try await gate.withTurn {
      let now = world.time.now()
      let event = try decide(state, now)
      var writer = stream
      let records = try await writer.append([event], at: now)
      stream = writer
      for record in records {
        state.evolve(record)
        await feed.publish(FeedText.item(for: record, catalogue: catalogue))
      }
      return event
    }
  }
}
