import ControlProtocol
public import Ports
import RolloutEngine
public import SegueModel

/// Says recorded events as notices: who reads the same journal says the same.
struct NoticeScribe: Sendable {
  /// A rollout that is under way in one stream.
  private struct Course: Sendable {
    var start: RolloutStart
    var stage = 0
  }

  private let journal: any Journal
  /// By stream. A stream that was never looked at is read from its beginning.
  private var courses: [StreamID: Course?] = [:]
  private var acceptances: [StreamID: CommitAcceptance] = [:]
  /// Of the newest release, and before there is one of the newest commit.
  private var spec: ProjectSpec?
  private var hasRelease = false

  init(journal: any Journal) { self.journal = journal }

  /// What was so when this event was recorded: the channels that a later commit names hear nothing of
  /// what was before it.
  mutating func begin(after sequence: Int64, _ catalogue: ReleaseCatalogue) async throws(PortError)
  {
    guard sequence > 0 else { return }
    for record in catalogue.all.reversed() {
      let stream = Streams.pipeline(record.acceptance.pipeline)
      for event in try await journal.events(of: stream, after: 0) where event.sequence <= sequence {
        switch event.kind {
        case "releaseSealed", "pipelineStarted": _ = try await pipeline(event)
        default: break
        }
      }
      if hasRelease { return }
    }
  }

  var wishes: OutreachWishes? {
    spec.map { spec in
      OutreachWishes(
        project: spec.project, channels: spec.outreach?.channels ?? [],
        forge: spec.outreach?.forge, policy: spec.outreach?.policy)
    }
  }

  /// Who is to have a notice, by the newest release's `segue.yaml`.
  func channels(for notice: Notice) -> [ChannelName] {
    guard let outreach = spec?.outreach else { return [] }
    var names = outreach.channels.filter { $0.selection.wants(notice) }
      .map { ChannelName($0.name) }
    if outreach.forge?.token != nil, NoticeSelection.forge.wants(notice) { names.append(.forge) }
    return names
  }

  /// `nil` when nobody needs to hear of it.
  mutating func notice(
    of record: RecordedEvent, _ catalogue: ReleaseCatalogue
  ) async throws(PortError) -> Notice? {
    let name = record.stream.rawValue
    if name.hasPrefix(Streams.pipelinePrefix) { return try await pipeline(record) }
    if name.hasPrefix(Streams.servicePrefix) { return try await service(record, catalogue) }
    if name.hasPrefix(Streams.targetPrefix) { return try target(record, catalogue) }
    if record.stream == Streams.drift { return try drift(record, catalogue) }
    return nil
  }

  private func notice(
    _ kind: Notice.Kind, of record: RecordedEvent, project: ProjectName? = nil, _ text: String
  ) -> Notice {
    // A sequence alone comes again when a state directory is made anew.
    Notice(
      id: "n-\(record.sequence)-\(record.at.milliseconds)", kind: kind,
      project: project ?? spec?.project ?? "", text: text, at: record.at)
  }

  // MARK: Pipelines

