public import SegueModel

/// What each user of an experiment has come to, and the sums of it.
///
/// Users are known by the hash of their sticky unit; what they are called is not kept. Whoever has a list
/// of names can still find out who of them is in it.
public struct UnitLedger: Sendable {
  /// One answer that a user got, and a goal that it reached.
  public struct Entry: Hashable, Sendable {
    public var unit: StickyUnit
    /// 0 for the control, 1 for the variant.
    public var arm: UInt8
    /// Index of the goal; `nil`: none.
    public var goal: UInt8?
    public var value: Double

    public init(unit: StickyUnit, arm: UInt8, goal: UInt8? = nil, value: Double = 0) {
      self.unit = unit
      self.arm = arm
      self.goal = goal
      self.value = value
    }
  }

  /// Users that are told apart; whoever comes later is not counted. So many decide any experiment that
  /// can be decided, and take at most about 50 MB.
  public static let unitLimit = 500_000

  public let target: ExperimentTarget
  public private(set) var report: ExperimentReport
  private let limit: Int
  private var places: [StickyUnit: UInt32] = [:]
  private var arms: [UInt8] = []
  /// A bit for each user that was answered by the other arm, too.
  private var hasCrossed: [Bool] = []
  /// For each user one value for each goal.
  private var values: [Double] = []

  public init(_ target: ExperimentTarget, limit: Int = unitLimit) {
    self.target = target
    self.limit = limit
    let nothing = [Double](repeating: 0, count: target.goals.count)
    report = ExperimentReport(
      rollout: target.rollout,
      arms: [target.control, target.variant].map {
        ExperimentReport.Arm(release: $0, sums: nothing, squares: nothing)
      })
  }

  public mutating func add(_ entry: Entry) {
    guard Int(entry.arm) < report.arms.count, let place = place(of: entry) else { return }
    guard let goal = entry.goal, Int(goal) < target.goals.count else { return }
    credit(place, goal: Int(goal), value: entry.value)
  }

  /// Counts answers that nobody could take down.
  public mutating func noteUncounted(_ count: Int) { report.uncounted += UInt64(max(0, count)) }
  public mutating func noteUnreadable() { report.unreadable += 1 }

  /// Counts a goal that somebody says a user has reached. Only users that were answered in the
  /// experiment count.
  public mutating func credit(_ reached: ReachedGoal) -> ReachedGoal.Fate {
    let index = target.goals.firstIndex { $0.name == reached.goal && $0.source == .posted }
    guard let index else { return .unknownGoal }
    guard let value = target.goals[index].value(reached.value) else { return .unreadableValue }
    guard let place = places[StickyUnit(reached.unit)] else { return .unknownUnit }
    credit(Int(place), goal: index, value: value)
    return .counted
  }

  private mutating func place(of entry: Entry) -> Int? {
    if let known = places[entry.unit] {
      let place = Int(known)
      if arms[place] != entry.arm, !hasCrossed[place] {
        hasCrossed[place] = true
        report.crossed += 1
      }
      return place
    }
    guard arms.count < limit else {
      report.uncounted += 1
      return nil
    }
    let place = arms.count
    places[entry.unit] = UInt32(place)
    append(arm: entry.arm, hasCrossed: false, values: repeatElement(0, count: target.goals.count))
    return place
  }

  private mutating func append(arm: UInt8, hasCrossed: Bool, values: some Collection<Double>) {
    arms.append(arm)
    self.hasCrossed.append(hasCrossed)
    self.values.append(contentsOf: values)
    report.arms[Int(arm)].units += 1
    if hasCrossed { report.crossed += 1 }
    for (goal, value) in values.enumerated() {
      report.arms[Int(arm)].sums[goal] += value
      report.arms[Int(arm)].squares[goal] += value * value
    }
  }

  private mutating func credit(_ place: Int, goal: Int, value: Double) {
    let index = place * target.goals.count + goal
    let before = values[index]
    let after: Double
    switch target.goals[goal].count {
    case .once: after = 1
    case .sum:
      // Bounded, so that no sum of squares ever leaves what a Double can hold.
      after = min(max(before + value, -Self.unitValueLimit), Self.unitValueLimit)
    }
    guard after != before else { return }
    values[index] = after
    let arm = Int(arms[place])
    report.arms[arm].sums[goal] += after - before
    report.arms[arm].squares[goal] += after * after - before * before
  }

  private static let unitValueLimit = 1e12

  // MARK: On disk

  private static let format: UInt8 = 1

  /// The users, for ``init(_:restoring:limit:)``. What was not counted is not kept.
  public var octets: [UInt8] {
    var octets: [UInt8] = [Self.format, UInt8(target.goals.count)]
    octets.reserveCapacity(2 + arms.count * (10 + 8 * target.goals.count))
    var units = [UInt64](repeating: 0, count: arms.count)
    for (unit, place) in places { units[Int(place)] = unit.hash }
    for place in arms.indices {
      Self.write(units[place], to: &octets)
      octets.append(arms[place])
      octets.append(hasCrossed[place] ? 1 : 0)
      for goal in 0..<target.goals.count {
        Self.write(values[place * target.goals.count + goal].bitPattern, to: &octets)
      }
    }
    return octets
  }

  /// Goes on from what ``octets`` were; `nil`: they are of no such ledger.
  public init?(_ target: ExperimentTarget, restoring octets: [UInt8], limit: Int = unitLimit) {
    self.init(target, limit: limit)
    let count = target.goals.count
    let size = 10 + 8 * count
    guard octets.count >= 2, octets[0] == Self.format, Int(octets[1]) == count,
      (octets.count - 2) % size == 0, (octets.count - 2) / size <= limit
    else { return nil }
    for start in stride(from: 2, to: octets.count, by: size) {
      let unit = StickyUnit(hash: Self.word(octets, at: start))
      let arm = octets[start + 8]
      let values = (0..<count).map { goal in
        Double(bitPattern: Self.word(octets, at: start + 10 + 8 * goal))
      }
      guard arm < 2, places[unit] == nil,
        values.allSatisfy({ $0.magnitude <= Self.unitValueLimit })
      else { return nil }
      places[unit] = UInt32(arms.count)
      append(arm: arm, hasCrossed: octets[start + 9] == 1, values: values)
    }
  }

  private static func write(_ word: UInt64, to octets: inout [UInt8]) {
    for shift in stride(from: 0 as UInt64, to: 64, by: 8) {
      octets.append(UInt8(truncatingIfNeeded: word >> shift))
    }
  }

  private static func word(_ octets: [UInt8], at start: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(octets[start + $1]) << UInt64(8 * $1) }
  }
}
