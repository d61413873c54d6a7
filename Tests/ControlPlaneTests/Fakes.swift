import ControlPlane
import ControlProtocol
import Evidence
import Logging
import Ports
import SegueModel
import Synchronization

/// A journal in memory that keeps the rules which the control plane leans on.
final class MemoryJournal: Journal {
  private struct Storage {
    var events: [RecordedEvent] = []
    var outbox: [OutboxRow] = []
    var timers: [String: JournalTimer] = [:]
    var refusals = 0
    var refused = 0
  }
  private let storage = Mutex(Storage())

  /// The next so many transactions are refused, as on a disk that is full.
  func refuse(next count: Int) { storage.withLock { $0.refusals = count } }
  var refused: Int { storage.withLock { $0.refused } }

  func append(_ transaction: JournalTransaction) async throws(PortError) -> [RecordedEvent] {
    let result: Result<[RecordedEvent], PortError> = storage.withLock { storage in
      guard storage.refusals == 0 else {
        storage.refusals -= 1
        storage.refused += 1
        return .failure(PortError("disk full", fault: .platform, retry: .safe))
      }
      let version = storage.events.last { $0.stream == transaction.stream }?.version ?? 0
      guard version == transaction.expectedVersion else {
        return .failure(PortError("conflict", fault: .segue, retry: .never))
      }
      var new: [RecordedEvent] = []
      for (index, event) in transaction.events.enumerated() {
        new.append(
          RecordedEvent(
            sequence: Int64(storage.events.count + index + 1), stream: transaction.stream,
            version: version + Int64(index) + 1, kind: event.kind, schema: event.schema,
            at: transaction.at, payload: event.payload))
      }
      storage.events += new
      storage.outbox += transaction.outbox
      storage.outbox.removeAll { transaction.completedOutbox.contains($0.id) }
      for timer in transaction.setTimers { storage.timers[timer.name] = timer }
      for name in transaction.clearedTimers { storage.timers[name] = nil }
      return .success(new)
    }
    return try result.get()
  }

  func events(of stream: StreamID, after version: Int64) async throws(PortError)
    -> [RecordedEvent]
  {
    storage.withLock { $0.events.filter { $0.stream == stream && $0.version > version } }
  }

  func events(after sequence: Int64, limit: Int) async throws(PortError) -> [RecordedEvent] {
    storage.withLock { Array($0.events.filter { $0.sequence > sequence }.prefix(limit)) }
  }

  func streams(prefix: String) async throws(PortError) -> [StreamID] {
    storage.withLock { storage in
      Set(storage.events.map(\.stream)).filter { $0.rawValue.hasPrefix(prefix) }.sorted()
    }
  }

  func pendingOutbox() async throws(PortError) -> [OutboxRow] { storage.withLock { $0.outbox } }

  func timers() async throws(PortError) -> [JournalTimer] {
    storage.withLock { $0.timers.values.sorted { $0.due < $1.due } }
  }

  func snapshot(of stream: StreamID) async throws(PortError) -> JournalSnapshot? { nil }
  func saveSnapshot(_ snapshot: JournalSnapshot) async throws(PortError) {}

  func verify() async throws(PortError) -> JournalVerification {
    storage.withLock {
      JournalVerification(events: Int64($0.events.count), firstBroken: nil, head: "")
    }
  }

  var kinds: [String] { storage.withLock { $0.events.map(\.kind) } }
}

/// Commits that exist because a test says so.
final class ScriptedSource: Source {
  private let commits = Mutex<[Commit]>([])
  /// Of commits that only Git knows.
  let otherAuthors = Mutex<[String]>([])
  private let origins = Mutex<[CommitID: CommitOrigin]>([:])
  /// What came to the deploy branch before any commit that is asked about.
  let earlierOrigins = Mutex<[CommitOrigin]>([])
  private let seen = Mutex(0)
  private let files = Mutex<[String: [UInt8]]>([:])

