import RolloutEngine
import SegueModel

/// The trace, for people.
extension Simulation {
  func describe(_ event: RolloutEvent) -> String {
    switch event {
    case .rolloutStarted(let start):
      "rolloutStarted \(start.id) \(start.from?.id.rawValue ?? "-") -> \(start.to.id) "
        + "\(start.to.spec.strategy.name) \(start.stages.map(\.name))"
    case .deployQueued(let order): "deployQueued \(order.release.id)"
    case .deploySuperseded(let release, let by): "deploySuperseded \(release) by \(by)"
    case .stageEntered(let index): "stageEntered \(index)"
    case .shiftBegan(let split):
      "shiftBegan \(split.sides.map { "\($0.release) \($0.weight) of \($0.instances)" })"
    case .wayBackBegan(let cause, let reason, let stages, _):
      "wayBackBegan \(cause): \(reason) \(stages.map(\.name))"
    case .rolloutEnded(_, let outcome, let reason): "rolloutEnded \(outcome) \(reason ?? "")"
    case .instanceOrdered(let id, let release, _): "instanceOrdered \(id) of \(release)"
    case .tableProposed(let table, _):
      "tableProposed \(table.generation) "
        + "\(table.versions.map { "\($0.release) \($0.weight) \($0.endpoints.map(\.instance))" })"
    case .tableAcknowledged(let generation): "tableAcknowledged \(generation)"
    case .keptWarm(let release, _): "keptWarm \(release)"
    case .warmExpired(let release): "warmExpired \(release)"
    case .releaseBlocked(let release, _): "releaseBlocked \(release)"
    case .migrationOrdered(let release, let step, let attempt, _):
      "migrationOrdered \(step) of \(release), attempt \(attempt)"
    case .migrationFinished(let release, let step, let outcome, _):
      "migrationFinished \(step) of \(release): \(outcome)"
    case .instanceStarted(let id, _), .instanceBecameReady(let id, _),
      .instanceCheckFailed(let id, _), .instanceBecameUnready(let id, _), .instanceDied(let id, _),
      .instanceVanished(let id, _), .drainBegan(let id, _), .instanceDrained(let id, _),
      .stopOrdered(let id, _), .instanceStopped(let id, _), .instanceAbandoned(let id):
      "\(event.kind) \(id)"
    default: event.kind
    }
  }

  func describe(_ command: RolloutCommand) -> String {
    switch command {
    case .deploy(let order):
      "deploy \(order.release.id)\(order.again ? " --again" : "")"
        + "\(order.allowOlder ? " --allow-older" : "")\(order.supersedes ? " superseding" : "")"
    case .rollBack(let release, _, _): "rollback \(release?.id.rawValue ?? "")"
    case .abort: "abort"
    case .pause: "pause"
    case .resume: "resume"
    case .promote(let toTheEnd, _, _): toTheEnd ? "promote --all" : "promote"
    case .block(let release, _): "block \(release)"
    case .unblock(let release): "unblock \(release)"
    case .judge(_, let stage, let verdict): "verdict on stage \(stage): \(verdict)"
    default: "\(command)"
    }
  }
}
