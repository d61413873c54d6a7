public import ControlProtocol
import Ports
import ReleaseCalendar
import RolloutEngine
import SegueModel

/// What people say about when something may start.
extension ControlPlane {
  /// How long an override holds, from when it was given: a build and the environments before may
  /// take their time.
  private static let overrideSpan = Milliseconds.minutes(24 * 60)

  // MARK: Freezes

  public func freeze(_ request: FreezeRequest) async throws -> PeopleReply {
    try await answering {
      let zone = try self.zone(request)
      if let environment = request.environment { try await self.check(environment) }
      let zones = self.world.zones
      let event = try await self.people.record { said, now in
        func moment(_ text: String, _ meaning: MomentText.Meaning) throws -> Instant {
          do throws(CalendarTextFault) {
            return try MomentText.moment(text, meaning: meaning, now: now, zone: zone, zones: zones)
          } catch {
            throw ControlError(.invalid, error.problem, nextStep: error.nextStep)
          }
        }
        do {
          return .freezeOrdered(
            try said.book.order(
              environments: EnvironmentChoice(request.environment.map { [$0] }),
              from: try request.from.map { try moment($0, .start) } ?? now,
              until: try request.until.map { try moment($0, .end) }, reason: request.reason,
              by: PersonName(request.who), at: now, zone: zone))
        } catch let refusal as CalendarRefusal {
          throw ControlError(refusal)
        }
      }
      guard case .freezeOrdered(let order) = event else { return PeopleReply(message: "") }
      let end =
        order.until.map { "until \(MomentText.full($0, in: zone))" } ?? "until somebody lifts it"
      let place = order.environments == .all ? "any environment" : order.environments.text
      return PeopleReply(
        freeze: order.id.rawValue,
        message: "\(order.id): no rollout starts in \(place) \(end); "
          + "what has begun is finished. To lift it: segue freeze --lift \(order.id)")
    }
  }

  public func lift(_ request: LiftRequest) async throws -> PeopleReply {
    try await answering {
      let configured = (self.catalogue.newestRelease?.spec.people?.freezes ?? []).map(\.name)
      let event = try await self.people.record { said, now in
        do throws(CalendarRefusal) {
          return .freezeLifted(
            try said.book.lift(
              FreezeID(request.freeze), by: PersonName(request.who), at: now,
              configured: configured.map { FreezeID($0) }))
        } catch {
          throw ControlError(error)
        }
      }
      guard case .freezeLifted(let lift) = event else { return PeopleReply(message: "") }
      self.converge.yield()
      return PeopleReply(
        freeze: lift.id.rawValue,
        message: "\(lift.id) is lifted; what waited for it begins by itself")
    }
  }

  /// By whose clock a request's times are meant; without any, no zone is needed.
  private nonisolated func zone(_ request: FreezeRequest) throws -> TimeZoneRules {
    do throws(ZoneFault) {
      return try world.zones.rules(named: request.zone)
    } catch {
      if request.from == nil, request.until == nil { return .utc }
      throw ControlError(.invalid, "\(error)")
    }
  }

  private func check(_ environment: EnvironmentName) throws {
    let names = knownEnvironments
    guard !names.contains(environment) else { return }
    throw ControlError(
      .notFound, "there is no environment \(environment)",
      nextStep: names.isEmpty
        ? "Nothing was built yet: leave --environment out, which means every one"
        : "There are: \(names.map(\.rawValue).joined(separator: ", "))")
  }

  /// By the newest release's word.
  private var knownEnvironments: [EnvironmentName] {
    catalogue.newestRelease?.spec.environments.map(\.name) ?? []
  }

  // MARK: Overrides

  /// Records that a commit may start in spite of windows and freezes.
  func override(_ commit: CommitID, by who: String, because reason: String) async throws {
    guard reason.contains(where: { !$0.isWhitespace }), reason.utf8.count <= 500 else {
      throw ControlError(
        .invalid, "an override needs a reason of at most 500 octets, because everybody reads it",
        nextStep: "Write --override \"why it cannot wait\"")
    }
    try await people.record { _, now in
      .calendarOverridden(
        CommitOverride(
          commit: commit,
          override: CalendarOverride(
            by: PersonName(who), reason: reason, from: now, until: now + Self.overrideSpan,
            environments: .all)))
    }
    converge.yield()
  }

  // MARK: Approvals

  public func approve(_ request: ApproveRequest) async throws -> PeopleReply {
    try await answering {
      let release = try await self.release(named: request.release)
      if let milestone = request.milestone {
        return try await self.admit(release, milestone, request)
      }
      let environment = try await self.environment(of: release, request.environment)
      let subject = await self.subject(release, environment)
      try await self.refuseVoice(of: PersonName(request.who), on: subject)
      let word: Approval.Word =
        switch request.word {
        case .yes: .yes
        case .no: .no
        case .withdraw: .withdrawn
        }
      if let note = request.note, note.utf8.count > 500 {
        throw ControlError(.invalid, "the note is longer than 500 octets")
      }
      try await self.people.record { said, now in
        if word == .withdrawn {
          let last = said.approvals.last {
            $0.by.rawValue == request.who && $0.release == release.id
              && $0.environment == environment
          }
          guard let last, last.word != .withdrawn else {
            throw ControlError(
              .refused, "\(request.who) has said nothing about \(release.id) in \(environment)",
              nextStep: "`segue explain \(release.id)` shows who has")
          }
        }
        return .approvalSaid(
          Approval(
            by: PersonName(request.who), word: word, release: release.id,
            environment: environment, at: now, note: request.note))
      }
      self.converge.yield()
      let answers = await self.gate.answers(subject)
      let rest = answers.reason ?? "Nothing else stands in the way of it in \(environment)."
      return PeopleReply(message: "recorded: \(request.word.rawValue) to \(release.id). \(rest)")
    }
  }