  /// Of every commit; any other file is empty.
  func set(_ bytes: [UInt8], at path: String) { files.withLock { $0[path] = bytes } }

  /// How often somebody asked for the head.
  var looks: Int { seen.withLock { $0 } }

  /// With what its repository knows of where it comes from.
  func add(_ number: Int, _ origin: ((Commit) -> CommitOrigin)? = nil) -> Commit {
    let commit = Commit(
      id: CommitID(String(repeating: String(number, radix: 16), count: 40)),
      subject: "Commit \(number)",
      author: "Ana <ana@example.com>", height: number)
    if let origin { origins.withLock { $0[commit.id] = origin(commit) } }
    commits.withLock { $0.append(commit) }
    return commit
  }

  func refresh() async throws(PortError) {}
  func head(of branch: String) async throws(PortError) -> Commit? {
    seen.withLock { $0 += 1 }
    return commits.withLock { $0.last }
  }
  func resolve(_ revision: String) async throws(PortError) -> Commit {
    guard let found = commits.withLock({ $0.first { $0.id.rawValue.hasPrefix(revision) } }) else {
      throw PortError("there is no \(revision)", fault: .user, retry: .never)
    }
    return found
  }
  func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String] { otherAuthors.withLock { $0 } }
  func file(_ path: String, at commit: CommitID, limit: Int) async throws(PortError) -> [UInt8]? {
    files.withLock { $0[path] ?? [] }
  }
  func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin] {
    origins.withLock { $0[question.commit].map { [$0] } ?? [] }
      + earlierOrigins.withLock { $0 }
  }
  func checkOut(_ commit: CommitID, into directory: String) async throws(PortError) {}
}

/// A pipeline of one step, which passes unless the commit is among those that fail.
final class ScriptedPipeline: PipelineExecutor, ReleaseStore {
  let failing = Mutex<Set<CommitID>>([])
  let changed = Mutex<Set<ReleaseID>>([])
  let removed = Mutex<Set<ReleaseID>>([])
  let runs = Mutex<[PipelineRun]>([])

  func execute(
    _ run: PipelineRun, observe: @escaping @Sendable (StepProgress) async throws -> Void
  ) async throws(PortError) -> PipelineResult {
    runs.withLock { $0.append(run) }
    let fails = failing.withLock { $0.contains(run.commit.id) }
    let result = StepResult(
      outcome: fails ? .refused("1 of 3 tests failed: a.b") : .passed, took: Milliseconds(1),
      tests: fails ? TestSummary(passed: 2, failed: 1) : nil)
    do {
      try await observe(.started("test"))
      try await observe(.output("test", ["hello"]))
      try await observe(.finished("test", result))
    } catch {
      throw PortError("observer failed", fault: .segue, retry: .never, causes: ["\(error)"])
    }
    return PipelineResult(steps: ["test": result])
  }

  func endLeftovers(of pipeline: PipelineID) async {}

  func seal(_ run: PipelineRun, at instant: Instant) async throws(PortError) -> Release {
    Release(
      id: ReleaseID("r-\(run.commit.height)"), commit: run.commit.id, pipeline: run.id,
      subject: run.commit.subject, author: run.commit.author, height: run.commit.height,
      directory: "/", digest: "", spec: run.spec, builtAt: instant)
  }
  func verify(_ release: Release) async throws(PortError) -> Bool {
    changed.withLock { !$0.contains(release.id) } && removed.withLock { !$0.contains(release.id) }
  }
  func remove(_ release: Release) async throws(PortError) {
    removed.withLock { _ = $0.insert(release.id) }
  }
}

/// Instances that exist only in memory; the platform outlives the control plane, as a real one does.
final class MemoryPlatform: Platform, Probe, TrafficDirector {
  private struct Storage {
    var running: [InstanceID: RunningInstance] = [:]
    var starts: [InstanceID: Int] = [:]
    var unready: Set<String> = []
    var broken: Set<String> = []
    var unseen: Set<InstanceID> = []
    var probed: [String] = []
    var tables: [ServiceKey: ServiceTable] = [:]
    var nextPort = 1
    var bootID = "boot"
    var counted: @Sendable (inout ServiceReport) -> Void = { _ in }
  }
  private let storage = Mutex(Storage())