  private mutating func pipeline(_ record: RecordedEvent) async throws(PortError) -> Notice? {
    let kinds = [
      "commitAccepted", "pipelineStarted", "commitRefused", "pipelineFailed", "releaseSealed",
      "pipelineCancelled", "commitSuperseded",
    ]
    guard kinds.contains(record.kind) else { return nil }
    // Whoever only asks about a commit gets the answer, and nobody else needs to hear of it.
    if try await acceptance(of: record)?.isQuestion == true { return nil }
    let event = try TypedStream<PipelineEvent>.decode(record).event
    switch event {
    case .commitAccepted(let acceptance):
      if acceptances.count > 1_000 { acceptances = [:] }
      acceptances[record.stream] = acceptance
      let commit = acceptance.commit
      return about(
        acceptance, notice(.commitAccepted, of: record, "\(commit.id.short) is being built"))
    case .pipelineStarted(let started):
      if !hasRelease { spec = started }
      return nil
    case .releaseSealed(let release):
      (spec, hasRelease) = (release.spec, true)
      var notice = notice(.releaseBuilt, of: record, "\(release.id) was built")
      notice.release = release.id
      return about(try await acceptance(of: record), notice)
    case .commitRefused(let reason):
      let acceptance = try await acceptance(of: record)
      let id = acceptance.map { "\($0.commit.id.short) " } ?? ""
      return about(
        acceptance, notice(.gateFailed, of: record, "Commit \(id)was refused: \(reason)"))
    case .pipelineFailed(let reason):
      let acceptance = try await acceptance(of: record)
      let id = acceptance.map { " of \($0.commit.id.short)" } ?? ""
      return about(
        acceptance, notice(.incident, of: record, "The pipeline\(id) failed: \(reason)"))
    case .pipelineCancelled(let reason):
      let acceptance = try await acceptance(of: record)
      return about(acceptance, notice(.commitDropped, of: record, "Cancelled: \(reason)"))
    case .commitSuperseded(let by):
      let acceptance = try await acceptance(of: record)
      return about(
        acceptance, notice(.commitDropped, of: record, "\(by.short) goes instead of it"))
    case .stepStarted, .stepInterrupted, .stepFinished, .gatesJudged, .releaseSigned,
      .releaseRemoved, .questionAnswered:
      return nil
    }
  }

  private mutating func acceptance(
    of record: RecordedEvent
  ) async throws(PortError) -> CommitAcceptance? {
    if let known = acceptances[record.stream] { return known }
    let first = try await journal.events(of: record.stream, after: 0).first
    guard let first, first.kind == "commitAccepted",
      case .commitAccepted(let acceptance) = try TypedStream<PipelineEvent>.decode(first).event
    else { return nil }
    acceptances[record.stream] = acceptance
    return acceptance
  }

  private func about(_ acceptance: CommitAcceptance?, _ notice: Notice) -> Notice {
    var notice = notice
    notice.commit = acceptance?.commit.id
    notice.author = acceptance?.commit.author
    return notice
  }

  // MARK: Rollouts

  private static let rolloutKinds = [
    "rolloutStarted", "stageEntered", "rolloutEnded", "holdBegan", "promotedToTheEnd",
  ]

  private mutating func service(
    _ record: RecordedEvent, _ catalogue: ReleaseCatalogue
  ) async throws(PortError) -> Notice? {
    guard Self.rolloutKinds.contains(record.kind) else { return nil }
    if courses[record.stream] == nil { try await readBack(record) }
    let event = try TypedStream<RolloutEvent>.decode(record).event
    let course = courses[record.stream] ?? nil
    follow(event, in: record.stream)
    switch event {
    case .rolloutStarted(let start):
      return about(start, record, catalogue, notice(.rolloutBegan, of: record, Self.began(start)))
    case .holdBegan(let until, let isExtended):
      guard let course else { return nil }
      let stages = course.start.stages
      let hold = stages.indices.contains(course.stage) ? stages[course.stage].hold : nil
      guard isExtended || hold?.isForPeople == true else { return nil }
      let text =
        "\(course.start.to.id) waits for somebody to promote it, for at most "
        + "\(until - record.at); afterwards it is taken back"
      return about(course.start, record, catalogue, notice(.waitingForApproval, of: record, text))
    case .promotedToTheEnd(let by, let reason):
      guard let course else { return nil }
      let text =
        "\(by) had \(course.start.to.id) go on to its end, past everything it would have waited for"
        + (reason.map { ": \($0)" } ?? "")
      return about(course.start, record, catalogue, notice(.overridden, of: record, text))
    case .rolloutEnded(_, let outcome, let reason):
      guard let course else { return nil }
      let (kind, text) = Self.ended(course.start, outcome, reason)
      return about(course.start, record, catalogue, notice(kind, of: record, text))
    default: return nil
    }
  }

