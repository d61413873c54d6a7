public import SegueModel

/// One step of a rollout: so many instances of each release, and so much of the traffic.
///
/// Every strategy is a list of stages, made once when the rollout starts; one executor carries out
/// all of them, the way back included.
public struct Stage: Hashable, Codable, Sendable {
  /// What people read: `batch 2 of 3`, `switch`, `5%`.
  public var name: String
  /// Ready instances of the incoming release when the traffic shifts.
  public var incoming: Int
  /// Instances of the outgoing release that stay in the table after the shift.
  public var outgoing: Int
  /// The incoming release's share after the shift.
  public var weight: Permille
  /// How long the outgoing instances that leave the table stay up; `nil`: they are stopped.
  public var keepOutgoing: Milliseconds?
  /// What is waited for before the next stage, once the traffic has moved; `nil`: nothing.
  public var hold: HoldSpec?
  /// How requests come to the incoming release beside its share.
  public var side: SideRole?
  /// Nobody serves after the shift: the router holds requests for so long.
  public var holdLimit: Milliseconds?

  public init(
    name: String, incoming: Int, outgoing: Int, weight: Permille,
    keepOutgoing: Milliseconds? = nil, hold: HoldSpec? = nil, side: SideRole? = nil,
    holdLimit: Milliseconds? = nil
  ) {
    self.name = name
    self.incoming = incoming
    self.outgoing = outgoing
    self.weight = weight
    self.keepOutgoing = keepOutgoing
    self.hold = hold
    self.side = side
    self.holdLimit = holdLimit
  }
}

/// Makes the stages of each strategy.
public enum StagePlan {
  /// The stages that take a service from `outgoing` running instances to the release's own number.
  ///
  /// - Parameter from: The release that those instances are of: when that cannot run twice, or the
  ///   new one, they go first, whatever the strategy.
  public static func forward(
    to release: ServiceRelease, outgoing: Int, from: ServiceRelease? = nil
  ) -> [Stage] {
    let count = release.spec.instances
    if let from, let recreate = exclusive(release) ?? exclusive(from) {
      return self.recreate(incoming: count, recreate)
    }
    guard outgoing > 0 else {
      return [Stage(name: "first start", incoming: count, outgoing: 0, weight: .all)]
    }
    switch release.spec.strategy {
    case .rolling(let rolling):
      return self.rolling(incoming: count, outgoing: outgoing, rolling)
    case .blueGreen(let blueGreen):
      return self.blueGreen(incoming: count, outgoing: outgoing, blueGreen)
    case .canary(let canary):
      return self.canary(incoming: count, outgoing: outgoing, canary)
    case .ab(let ab):
      return self.ab(incoming: count, outgoing: outgoing, ab)
    case .shadow(let shadow):
      return [
        Stage(
          name: "shadow", incoming: count, outgoing: outgoing, weight: .none, hold: shadow.hold,
          side: .mirror(shadow.mirror)),
        takeOver("switch", count, keepOld: .zero),
      ]
    case .recreate(let recreate):
      return self.recreate(incoming: count, recreate)
    }
  }

  /// To an earlier release, by a person's wish: full capacity first, then one swap. What cannot run
  /// twice is stopped first on this way, too.
  public static func rollback(to release: ServiceRelease, from live: ServiceRelease) -> [Stage] {
    if let recreate = exclusive(live) ?? exclusive(release) {
      return self.recreate(incoming: release.spec.instances, recreate)
    }
    return [Stage(name: "switch back", incoming: release.spec.instances, outgoing: 0, weight: .all)]
  }