  /// Instances of the release, or of one service, do not pass their checks.
  func setUnready(_ release: ReleaseID, of service: ServiceName? = nil) {
    storage.withLock { _ = $0.unready.insert(Self.name(release, service)) }
  }
  func setReady(_ release: ReleaseID, of service: ServiceName? = nil) {
    storage.withLock { _ = $0.unready.remove(Self.name(release, service)) }
  }
  /// Instances of the release, or of one service, cannot be started.
  func setBroken(_ release: ReleaseID, of service: ServiceName? = nil) {
    storage.withLock { _ = $0.broken.insert(Self.name(release, service)) }
  }
  private static func name(_ release: ReleaseID, _ service: ServiceName?) -> String {
    "\(release)" + (service.map { " of \($0)" } ?? "")
  }
  /// The machine goes down and comes up: nothing runs, and the router has what it kept on disk.
  func reboot() {
    storage.withLock { storage in
      storage.running = [:]
      storage.bootID += "'"
    }
  }
  /// It is gone, and whoever waits for its end is not told.
  func vanish(_ id: InstanceID) { storage.withLock { _ = $0.unseen.insert(id) } }
  func add(_ stranger: RunningInstance) {
    storage.withLock { $0.running[stranger.instance] = stranger }
  }
  func lose(_ key: ServiceKey) { storage.withLock { $0.tables[key] = nil } }
  /// Paths asked for, in order.
  var probed: [String] { storage.withLock { $0.probed } }
  /// What every report counts beside what is so.
  func count(_ counted: @escaping @Sendable (inout ServiceReport) -> Void) {
    storage.withLock { $0.counted = counted }
  }
  func end(_ id: InstanceID) { storage.withLock { $0.running[id] = nil } }
  var running: [RunningInstance] { storage.withLock { Array($0.running.values) } }
  var startedTwice: [InstanceID] {
    storage.withLock { $0.starts.filter { $0.value > 1 }.map(\.key) }
  }
  func table(_ key: ServiceKey) -> ServiceTable? { storage.withLock { $0.tables[key] } }

  func start(_ start: InstanceStart) async throws(PortError) -> RunningInstance {
    let names = [Self.name(start.release, nil), Self.name(start.release, start.key.service)]
    guard storage.withLock({ $0.broken.isDisjoint(with: names) }) else {
      throw PortError("its program is missing", fault: .user, retry: .never)
    }
    return storage.withLock { storage in
      if let found = storage.running[start.instance] { return found }
      storage.starts[start.instance, default: 0] += 1
      storage.nextPort += 1
      let made = RunningInstance(
        instance: start.instance, key: start.key, release: start.release,
        endpoint: Endpoint(instance: start.instance, port: storage.nextPort),
        process: ProcessIdentity(
          pid: Int32(storage.nextPort), startTime: 1, bootID: storage.bootID))
      storage.running[start.instance] = made
      return made
    }
  }

  var bootID: String { storage.withLock { $0.bootID } }

  func observe() async throws(PortError) -> [RunningInstance] {
    storage.withLock { storage in
      storage.running.values.filter { !storage.unseen.contains($0.instance) }
    }
  }

  func waitForExit(of instance: RunningInstance) async throws(PortError) -> InstanceExit {
    while !Task.isCancelled, storage.withLock({ $0.running[instance.instance] != nil }) {
      try? await Task.sleep(for: .milliseconds(2))
    }
    return .signal(9)
  }

  func stop(_ instance: RunningInstance, deadline: Milliseconds) async throws(PortError)
    -> StopReport
  {
    end(instance.instance)
    return StopReport(killed: false, took: .zero)
  }

