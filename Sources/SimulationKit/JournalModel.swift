import RolloutEngine
import SegueModel

/// The journal of a simulated world: what is in here is on stable storage.
struct JournalModel {
  struct Record {
    var event: RolloutEvent
    var at: Instant
  }

  /// An effect that was recorded together with its event.
  struct Row {
    var effect: Effect
    var isDone = false
  }

  /// Everything since the beginning.
  private(set) var records: [Record] = []
  var rows: [Row] = []
  /// What the records say. Evolved from them one by one, and never from a decision.
  var replica: ServiceState

  init(key: ServiceKey) { replica = ServiceState(key: key) }

  var version: Int { records.count }

  mutating func append(_ event: RolloutEvent, at now: Instant) throws(IllegalEvent) {
    try replica.evolve(event, at: now)
    records.append(Record(event: event, at: now))
  }

  /// The state by replaying everything; `dropping` records from the end, for a planted defect.
  func replayed(dropping dropped: Int = 0) throws(IllegalEvent) -> ServiceState {
    var state = ServiceState(key: replica.key)
    for record in records.dropLast(dropped) { try state.evolve(record.event, at: record.at) }
    return state
  }
}

/// One control plane: a state of its own, and what it believes the journal's end to be.
struct ShellModel {
  let id: Int
  var state: ServiceState
  var version: Int
  /// When, by the wall clock, a deadline has to be looked at.
  var nextWake: Instant?
  /// When the look is planned, in virtual time.
  var plannedWake: Int64?
  /// Looks at a deadline that changed nothing, in a row.
  var idleWakes = 0
}
