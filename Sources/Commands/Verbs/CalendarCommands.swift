internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SegueModel

struct FreezeCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "freeze",
    abstract: "Let no rollout start for a while, or list what does not.",
    discussion: """
      What has begun is finished, and a rollback is always possible. A freeze wins over every \
      window; a single commit goes in spite of it with `segue deploy --override "reason"`. Without \
      options it lists the freezes that hold or will.

      Times are a date, a date and a time of day, either with a time zone at its end, or a length of \
      time from now on: 2026-12-24, "2026-12-24 18:00 Europe/Paris", 8h.

      EXAMPLES:
        segue freeze --reason "the database is being moved"
        segue freeze --environment production --until 8h --reason "trade fair"
        segue freeze --from 2026-12-24 --until 2027-01-01 --reason "nobody is here"
        segue freeze --lift freeze-3
      """)

  @OptionGroup var common: CommonOptions
  @Option(name: [.customShort("e"), .long], help: "Only in this environment.")
  var environment: String?
  @Option(help: ArgumentHelp("From when on. Default: now.", valueName: "time"))
  var from: String?
  @Option(help: ArgumentHelp("Until when. Default: until somebody lifts it.", valueName: "time"))
  var until: String?
  @Option(help: "Why; everybody who is held up reads it.")
  var reason: String?
  @Option(help: ArgumentHelp("End this freeze.", valueName: "id"))
  var lift: String?

  func validate() throws {
    if lift != nil, environment != nil || from != nil || until != nil || reason != nil {
      throw ValidationError("--lift goes with no other option: it ends a freeze that was set.")
    }
    if reason == nil, from != nil || until != nil {
      throw ValidationError("A freeze needs a reason: add --reason \"why\".")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    return try await context.withAPI(common) { [self] api in
      guard reason != nil || lift != nil else {
        let calendar = try await api.calendar(environment.map { EnvironmentName($0) })
        if common.json {
          try await console.print(JSONText.document(calendar.freezes))
        } else {
          try await console.printWhole(
            ReportText(glyphs: console.glyphs, zone: .current).freezes(calendar))
        }
        return .success
      }
      let reply: PeopleReply
      if let lift {
        reply = try await api.lift(LiftRequest(freeze: lift, who: context.who))
      } else {
        reply = try await api.freeze(
          FreezeRequest(
            environment: environment.map { EnvironmentName($0) }, from: from, until: until,
            reason: reason ?? "", zone: context.zone, who: context.who))
      }
      try await console.print(reply, json: common.json)
      return .success
    }
  }
}

struct ApproveCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "approve",
    abstract: "Say yes or no to a release that waits for approval.",
    discussion: """
      Your name is the one you are logged in with; the teams in segue.yaml say whether it counts. A \
      release that waits begins by itself once nothing is missing. `segue explain` shows what is.

      EXAMPLES:
        segue approve
        segue approve 1a2b3c4d --environment production --note "looked at the prices"
        segue approve --no --note "wrong tax"
        segue approve --withdraw
        segue approve --milestone beta
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "A release or commit. Default: the one that waits, else the newest.")
  var release: String?
  @Option(
    name: [.customShort("e"), .long],
    help: "For this environment. Default: the only one that asks for approvals.")
  var environment: String?
  @Flag(help: "Say no: the release does not start until you take that back.")
  var no = false
  @Flag(help: "Take back what you said.")
  var withdraw = false
  @Option(
    help: ArgumentHelp("Let it in after the cut-off of this milestone.", valueName: "name"))
  var milestone: String?
  @Option(help: "What others should know.")
  var note: String?

  func validate() throws {
    if no, withdraw { throw ValidationError("Say --no or --withdraw, not both.") }
    if milestone != nil, no || withdraw || environment != nil {
      throw ValidationError("--milestone goes with none of --no, --withdraw and --environment.")
    }
    if let note, note.utf8.count > 500 {
      throw ValidationError("--note may have at most 500 octets.")
    }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let request = ApproveRequest(
      release: release, environment: environment.map { EnvironmentName($0) },
      word: withdraw ? .withdraw : no ? .no : .yes, milestone: milestone, note: note,
      who: context.who)
    let console = context.console(common)
    return try await context.withAPI(common) { [json = common.json] api in
      try await console.print(try await api.approve(request), json: json)
      return .success
    }
  }
}

struct CalendarCommand: Verb {
  static let configuration = CommandConfiguration(
    commandName: "calendar",
    abstract: "Show when rollouts may start, or write it for calendar programs.",
    discussion: """
      With --ics it writes windows, freezes, milestones, past rollouts and what is planned as \
      iCalendar (RFC 5545). Run from cron into a folder that a web server shows, it is a calendar to \
      subscribe to.

      EXAMPLES:
        segue calendar
        segue calendar --environment production --json
        segue calendar --ics /var/www/shop.ics
      """)

  @OptionGroup var common: CommonOptions
  @Option(name: [.customShort("e"), .long], help: "Only this environment.")
  var environment: String?
  @Option(help: ArgumentHelp("Write iCalendar to this file; - prints it.", valueName: "file"))
  var ics: String?

  func validate() throws {
    if ics != nil, common.json { throw ValidationError("Say --ics or --json, not both.") }
  }

  func run(in context: Context) async throws -> ExitStatus {
    let console = context.console(common)
    return try await context.withAPI(common) { [self] api in
      let environment = environment.map { EnvironmentName($0) }
      if let ics {
        let text = try await api.calendarFeed(environment)
        guard ics != "-" else {
          try await console.write(text)
          return .success
        }
        do {
          let url = URL(filePath: ics, relativeTo: URL(filePath: context.directory + "/"))
          try Data(text.utf8).write(to: url, options: .atomic)
        } catch {
          throw ControlError(
            .failed, "the calendar cannot be written to \(ics)", causes: ["\(error)"])
        }
        return .success
      }
      let calendar = try await api.calendar(environment)
      if common.json {
        try await console.print(JSONText.document(calendar))
      } else {
        try await console.printWhole(
          ReportText(glyphs: console.glyphs, zone: .current).calendar(calendar))
      }
      return .success
    }
  }
}

extension Context {
  /// By whose clock times without a zone are meant: an IANA name.
  var zone: String {
    let name = environment["TZ"].map { $0.hasPrefix(":") ? String($0.dropFirst()) : $0 }
    return name.flatMap { $0.isEmpty ? nil : $0 } ?? TimeZone.current.identifier
  }
}

extension Console {
  fileprivate func print(_ reply: PeopleReply, json: Bool) async throws {
    if json {
      try await print(JSONText.line(reply))
    } else {
      try await printWhole([Line(reply.message)])
    }
  }
}