  func ownsListener(_ instance: RunningInstance) async throws(PortError) -> ListenerProof { .own }
  func hasNotified(_ instance: RunningInstance) async throws(PortError) -> Bool { true }
  func output(of instance: InstanceID, key: ServiceKey, limit: Int) async throws(PortError)
    -> [String]
  { [] }

  func check(_ endpoint: Endpoint, health: HealthSpec) async -> ProbeAnswer {
    storage.withLock { storage in
      guard let found = storage.running[endpoint.instance] else { return .fail("refused") }
      storage.probed.append(health.path ?? "")
      let isUnready =
        storage.unready.contains(Self.name(found.release, nil))
        || storage.unready.contains(Self.name(found.release, found.key.service))
      return isUnready ? .fail("GET /up answered 503") : .pass
    }
  }

  /// It has answered Ana, and knows one goal.
  func credit(_ reached: ReachedGoal) async throws(PortError) -> ReachedGoal.Fate {
    guard reached.goal == "checkout" else { return .unknownGoal }
    guard reached.unit == "ana" else { return .unknownUnit }
    return reached.value == "x" ? .unreadableValue : .counted
  }

  func apply(_ table: ServiceTable) async throws(PortError) {
    storage.withLock { $0.tables[table.key] = table }
  }
  func remove(_ key: ServiceKey, generation: Generation) async throws(PortError) {
    storage.withLock { $0.tables[key] = nil }
  }
  func report() async throws(PortError) -> [ServiceReport] {
    storage.withLock { storage in
      storage.tables.values.map {
        var report = ServiceReport(
          key: $0.key, generation: $0.generation, versions: [], inFlight: [:], unavailable: 0)
        storage.counted(&report)
        return report
      }
    }
  }
}

/// Runs each migration once, and remembers how often that would have been.
final class ScriptedMigrations: MigrationRunner {
  private struct Storage {
    var runs: [String] = []
    var reports: [String: MigrationReport] = [:]
    var failing: Set<MigrationStep> = []
  }
  private let storage = Mutex(Storage())

  /// Ids, in the order in which they were run.
  var runs: [String] { storage.withLock { $0.runs } }
  func setFailing(_ step: MigrationStep) { storage.withLock { _ = $0.failing.insert(step) } }

  func run(_ run: MigrationRun) async throws(PortError) -> MigrationReport {
    storage.withLock { storage in
      if let known = storage.reports[run.id] { return known }
      storage.runs.append(run.id)
      let fails = storage.failing.contains(run.step)
      let report = MigrationReport(
        outcome: fails ? .failed("exited with status 1") : .succeeded,
        output: fails ? ["no such table"] : [], took: Milliseconds(1))
      storage.reports[run.id] = report
      return report
    }
  }
}

/// A control plane on parts that are kept, so that another can take over where it was cut off.
struct Stage {
  let journal = MemoryJournal()
  let source = ScriptedSource()
  let pipeline = ScriptedPipeline()
  let platform = MemoryPlatform()
  let migrations = ScriptedMigrations()
  var time = ShiftedTime(SystemTime().now())
  let key = ServiceKey(environment: "production", service: "web")
  /// Long, because the machine may be busy; short only where its end is what is tested.
  var ready = Milliseconds.seconds(60)
  var spec: ProjectSpec
  var outreach: (any OutreachKeeping)?
  var issue: (@Sendable (String, TrackerSpec) async -> IssueState)?
  var review: (@Sendable (CommitID, String, ForgeSpec) async -> ReviewState)?
  var pollInterval = Milliseconds(10)
  var evidence: ScriptedEvidence?

  /// The same service under each name, with nothing special about it.
  init(
    ready: Milliseconds = .seconds(60),
    strategy: StrategySpec = .rolling(RollingSpec()), services: [ServiceName] = ["web"]
  ) {
    self.ready = ready
    spec = ProjectSpec(
      project: "shop", pipeline: [StepSpec(name: "test", run: "true")],
      services: services.map { name in
        var service = Self.service(name, instances: 2, ready: ready)
        service.strategy = strategy
        return service
      }, cost: CostSpec(instanceHour: 3_600_000_000, currency: "EUR"))
  }

