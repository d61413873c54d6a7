public import SegueModel

/// One step of a rollout: so many instances of each release, and so much of the traffic.
///
/// Every strategy is a list of stages, made once when the rollout starts; one executor carries out
/// all of them, the way back included.
public struct Stage: Hashable, Codable, Sendable {
  /// What people read: `batch 2 of 3`, `switch`.
  public var name: String
  /// Ready instances of the incoming release when the traffic shifts.
  public var incoming: Int
  /// Instances of the outgoing release that stay in the table after the shift.
  public var outgoing: Int
  /// The incoming release's share after the shift.
  public var weight: Permille
  /// How long the outgoing instances that leave the table stay up; `nil`: they are stopped.
  public var keepOutgoing: Milliseconds?

  public init(
    name: String, incoming: Int, outgoing: Int, weight: Permille,
    keepOutgoing: Milliseconds? = nil
  ) {
    self.name = name
    self.incoming = incoming
    self.outgoing = outgoing
    self.weight = weight
    self.keepOutgoing = keepOutgoing
  }
}

/// Makes the stages of each strategy.
public enum StagePlan {
  /// The stages that take a service from `outgoing` running instances to the release's own number.
  public static func forward(to release: ServiceRelease, outgoing: Int) -> [Stage] {
    let count = release.spec.instances
    guard outgoing > 0 else {
      return [Stage(name: "first start", incoming: count, outgoing: 0, weight: .all)]
    }
    switch release.spec.strategy {
    case .rolling(let rolling):
      return self.rolling(incoming: count, outgoing: outgoing, rolling)
    case .blueGreen(let blueGreen):
      return [
        Stage(
          name: "switch", incoming: count, outgoing: 0, weight: .all,
          keepOutgoing: blueGreen.keepOld)
      ]
    }
  }

  /// To an earlier release, by a person's wish: full capacity first, then one swap.
  public static func rollback(to release: ServiceRelease) -> [Stage] {
    [Stage(name: "switch back", incoming: release.spec.instances, outgoing: 0, weight: .all)]
  }

  /// Back to where the rollout came from: the outgoing release to its full number, then one swap,
  /// then the incoming one is removed.
  public static func wayBack(to outgoing: ServiceRelease?) -> [Stage] {
    [
      Stage(
        name: "way back", incoming: 0, outgoing: outgoing?.spec.instances ?? 0, weight: .none)
    ]
  }

  /// Batches that never go above `target + maxSurge` nor below `target - maxUnavailable`.
  static func rolling(incoming target: Int, outgoing start: Int, _ knobs: RollingSpec) -> [Stage] {
    var pairs: [(new: Int, old: Int)] = []
    var new = 0
    var old = start
    while new < target || old > 0 {
      let room = target + knobs.maxSurge - (new + old)
      if new == target {
        old = 0
      } else if room > 0 {
        new += min(target - new, room)
        old = new == target ? 0 : min(old, target - new)
      } else {
        old -= min(old, max(1, new + old - (target - knobs.maxUnavailable)))
      }
      pairs.append((new, old))
    }
    return pairs.enumerated().map { index, pair in
      Stage(
        name: "batch \(index + 1) of \(pairs.count)", incoming: pair.new, outgoing: pair.old,
        weight: Permille(pair.new * 1_000 / max(pair.new + pair.old, 1)))
    }
  }
}
