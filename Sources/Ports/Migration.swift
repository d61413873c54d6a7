public import SegueModel

/// One change of the database that is to be made. Written down before it is acted upon.
public struct MigrationRun: Hashable, Codable, Sendable {
  public var key: ServiceKey
  public var release: ReleaseID
  public var step: MigrationStep
  /// Which time this is for this release: 1, and more only when a person asked for it again.
  public var attempt: Int
  /// Absolute path of the release's files: the working directory.
  public var directory: String
  /// Run by `/bin/sh -ec`.
  public var command: String
  public var environment: [String: String]
  /// Names; the values are never written down.
  public var secrets: [String]
  public var timeout: Milliseconds

  public init(
    key: ServiceKey, release: ReleaseID, step: MigrationStep, attempt: Int, directory: String,
    command: String, environment: [String: String] = [:], secrets: [String] = [],
    timeout: Milliseconds
  ) {
    self.key = key
    self.release = release
    self.step = step
    self.attempt = attempt
    self.directory = directory
    self.command = command
    self.environment = environment
    self.secrets = secrets
    self.timeout = timeout
  }

  /// Unique for ever: one run of a command, however often it is asked for.
  ///
  /// Names may hold a `-` and never a `.`, so no two runs have the same one.
  public var id: String {
    "\(key.environment).\(key.service).\(release).\(step.rawValue).\(attempt)"
  }
}

/// How a migration went.
public struct MigrationReport: Hashable, Codable, Sendable {
  public var outcome: MigrationOutcome
  /// The last lines it printed, secrets masked, oldest first.
  public var output: [String]
  public var took: Milliseconds

  public init(outcome: MigrationOutcome, output: [String], took: Milliseconds) {
    self.outcome = outcome
    self.output = output
    self.took = took
  }
}

/// What changes databases.
public protocol MigrationRunner: Sendable {
  /// Runs the command exactly once, and returns when it has ended.
  ///
  /// May be called again for the same ``MigrationRun/id``, by another control plane too: one that runs is
  /// waited for, one that has ended is reported again, and one that a restart of the machine cut off is
  /// reported as ``MigrationOutcome/interrupted(_:)``. It is never started a second time. It
  /// outlives the control plane, and cancelling the wait does not end it.
  func run(_ run: MigrationRun) async throws(PortError) -> MigrationReport
}