  init(
    services: [ServiceSpec], environments: [EnvironmentSpec] = [EnvironmentSpec(name: "production")]
  ) {
    spec = ProjectSpec(
      project: "shop", pipeline: [StepSpec(name: "test", run: "true")], services: services,
      environments: environments)
  }

  static func service(
    _ name: ServiceName, instances: Int = 1, needs: [ServiceName] = [], independent: Bool = false,
    migrate: MigrateSpec? = nil, warmUp: WarmUpSpec? = nil, ready: Milliseconds = .seconds(60)
  ) -> ServiceSpec {
    ServiceSpec(
      name: name, run: "serve", instances: instances, needs: needs,
      health: HealthSpec(path: "/up", interval: Milliseconds(5), warmUp: warmUp),
      // No deadline passes because the machine is busy; who wants one to pass says so by `ready`.
      deadlines: DeadlineSpec(ready: ready, acknowledge: .seconds(60)), migrate: migrate,
      isIndependent: independent)
  }

  func makeControlPlane() -> ControlPlane {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let spec = spec
    var world = Dependencies(
      journal: journal, source: source, pipeline: pipeline, releases: pipeline,
      platform: platform, migrations: migrations, director: platform, probe: platform,
      time: time, readSpec: { _ in spec }, logger: logger)
    world.outreach = outreach
    world.issue = issue
    world.review = review
    world.evidence = evidence?.desk
    world.papers = evidence
    var settings = ControlPlaneSettings(
      version: "test", project: "shop", deployBranch: "main", pollInterval: pollInterval,
      driftInterval: Milliseconds(20), verifyInterval: Milliseconds(20),
      stateDirectory: "/nonexistent", sourceName: "test")
    settings.advisoryInterval = Milliseconds(20)
    return ControlPlane(world: world, settings: settings) {
      ProxyStatus(running: true, address: "127.0.0.1:0", pid: 1, restarts: 0)
    }
  }

  /// Runs a control plane for as long as the body takes, then cuts it off as a crash would.
  func withControlPlane<Result: Sendable>(
    _ body: @escaping @Sendable (ControlPlane) async throws -> Result
  ) async throws -> Result {
    let plane = makeControlPlane()
    try await plane.start()
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask {
        try await plane.run()
        return nil
      }
      group.addTask {
        do {
          return try await body(plane)
        } catch let timeout as Timeout {
          // Whoever waited in vain wants to know how far it came.
          throw Timeout(what: timeout.what + "; recorded: \(journal.kinds)")
        }
      }
      defer { group.cancelAll() }
      while let next = try await group.next() {
        if let next { return next }
      }
      throw Timeout(what: "the control plane ended by itself")
    }
  }
}

struct Timeout: Error {
  var what: String
}

extension ControlPlane {
  /// The release that is live in one place, with nothing under way there.
  func settled(_ service: ServiceName, in environment: EnvironmentName = "production") async throws
    -> ReleaseID?
  {
    let key = ServiceKey(environment: environment, service: service)
    guard let found = try await status().services.first(where: { $0.key == key }) else {
      return nil
    }
    return found.rollout == nil ? found.live?.id : nil
  }

  /// How the commit ended: the text of its last word.
  func fate(of commit: CommitID, after sequence: Int64 = 0) async throws -> FeedItem? {
    var last: FeedItem?
    for try await item in feed(after: sequence, follow: true, commit: commit) { last = item }
    return last
  }

  func feedItems(_ kind: String) async throws -> [FeedItem] {
    var items: [FeedItem] = []
    for try await item in feed(after: 0, follow: false, commit: nil) where item.kind == kind {
      items.append(item)
    }
    return items
  }
}

/// Asks again until the condition holds.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + .seconds(60)
  while try await !condition() {
    guard ContinuousClock.now < end else { throw Timeout(what: what) }
    try await Task.sleep(for: .milliseconds(2))
  }
}
