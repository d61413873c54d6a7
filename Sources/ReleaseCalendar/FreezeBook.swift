public import SegueModel

/// A freeze that somebody sets by a command, as the journal keeps it.
public struct FreezeOrder: Hashable, Codable, Sendable {
  public var id: FreezeID
  public var environments: EnvironmentChoice
  public var from: Instant
  /// `nil`: until somebody lifts it.
  public var until: Instant?
  public var reason: String
  public var by: PersonName
  public var at: Instant
  /// The zone by whose clock it was given, and is shown.
  public var zone: String

  public init(
    id: FreezeID, environments: EnvironmentChoice, from: Instant, until: Instant?, reason: String,
    by: PersonName, at: Instant, zone: String
  ) {
    self.id = id
    self.environments = environments
    self.from = from
    self.until = until
    self.reason = reason
    self.by = by
    self.at = at
    self.zone = zone
  }
}

/// Somebody's word that a freeze is over, as the journal keeps it.
public struct FreezeLift: Hashable, Codable, Sendable {
  public var id: FreezeID
  public var by: PersonName
  public var at: Instant

  public init(id: FreezeID, by: PersonName, at: Instant) {
    self.id = id
    self.by = by
    self.at = at
  }
}

/// Why the calendar does not do what a command asks for.
public struct CalendarRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  public var problem: String
  public var nextStep: String

  public init(_ problem: String, nextStep: String) {
    self.problem = problem
    self.nextStep = nextStep
  }

  public var description: String { "\(problem). \(nextStep)." }
}

/// The freezes that people set by commands, and what became of them.
///
/// Decides and evolves like everything in the core: ``order(environments:from:until:reason:by:at:zone:)``
/// and ``lift(_:by:at:configured:)`` give a record or refuse in words; once the journal has the
/// record, ``apply(_:)-(FreezeOrder)`` takes it in.
public struct FreezeBook: Hashable, Codable, Sendable {
  /// How many freezes may be set at once.
  public static let limit = 200
  /// How long a freeze that is over is remembered, for the feed: 400 days.
  public static let memory = RolloutCalendar.horizon

  /// A freeze and what became of it.
  public struct Entry: Hashable, Codable, Sendable {
    public var order: FreezeOrder
    public var lift: FreezeLift?

    /// When it ends, by its order or because it was lifted; `nil`: not yet known.
    public var end: Instant? {
      guard let lift else { return order.until }
      return min(lift.at, order.until ?? lift.at)
    }

    /// It was lifted before it began.
    public var isCancelled: Bool { lift.map { $0.at <= order.from } ?? false }
  }

  /// In the order in which they were set.
  public private(set) var entries: [Entry] = []
  /// How many were ever set; the next id comes from it.
  public private(set) var count = 0

  public init() {}

  /// Freezes that are not over at a moment.
  public func standing(at now: Instant) -> [Entry] {
    entries.filter { !$0.isCancelled && ($0.end.map { now < $0 } ?? true) }
  }

  /// What `segue freeze` records. Throws when it would forbid nothing, when nobody says why, and
  /// when there are too many already.
  public func order(
    environments: EnvironmentChoice, from: Instant, until: Instant?, reason: String,
    by: PersonName, at now: Instant, zone: TimeZoneRules
  ) throws(CalendarRefusal) -> FreezeOrder {
    guard reason.contains(where: { !$0.isWhitespace }) else {
      throw CalendarRefusal(
        "A freeze needs a reason, because everybody who is held up reads it",
        nextStep: "Add --reason \"why\"")
    }
    guard reason.utf8.count <= 500 else {
      throw CalendarRefusal(
        "The reason is longer than 500 octets", nextStep: "Say it in one sentence")
    }
    if let until {
      guard from < until else {
        throw CalendarRefusal(
          "The freeze would end at \(MomentText.full(until, in: zone)), before it begins",
          nextStep: "Give --until a later moment than --from")
      }
      guard now < until else {
        throw CalendarRefusal(
          "The freeze would have ended already, at \(MomentText.full(until, in: zone))",
          nextStep: "Give --until a moment that is still to come")
      }
    }
    guard standing(at: now).count < Self.limit else {
      throw CalendarRefusal(
        "\(Self.limit) freezes stand already",
        nextStep: "Lift some that are no longer needed: segue freeze --lift ID")
    }
    return FreezeOrder(
      id: FreezeID("freeze-\(count + 1)"), environments: environments, from: from, until: until,
      reason: reason, by: by, at: now, zone: zone.name)
  }

  /// What `segue freeze --lift ID` records. Throws when no such freeze stands.
  ///
  /// - Parameter configured: The ids of the freezes in `segue.yaml`, which only an edit lifts.
  public func lift(
    _ id: FreezeID, by: PersonName, at now: Instant, configured: some Sequence<FreezeID> = []
  ) throws(CalendarRefusal) -> FreezeLift {
    if let entry = entries.last(where: { $0.order.id == id }) {
      if let lift = entry.lift {
        throw CalendarRefusal(
          "\(id) was lifted by \(lift.by) already", nextStep: "There is nothing left to do")
      }
      if let end = entry.end, end <= now {
        throw CalendarRefusal(
          "\(id) has ended by itself", nextStep: "There is nothing left to do")
      }
      return FreezeLift(id: id, by: by, at: now)
    }
    if configured.contains(id) {
      throw CalendarRefusal(
        "\(id) stands in segue.yaml",
        nextStep: "Take it out there, or go once in spite of it: segue deploy --override \"reason\""
      )
    }
    let ids = standing(at: now).map(\.order.id.rawValue)
    throw CalendarRefusal(
      "There is no freeze \(id)",
      nextStep: ids.isEmpty
        ? "None is set by a command; `segue calendar` shows what holds"
        : "There \(ids.count == 1 ? "is" : "are") \(Wording.list(ids.suffix(5), "and"))")
  }

  /// Takes in a freeze, and forgets what ended long before it.
  public mutating func apply(_ order: FreezeOrder) {
    entries.removeAll { $0.end.map { $0.bounded + Self.memory < order.at.bounded } ?? false }
    entries.append(Entry(order: order))
    count += 1
  }

  /// Takes in that a freeze was lifted; of one that is not there nothing is kept.
  public mutating func apply(_ lift: FreezeLift) {
    guard let index = entries.lastIndex(where: { $0.order.id == lift.id }) else { return }
    entries[index].lift = lift
  }
}

extension RolloutCalendar {
  /// Adds the freezes that people set by commands.
  ///
  /// A freeze holds also where its zone's file is gone; it is then shown in UTC.
  public mutating func add(_ book: FreezeBook, zones: ZoneLibrary) {
    var known: [String: TimeZoneRules] = [:]
    for entry in book.entries where !entry.isCancelled {
      let order = entry.order
      let zone = known[order.zone] ?? (try? zones.rules(named: order.zone)) ?? .utc
      known[order.zone] = zone
      freezes.append(
        Freeze(
          id: order.id, environments: order.environments,
          pattern: TimePattern(from: order.from, until: entry.end, zone: zone),
          reason: order.reason, setBy: order.by))
    }
  }
}