  /// What was under way in a stream when this event was recorded.
  private mutating func readBack(_ record: RecordedEvent) async throws(PortError) {
    courses[record.stream] = .some(nil)
    for earlier in try await journal.events(of: record.stream, after: 0) {
      guard earlier.sequence < record.sequence else { break }
      guard Self.rolloutKinds.contains(earlier.kind) else { continue }
      follow(try TypedStream<RolloutEvent>.decode(earlier).event, in: record.stream)
    }
  }

  private mutating func follow(_ event: RolloutEvent, in stream: StreamID) {
    switch event {
    case .rolloutStarted(let start): courses[stream] = Course(start: start)
    case .stageEntered(let index):
      if var course = courses[stream] ?? nil {
        course.stage = index
        courses[stream] = course
      }
    case .rolloutEnded: courses[stream] = .some(nil)
    default: break
    }
  }

  private static func began(_ start: RolloutStart) -> String {
    let from = start.from.map { " from \($0.id)" } ?? ""
    let why = start.reason.map { " (\($0))" } ?? ""
    return start.kind == .rollback
      ? "Going back\(from) to \(start.to.id), as \(start.requestedBy) wants\(why)"
      : "The rollout\(from) to \(start.to.id) began, for \(start.requestedBy)"
  }

  private static func ended(
    _ start: RolloutStart, _ outcome: RolloutOutcome, _ reason: String?
  ) -> (Notice.Kind, String) {
    let why = reason.map { ": \($0)" } ?? ""
    let release = start.to.id
    switch outcome {
    case .live where start.kind == .rollback:
      let by = start.reason.map { "\(start.requestedBy): \($0)" } ?? start.requestedBy
      let gone = start.from.map { "\($0.id)" } ?? "what came after it"
      return (.rolledBack, "\(gone) was taken back by \(by); \(release) is live again")
    case .live: return (.rolloutFinished, "\(release) is live")
    case .rolledBack where start.kind == .rollback, .aborted where start.kind == .rollback,
      .superseded where start.kind == .rollback:
      let stays = start.from.map { "; \($0.id) stays live" } ?? ""
      return (.rolloutFinished, "Going back to \(release) was given up\(stays)\(why)")
    case .rolledBack: return (.rolledBack, "\(release) was taken back\(why)")
    case .aborted: return (.rolledBack, "\(release) was aborted\(why)")
    case .superseded: return (.rolledBack, "\(release) gave way to a newer one\(why)")
    case .incident:
      return (.incident, "The rollout of \(release) needs a person\(why)")
    }
  }

  private func about(
    _ start: RolloutStart, _ record: RecordedEvent, _ catalogue: ReleaseCatalogue, _ notice: Notice
  ) -> Notice {
    var notice = notice
    let parts = record.stream.rawValue.split(separator: "/").map(String.init)
    if parts.count == 3 {
      notice.environment = EnvironmentName(parts[1])
      notice.service = ServiceName(parts[2])
    }
    // Whoever goes back says something of the release that goes.
    let isBack = start.kind == .rollback
    let subject = isBack ? start.from ?? start.to : start.to
    notice.release = subject.id
    notice.previousRelease = isBack ? start.to.id : start.from?.id
    notice.commit = subject.commit
    notice.author = catalogue.record(of: subject.id)?.acceptance.commit.author
    return notice
  }

  // MARK: Environments and drift

