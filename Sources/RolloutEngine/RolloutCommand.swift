public import SegueModel

/// What a service can be told, by people or by the workers that carried something out.
public enum RolloutCommand: Hashable, Sendable {
  case deploy(DeployOrder)
  /// `release` nil: the one that was live before.
  case rollBack(release: ServiceRelease?, by: String, reason: String?)
  case abort(by: String, reason: String)
  /// Finish what is under way in this stage, and do not begin the next one.
  case pause(by: String, reason: String?)
  case resume(by: String, reason: String? = nil)
  /// End the hold; with `toTheEnd` also every later one.
  case promote(toTheEnd: Bool, by: String, reason: String?)
  /// A gate turned the release down.
  case block(release: ReleaseID, reason: String)
  /// The gate lets it through again.
  case unblock(release: ReleaseID)
  /// The judge's word on a rollout's stage; without effect when that stage is over.
  case judge(RolloutID, stage: Int, Verdict)

  case reportStarted(InstanceID, Endpoint)
  case reportReady(InstanceID, booted: Milliseconds)
  case reportUnready(InstanceID, reason: String)
  /// It ended, or could not be started.
  case reportDied(InstanceID, reason: String)
  /// It is gone with a restart of the machine: nobody's fault.
  case reportVanished(InstanceID)
  case reportDrained(InstanceID, remaining: Int)
  case reportStopped(InstanceID, killed: Bool)
  case acknowledge(Generation)
  case reportTableFailed(Generation, reason: String)
  case reportMigrated(ReleaseID, MigrationStep, MigrationOutcome, output: [String])
  /// Time has passed: let due deadlines have their consequence.
  case tick
}

/// Why a command is not carried out, and what to do instead.
public struct Refusal: Error, Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case nothingToDo, conflict, notFound
  }
  public var kind: Kind
  public var message: String
  public var nextStep: String?

  public init(_ kind: Kind, _ message: String, nextStep: String? = nil) {
    self.kind = kind
    self.message = message
    self.nextStep = nextStep
  }
}
