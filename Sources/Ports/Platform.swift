public import SegueModel

/// Everything a platform needs to start one instance. Written down before it is acted upon.
public struct InstanceStart: Hashable, Codable, Sendable {
  public var instance: InstanceID
  public var key: ServiceKey
  public var release: ReleaseID
  /// Absolute path of the release's files: the working directory.
  public var directory: String
  public var run: String
  public var environment: [String: String]
  /// Names; the platform asks its ``SecretSource`` for the values, which are never written down.
  public var secrets: [String]
  public var limits: LimitSpec
  /// How requests come to it; `nil`: by a port of its own.
  public var listen: ListenSpec?
  /// It gets a socket to say on that it is ready; see ``Platform/hasNotified(_:)``.
  public var notifies: Bool?

  public init(
    instance: InstanceID, key: ServiceKey, release: ReleaseID, directory: String, run: String,
    environment: [String: String] = [:], secrets: [String] = [], limits: LimitSpec = LimitSpec(),
    listen: ListenSpec? = nil, notifies: Bool? = nil
  ) {
    self.instance = instance
    self.key = key
    self.release = release
    self.directory = directory
    self.run = run
    self.environment = environment
    self.secrets = secrets
    self.limits = limits
    self.listen = listen
    self.notifies = notifies
  }
}

/// An instance as it was found running.
public struct RunningInstance: Hashable, Codable, Sendable {
  public var instance: InstanceID
  public var key: ServiceKey
  public var release: ReleaseID
  public var endpoint: Endpoint
  public var process: ProcessIdentity

  public init(
    instance: InstanceID, key: ServiceKey, release: ReleaseID, endpoint: Endpoint,
    process: ProcessIdentity
  ) {
    self.instance = instance
    self.key = key
    self.release = release
    self.endpoint = endpoint
    self.process = process
  }
}

/// A process that cannot be mistaken for a later one with the same pid.
public struct ProcessIdentity: Hashable, Codable, Sendable {
  public var pid: Int32
  /// Field 22 of `/proc/PID/stat`: clock ticks since boot (proc(5)).
  public var startTime: UInt64
  /// `/proc/sys/kernel/random/boot_id`: after a reboot, ticks start again.
  public var bootID: String

  public init(pid: Int32, startTime: UInt64, bootID: String) {
    self.pid = pid
    self.startTime = startTime
    self.bootID = bootID
  }
}

/// How an instance ended.
public enum InstanceExit: Hashable, Codable, Sendable, CustomStringConvertible {
  case status(Int32)
  case signal(Int32)
  /// It was not our child (adopted after a restart), so the kernel does not tell.
  case unknown

  public var description: String {
    switch self {
    case .status(let status): "exited with status \(status)"
    case .signal(let signal): "was killed by signal \(signal)"
    case .unknown: "exited"
    }
  }
}

/// How a stop went.
public struct StopReport: Hashable, Codable, Sendable {
  /// It had to be killed because it did not heed SIGTERM in time.
  public var killed: Bool
  public var took: Milliseconds
  public init(killed: Bool, took: Milliseconds) {
    self.killed = killed
    self.took = took
  }
}

/// What runs instances.
///
/// Each call may be repeated: after a crash the control plane observes first and then issues again
/// whatever it cannot see done.
public protocol Platform: Sendable {
  /// Names the time since the machine was last started; another one after a restart, when nothing that
  /// ran before runs any more.
  var bootID: String { get }

  /// Starts the instance, or finds it already running; returns once its process exists (which is
  /// long before it is ready). The platform chooses its port or its socket, and passes it as `$PORT` or
  /// `$SOCKET`; where instances share a socket, it opens that or goes on with the one that is open.
  func start(_ start: InstanceStart) async throws(PortError) -> RunningInstance

  /// Every instance of this platform that runs now, whoever started it.
  func observe() async throws(PortError) -> [RunningInstance]

  /// Returns when the instance has ended; at once if it does not run. Cancellation ends the wait,
  /// not the instance.
  func waitForExit(of instance: RunningInstance) async throws(PortError) -> InstanceExit

  /// SIGTERM to the whole instance, then after `deadline` SIGKILL; returns when nothing of it runs
  /// any more. Stopping what does not run succeeds at once.
  func stop(_ instance: RunningInstance, deadline: Milliseconds) async throws(PortError)
    -> StopReport

  /// Whether the socket listening at the instance's address belongs to one of its own processes, and
  /// not to a stranger who took the port.
  func ownsListener(_ instance: RunningInstance) async throws(PortError) -> ListenerProof

  /// Whether the instance has said by itself that it is ready (sd_notify(3)). Once it has, it has for
  /// good.
  func hasNotified(_ instance: RunningInstance) async throws(PortError) -> Bool

  /// The last lines the instance printed, oldest first; at most `limit`.
  func output(of instance: InstanceID, key: ServiceKey, limit: Int) async throws(PortError)
    -> [String]
}

/// Who listens at an instance's address.
public enum ListenerProof: Hashable, Sendable {
  case own
  case nobody
  /// A process of somebody else: its pid where it can be seen, and its command.
  case stranger(String)
}

/// Asks an instance whether it is ready.
public protocol Probe: Sendable {
  /// One request; never throws, because an answer that cannot be had is a failure with a reason.
  func check(_ endpoint: Endpoint, health: HealthSpec) async -> ProbeAnswer
}

public enum ProbeAnswer: Hashable, Sendable {
  case pass
  /// One sentence: `GET /up answered 503`, `connection refused`.
  case fail(String)
}

/// The values of secrets, which exist nowhere else in Segue.
public protocol SecretSource: Sendable {
  /// `nil` when there is no secret of that name.
  func value(of name: String) throws(PortError) -> Secret?
}

/// A value that never shows itself: its description, its debug description and its mirror are
/// redacted.
public struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  private let value: String
  public init(_ value: String) { self.value = value }
  /// The one way to the value; named so that every use stands out.
  public func reveal() -> String { value }
  public var description: String { "***" }
  public var debugDescription: String { "***" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