  private func target(
    _ record: RecordedEvent, _ catalogue: ReleaseCatalogue
  ) throws(PortError) -> Notice? {
    guard ["commitSettled", "startHeld", "startOverridden"].contains(record.kind) else {
      return nil
    }
    let here = EnvironmentName(String(record.stream.rawValue.dropFirst(Streams.targetPrefix.count)))
    switch try TypedStream<TargetEvent>.decode(record).event {
    case .commitSettled(let commit, true, _, _):
      return settled(commit, in: here, record, catalogue)
    case .startHeld(let commit, let reason, _, let needsPeople):
      let text = "\(commit.short) may not start in \(here): \(reason)"
      guard needsPeople == true else {
        return start(notice(.frozen, of: record, text), of: commit, in: here, catalogue)
      }
      var notice = notice(.waitingForApproval, of: record, text)
      let spec = catalogue.record(of: commit)?.release?.spec ?? spec
      notice.teams = (spec?.environment(here)?.approval?.teams ?? []).map(\.rawValue)
      return start(notice, of: commit, in: here, catalogue)
    case .startOverridden(let commit, let reason):
      let text = "\(commit.short) starts in \(here) in spite of the calendar: \(reason)"
      return start(notice(.overridden, of: record, text), of: commit, in: here, catalogue)
    case .commitSettled, .targetSet, .targetCleared, .serviceBegan, .unwindingBegan: return nil
    }
  }

  private func start(
    _ notice: Notice, of commit: CommitID, in environment: EnvironmentName,
    _ catalogue: ReleaseCatalogue
  ) -> Notice {
    let known = catalogue.record(of: commit)
    var notice = about(known?.acceptance, notice)
    notice.commit = commit
    notice.environment = environment
    notice.release = known?.release?.id
    return notice
  }

  /// A release is live where people have to send it on from.
  private func settled(
    _ commit: CommitID, in here: EnvironmentName, _ record: RecordedEvent,
    _ catalogue: ReleaseCatalogue
  ) -> Notice? {
    guard let release = catalogue.record(of: commit)?.release else { return nil }
    let next = release.spec.environments.filter { $0.after == here && $0.isPromotedByHand }
    guard let first = next.first else { return nil }
    let names = next.map(\.name.rawValue).joined(separator: ", ")
    let text = "\(release.id) is live in \(here) and waits for somebody to promote it to \(names)"
    return start(
      notice(.waitingForApproval, of: record, text), of: commit, in: first.name, catalogue)
  }

  private func drift(
    _ record: RecordedEvent, _ catalogue: ReleaseCatalogue
  ) throws(PortError) -> Notice? {
    switch try TypedStream<DriftEvent>.decode(record).event {
    case .driftFound(let subject, let what):
      return notice(
        .incident, of: record, "What runs is not what was recorded: \(subject): \(what)")
    case .advisoryMatched(let release, let places, let what):
      return live(
        release, places, notice(.advisoryHit, of: record, "\(release) is \(what)"), catalogue)
    case .regressionFound(let place, let release, let what):
      return live(release, [place], notice(.lateRegression, of: record, what), catalogue)
    case .driftEnded: return nil
    }
  }

  /// Something that is wrong with a release that is live.
  private func live(
    _ release: ReleaseID, _ places: [ServiceKey], _ notice: Notice, _ catalogue: ReleaseCatalogue
  ) -> Notice {
    var notice = about(catalogue.record(of: release)?.acceptance, notice)
    notice.release = release
    let environments = Set(places.map(\.environment))
    let services = Set(places.map(\.service))
    if environments.count == 1 { notice.environment = environments.first }
    if services.count == 1 { notice.service = services.first }
    return notice
  }
}

extension HoldSpec {
  /// Whether it waits for a person.
  fileprivate var isForPeople: Bool {
    switch self {
    case .promotion: true
    case .time, .verdict: false
    }
  }
}

extension ChannelSpec {
  /// What it wants to hear of.
  public var selection: NoticeSelection {
    NoticeSelection(
      kinds: events.compactMap(Notice.Kind.init(rawValue:)), teams: teams,
      environments: environments, services: services ?? [])
  }
}

extension NoticeSelection {
  /// What is shown beside a commit.
  static let forge = NoticeSelection(
    kinds: [
      .commitAccepted, .releaseBuilt, .commitDropped, .rolloutBegan, .rolloutFinished, .rolledBack,
      .gateFailed, .incident,
    ])
}