  private func release(named name: String?) throws -> Release {
    let waiting = name == nil ? heldStarts.last.flatMap { catalogue.record(of: $0.release) } : nil
    let found = name.map { catalogue.find($0) } ?? waiting
    if let release = found?.release { return release }
    guard let name else {
      guard let newest = catalogue.newestRelease else {
        throw ControlError(
          .notFound, "nothing was built yet that could be approved",
          nextStep: "Deploy with `segue deploy`")
      }
      return newest
    }
    guard let found else {
      throw ControlError(
        .notFound, "there is no release or commit \(name)",
        nextStep: "`segue history` lists those that there are")
    }
    throw ControlError(
      .refused, "\(found.acceptance.commit.id.short) has no release yet",
      nextStep: "Approve it once it is built; `segue explain \(name)` shows how far it is")
  }

  private func environment(of release: Release, _ wanted: EnvironmentName?) async throws
    -> EnvironmentName
  {
    var asking: [EnvironmentName] = []
    for environment in release.spec.environments.map(\.name)
    where !ApprovalRules(await subject(release, environment)).all.isEmpty {
      asking.append(environment)
    }
    let names = asking.map(\.rawValue).joined(separator: ", ")
    guard let wanted else {
      if asking.count == 1, let only = asking.first { return only }
      throw ControlError(
        .refused,
        asking.isEmpty
          ? "no environment of \(release.id) asks for approvals"
          : "several environments ask for approvals: \(names)",
        nextStep: asking.isEmpty
          ? "Set one up in segue.yaml: approval: { people: [ana] }" : "Say which with --environment"
      )
    }
    if asking.contains(wanted) { return wanted }
    throw ControlError(
      .refused, "\(wanted) asks for no approval of \(release.id)",
      nextStep: asking.isEmpty ? "No environment does" : "These do: \(names)")
  }

  private nonisolated func refuseVoice(
    of person: PersonName, on subject: StartSubject
  ) async throws {
    let rules = ApprovalRules(subject).all
    let everybody = rules.reduce(into: Set<PersonName>()) { $0.formUnion($1.everybody) }
    guard everybody.contains(person) else {
      let names = everybody.sorted().prefix(10).map(\.rawValue).joined(separator: ", ")
      throw ControlError(
        .refused, "\(person) is not among those whose word counts in \(subject.environment)",
        nextStep: "These are: \(names)")
    }
    let authors = await gate.authors(of: subject, for: rules)
    let mayApprove = rules.contains { rule in
      rule.everybody.contains(person)
        && !(rule.rule.excludesAuthors && rule.people(among: authors).contains(person))
    }
    guard mayApprove else {
      throw ControlError(
        .refused,
        "\(person) wrote a part of \(subject.release.id), and authors do not count in "
          + "\(subject.environment)", nextStep: "Ask somebody else to run `segue approve`")
    }
  }

  private func admit(_ release: Release, _ name: String, _ request: ApproveRequest) async throws
    -> PeopleReply
  {
    let calendar = RolloutCalendar(release.spec, zones: world.zones, at: world.time.now())
    guard let milestone = calendar.milestones.first(where: { $0.name == name }) else {
      let names = calendar.milestones.map(\.name).joined(separator: ", ")
      throw ControlError(
        .notFound, "\(release.id) knows no milestone \(name)",
        nextStep: names.isEmpty ? "Its segue.yaml has none" : "There are: \(names)")
    }
    let person = PersonName(request.who)
    guard request.word == .yes else {
      throw ControlError(
        .invalid, "what was let in past a milestone cannot be taken back",
        nextStep: "Stop its rollout with `segue abort`")
    }
    guard milestone.gatekeepers.contains(person, calendar.roster) else {
      throw ControlError(
        .refused, "\(person) may not let a change in past \(name)",
        nextStep: "Ask \(milestone.gatekeepers.text)")
    }
    try await people.record { _, _ in
      .changeAdmitted(MilestoneAdmission(by: person, milestone: name, release: release.id))
    }
    converge.yield()
    return PeopleReply(message: "\(release.id) may go in past the cut-off of \(name)")
  }

  /// A release in an environment, beside what is live there.
  func subject(_ release: Release, _ environment: EnvironmentName) async -> StartSubject {
    var oldest: Release?
    for state in await serviceStates(of: release, in: [environment]) {
      guard let live = state.live?.id, let found = catalogue.record(of: live)?.release else {
        continue
      }
      if found.height < oldest?.height ?? .max { oldest = found }
    }
    return StartSubject(release: release, environment: environment, live: oldest)
  }
}

extension ControlError {
  init(_ refusal: CalendarRefusal) {
    self.init(.refused, refusal.problem, nextStep: refusal.nextStep)
  }
}
