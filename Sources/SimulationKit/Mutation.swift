import RolloutEngine
import SegueModel

/// A planted defect: one for each of the ten rules, to show that the simulation would notice it.
public enum Mutation: Int, CaseIterable, Hashable, Sendable {
  /// The engine proposes instances that are not ready yet.
  case proposesUnready = 1
  /// In a rollout, the engine leaves all but one ready instance out of a table.
  case dropsCapacity = 2
  /// The shares add to 999.
  case losesAShare = 3
  /// The router takes a table with an older generation.
  case takesStaleTables = 4
  /// A restart forgets the last event.
  case forgetsAnEvent = 5
  /// Effects are carried out although their commit was refused.
  case actsBeforeIntent = 6
  /// A second rollout begins in the middle of one.
  case startsTwice = 7
  /// Instances are stopped at once instead of being drained.
  case skipsDrain = 8
  /// A block is recorded, and the rollout goes on.
  case ignoresBlock = 9
  /// A stage gives users of the newer release back to the older one.
  case shrinksShare = 10

  /// The rule that must be found broken.
  public var rule: Rule { Rule(rawValue: rawValue) ?? .runsAreEqual }
}

extension Mutation {
  /// What the engine would have said if it had the defect.
  ///
  /// - Parameter state: Before the first event.
  func corrupt(_ events: [RolloutEvent], state: ServiceState) -> [RolloutEvent] {
    switch self {
    case .proposesUnready, .dropsCapacity, .losesAShare:
      return events.map { event in
        guard case .tableProposed(let table, let by) = event, !table.versions.isEmpty else {
          return event
        }
        return .tableProposed(table: corrupt(table, state), acknowledgeBy: by)
      }
    case .startsTwice:
      guard let rollout = state.rollout, rollout.phase == .shifting, let event = events.last
      else { return events }
      return [
        event,
        .rolloutStarted(
          RolloutStart(
            id: "twice", kind: .deploy, from: rollout.from, to: rollout.to, requestedBy: "mutation",
            reason: nil, stages: rollout.stages, expands: nil)),
      ]
    case .skipsDrain:
      return events.map { event in
        guard case .drainBegan(let instance, let until) = event else { return event }
        return .stopOrdered(instance: instance, by: until)
      }
    case .ignoresBlock:
      guard events.contains(where: { if case .releaseBlocked = $0 { true } else { false } })
      else { return events }
      return events.filter { if case .releaseBlocked = $0 { true } else { false } }
    case .shrinksShare:
      return events.map { event in
        guard case .shiftBegan(var split) = event, let rollout = state.rollout,
          !rollout.isGoingBack, rollout.stage > 0, split.sides.count == 2
        else { return event }
        split.sides[0].weight = Permille(1)
        split.sides[1].weight = Permille(999)
        return .shiftBegan(split: split)
      }
    case .takesStaleTables, .forgetsAnEvent, .actsBeforeIntent:
      return events
    }
  }

  private func corrupt(_ table: ServiceTable, _ state: ServiceState) -> ServiceTable {
    var table = table
    switch self {
    case .proposesUnready:
      for instance in state.orderedInstances
      where !instance.isReady && instance.release == table.versions[0].release {
        if let endpoint = instance.endpoint, !table.endpoints.contains(endpoint) {
          table.versions[0].endpoints.append(endpoint)
        }
      }
    case .dropsCapacity:
      guard state.rollout?.from != nil, let before = state.table.proposed,
        before.endpoints.count > 1
      else { break }
      table.versions = [table.versions[0]]
      table.versions[0].weight = .all
      table.versions[0].endpoints = [table.versions[0].endpoints[0]]
    case .losesAShare:
      let share = table.versions[0].weight.value
      table.versions[0].weight = Permille(share - 1)
    default: break
    }
    return table
  }
}
