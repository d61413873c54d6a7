internal import ArgumentParser
internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// What Git runs in the repository that people push to.
struct HookCommand: Verb {
  enum Moment: String, ExpressibleByArgument, CaseIterable {
    case preReceive = "pre-receive"
    case postReceive = "post-receive"
  }

  static let configuration = CommandConfiguration(
    commandName: "hook",
    abstract: "Answer a push; Git runs this in Segue's own repository.",
    discussion: """
      Reads Git's `old new ref` lines from standard input. What it prints, `git push` shows. The \
      pusher's Ctrl-C ends the report, never the rollout.
      """)

  @OptionGroup var common: CommonOptions
  @Argument(help: "pre-receive or post-receive.")
  var moment: Moment
  @Option(
    help: "The deploy branch. Default: what the control plane says, else the repository's HEAD.")
  var branch: String?

  func run(in context: Context) async throws -> ExitStatus {
    let updates = RefUpdate.parse(await context.input())
    let console = context.console(color: false)
    switch moment {
    case .preReceive: return try await preReceive(updates, context, console)
    case .postReceive:
      do {
        return try await postReceive(updates, context, console)
      } catch let error as ControlError {
        // The push is done, whatever became of the report.
        await console.printError(ReportText.error(error))
        return .success
      }
    }
  }

  private func preReceive(
    _ updates: [RefUpdate], _ context: Context, _ console: Console
  ) async throws -> ExitStatus {
    guard !updates.isEmpty else { return .success }
    var deployed = branch
    if deployed == nil { deployed = try await runningBranch(context) }
    if deployed == nil { deployed = Self.head(context) }
    guard let deployed else { return .success }
    if updates.contains(where: { $0.isDeletion && $0.branch == deployed }) {
      await console.printError(
        "segue: \(deployed) is what is deployed; it cannot be deleted. Nothing was changed")
      return .negative
    }
    return await judge(updates, deployed, context, console)
  }

  /// What the policy says. A push that nobody can judge now is let in: before a rollout it is judged
  /// again.
  private func judge(
    _ updates: [RefUpdate], _ deployed: String, _ context: Context, _ console: Console
  ) async -> ExitStatus {
    let folder = context.environment["GIT_DIR"] ?? "."
    let repository = URL(
      filePath: folder, relativeTo: URL(filePath: context.directory + "/")
    ).standardizedFileURL.path(percentEncoded: false)
    let judgement: PushJudgement
    do {
      judgement = try await context.composition.judge(
        PushedRefs(
          updates: updates.compactMap(\.pushed), deployBranch: deployed, repository: repository,
          state: try context.state(common), environment: context.environment))
    } catch {
      await console.printError(
        "segue: the policy could not be checked: \(error). It is checked again before a rollout")
      return .success
    }
    for remark in judgement.refusals + judgement.open {
      await console.printError("segue: \(remark.what)\nsegue:   \(remark.nextStep)")
    }
    guard !judgement.refusals.isEmpty else { return .success }
    await console.printError("segue: refused by the policy in segue.yaml; nothing was changed")
    return .negative
  }

  private func postReceive(
    _ updates: [RefUpdate], _ context: Context, _ console: Console
  ) async throws -> ExitStatus {
    let pushed = updates.filter { !$0.isDeletion }
    guard !pushed.isEmpty else { return .success }
    return try await context.withAPI(common) { [branch] api in
      let deployed: String
      do {
        let status = try await api.status()
        deployed = branch ?? status.deployBranch
      } catch let error as ControlError where error.kind == .unreachable {
        try await console.print(
          "segue: the control plane is not running. It will pick this push up when it starts: "
            + "`segue up`")
        return .success
      }
      for update in pushed where update.branch != deployed {
        try await console.print(
          "segue: \(update.branch ?? update.ref) is kept, and not deployed: "
            + "\(deployed) is the deploy branch")
      }
      guard let update = pushed.first(where: { $0.branch == deployed }) else { return .success }
      let reply = try await api.pushed(
        PushedRequest(branch: deployed, commit: update.new, who: context.who))
      let presentation = Presentation(json: false, plain: true, console: console)
      try await presentation.say("segue: \(reply.message)")
      guard reply.accepted else { return .success }
      _ = try await FateWatch(
        api: api, presentation: presentation, interrupts: AsyncStream { _ in }
      ).run(reply)
      return .success
    }
  }

  private func runningBranch(_ context: Context) async throws -> String? {
    let found = FoundBranch()
    _ = try? await context.withAPI(common) { api in
      await found.set(try await api.status().deployBranch)
      return .success
    }
    return await found.branch
  }

  private actor FoundBranch {
    var branch: String?
    func set(_ branch: String) { self.branch = branch }
  }

  /// The branch that the repository's HEAD names.
  private static func head(_ context: Context) -> String? {
    let folder = context.environment["GIT_DIR"] ?? "."
    let url = URL(filePath: folder + "/HEAD", relativeTo: URL(filePath: context.directory + "/"))
    guard let text = try? String(contentsOf: url, encoding: .utf8) else { return nil }
    let prefix = "ref: refs/heads/"
    let name = text.trimmingCharacters(in: .whitespacesAndNewlines)
    return name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
  }
}

/// One line that Git gives to a receive hook (githooks(5)): `<old> SP <new> SP <ref>`.
struct RefUpdate: Equatable, Sendable {
  var old: CommitID
  var new: CommitID
  var ref: String

  /// The name of the branch; `nil` for a tag or anything else.
  var branch: String? {
    let prefix = "refs/heads/"
    return ref.hasPrefix(prefix) ? String(ref.dropFirst(prefix.count)) : nil
  }

  /// Git writes a name of zeros for what is not there.
  var isDeletion: Bool { Self.isNothing(new) }

  private static func isNothing(_ id: CommitID) -> Bool { id.rawValue.allSatisfy { $0 == "0" } }

  /// `nil` for what is no branch, or is deleted.
  var pushed: PushedRefs.Update? {
    guard let branch, !isDeletion else { return nil }
    return PushedRefs.Update(branch: branch, old: Self.isNothing(old) ? nil : old, new: new)
  }

  /// Lines that are no such line are left out.
  static func parse(_ input: String) -> [RefUpdate] {
    input.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, isName(parts[0]), isName(parts[1]), !parts[2].isEmpty else {
        return nil
      }
      return RefUpdate(
        old: CommitID(String(parts[0])), new: CommitID(String(parts[1])), ref: String(parts[2]))
    }
  }

  private static func isName(_ text: Substring) -> Bool {
    (text.utf8.count == 40 || text.utf8.count == 64) && text.allSatisfy(\.isHexDigit)
  }
}