  /// Back to where the rollout came from: the outgoing release to its full number, then one swap,
  /// then the incoming one is removed. What cannot run twice is removed first, while requests are held.
  ///
  /// - Parameter incomingRuns: Instances of the release that is taken back exist.
  public static func wayBack(
    to outgoing: ServiceRelease?, from incoming: ServiceRelease, incomingRuns: Bool
  ) -> [Stage] {
    let restore = Stage(
      name: "way back", incoming: 0, outgoing: outgoing?.spec.instances ?? 0, weight: .none)
    guard incomingRuns, let outgoing, let recreate = exclusive(incoming) ?? exclusive(outgoing)
    else { return [restore] }
    let stop = Stage(
      name: "stop again", incoming: 0, outgoing: 0, weight: .none, holdLimit: recreate.holdLimit)
    return [stop, restore]
  }

  /// How a release is replaced that must never run beside another one; `nil`: it may.
  static func exclusive(_ release: ServiceRelease) -> RecreateSpec? {
    if case .recreate(let recreate) = release.spec.strategy { recreate } else { nil }
  }

  /// The last stage of every strategy that had both releases side by side.
  private static func takeOver(_ name: String, _ count: Int, keepOld: Milliseconds) -> Stage {
    Stage(
      name: name, incoming: count, outgoing: 0, weight: .all,
      keepOutgoing: keepOld > .zero ? keepOld : nil)
  }

  private static func blueGreen(incoming count: Int, outgoing: Int, _ knobs: BlueGreenSpec)
    -> [Stage]
  {
    let preview = knobs.preview.map { preview in
      Stage(
        name: "preview", incoming: count, outgoing: outgoing, weight: .none, hold: preview.hold,
        side: .host(preview.host))
    }
    return (preview.map { [$0] } ?? []) + [takeOver("switch", count, keepOld: knobs.keepOld)]
  }

  private static func canary(incoming count: Int, outgoing: Int, _ knobs: CanarySpec) -> [Stage] {
    knobs.steps.map { step in
      Stage(
        name: "\(step.weight)", incoming: instances(for: step.weight, of: count),
        outgoing: outgoing, weight: step.weight, hold: step.hold)
    } + [takeOver("100%", count, keepOld: knobs.keepOld)]
  }

  private static func ab(incoming count: Int, outgoing: Int, _ knobs: ABSpec) -> [Stage] {
    let variants: Stage =
      switch knobs.audience {
      case .share(let share):
        Stage(
          name: "variants", incoming: instances(for: share, of: count), outgoing: outgoing,
          weight: share, hold: knobs.hold)
      case .requests(let match):
        // Nobody knows how many they will be, so there is room for all.
        Stage(
          name: "variants", incoming: count, outgoing: outgoing, weight: .none, hold: knobs.hold,
          side: .requests(match))
      }
    return [variants, takeOver("everybody", count, keepOld: knobs.keepOld)]
  }

  private static func recreate(incoming count: Int, _ knobs: RecreateSpec) -> [Stage] {
    [
      Stage(name: "stop", incoming: 0, outgoing: 0, weight: .none, holdLimit: knobs.holdLimit),
      Stage(name: "start", incoming: count, outgoing: 0, weight: .all),
    ]
  }

  /// The instances that a share of the traffic needs: never fewer than the share of the full number, so
  /// that no instance gets more than its part.
  static func instances(for weight: Permille, of count: Int) -> Int {
    max(1, (count * weight.value + 999) / 1_000)
  }

  /// Batches that never go above `target + maxSurge` nor below `target - maxUnavailable`, and never
  /// to nothing: one instance always serves, even if that takes one more than asked for.
  static func rolling(incoming target: Int, outgoing start: Int, _ knobs: RollingSpec) -> [Stage] {
    let unavailable = min(knobs.maxUnavailable, target - 1)
    let surge = unavailable > 0 ? knobs.maxSurge : max(knobs.maxSurge, 1)
    var pairs: [(new: Int, old: Int)] = []
    var new = 0
    var old = start
    while new < target || old > 0 {
      let room = target + surge - (new + old)
      if new == target {
        old = 0
      } else if room > 0 {
        new += min(target - new, room)
        old = new == target ? 0 : min(old, target - new)
      } else {
        old -= min(old, max(1, new + old - (target - unavailable)))
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
