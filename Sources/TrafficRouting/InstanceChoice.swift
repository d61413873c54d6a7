public import SegueModel

/// A small, fast source of randomness for load balancing (xorshift64*, Vigna 2016). Never for secrets.
public struct FastRandom: Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = Avalanche.mix(seed) | 1 }

  /// 64 bits.
  @inline(__always)
  public mutating func word() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }

  @inline(__always)
  public mutating func next(below bound: Int) -> Int {
    Int(word().multipliedFullWidth(by: UInt64(bound)).high)
  }
}

/// What the choice of an instance looks at.
public struct InstanceStanding: Hashable, Sendable {
  public var inFlight: Int
  /// It refused a connection a moment ago: taken only when no other is left.
  public var isPenalised: Bool
  /// This very request has already failed there.
  public var isTried: Bool
  /// How far it has been warmed up: it is passed over as often as it is cold.
  public var warmth: Permille

  public init(
    inFlight: Int = 0, isPenalised: Bool = false, isTried: Bool = false, warmth: Permille = .all
  ) {
    self.inFlight = inFlight
    self.isPenalised = isPenalised
    self.isTried = isTried
    self.warmth = warmth
  }
}

public enum InstanceChoice {
  /// The better of two instances taken at random (power of two choices, Mitzenmacher 2001); one that
  /// failed lately only when nothing else is left, and one already tried never.
  ///
  /// One that is not yet warm is drawn a second time with the probability of its coldness, so that its
  /// share grows with its warmth; when all are equally cold that changes nothing.
  ///
  /// - Returns: `nil` when every instance has been tried.
  public static func choose(
    count: Int, random: inout FastRandom, standing: (Int) -> InstanceStanding
  ) -> Int? {
    guard count > 0 else { return nil }
    if count == 1 { return standing(0).isTried ? nil : 0 }
    var first = random.next(below: count)
    var one = standing(first)
    if one.warmth < .all, random.next(below: 1_000) >= one.warmth.value {
      first = random.next(below: count)
      one = standing(first)
    }
    var second = random.next(below: count - 1)
    if second >= first { second += 1 }
    let other = standing(second)
    if other.warmth < one.warmth, random.next(below: 1_000) >= other.warmth.value {
      return one.isTried || one.isPenalised
        ? best(count: count, from: first, standing: standing) : first
    }
    if !one.isTried, !one.isPenalised, !other.isTried, !other.isPenalised {
      return other.inFlight < one.inFlight ? second : first
    }
    return best(count: count, from: first, standing: standing)
  }

  /// The least loaded of all, beginning at a random place so that ties do not gather on the first.
  private static func best(
    count: Int, from start: Int, standing: (Int) -> InstanceStanding
  ) -> Int? {
    var best: Int?
    var bestStanding = InstanceStanding()
    for step in 0..<count {
      let index = (start + step) % count
      let candidate = standing(index)
      guard !candidate.isTried else { continue }
      let isBetter =
        best == nil || (bestStanding.isPenalised && !candidate.isPenalised)
        || (bestStanding.isPenalised == candidate.isPenalised
          && candidate.inFlight < bestStanding.inFlight)
      if isBetter {
        best = index
        bestStanding = candidate
      }
    }
    return best
  }
}
