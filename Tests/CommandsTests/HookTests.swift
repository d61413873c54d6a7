import ControlProtocol
import Foundation
import SegueModel
import Synchronization
import Testing

@testable import Commands

@Suite struct HookTests {
  private static let old = String(repeating: "a", count: 40)
  private static let new = Samples.commit.id.rawValue
  private static let none = String(repeating: "0", count: 40)

  @Test func gitsLinesAreRead() {
    let input = """
      \(Self.old) \(Self.new) refs/heads/main
      \(Self.none) \(Self.new) refs/tags/v1 with a space
      \(Self.old) \(Self.none) refs/heads/feature/a
      nonsense
      \(Self.old) short refs/heads/main
      \(Self.old) \(Self.new)
      """
    let updates = RefUpdate.parse(input)
    #expect(updates.map(\.branch) == ["main", nil, "feature/a"])
    #expect(updates.map(\.isDeletion) == [false, false, true])
    #expect(updates.first?.new == Samples.commit.id)
  }

  @Test func aPushIsReportedToItsEnd() async throws {
    let pushed = Mutex<[PushedRequest]>([])
    let api = ScriptedAPI(
      items: { _ in
        .open([
          Samples.item(4), Samples.item(5, .failure, "commit", "refused", final: true),
        ])
      },
      onPush: { request in pushed.withLock { $0.append(request) } })
    let outcome = try await segue(
      "hook", "post-receive", api: api,
      input: "\(Self.old) \(Self.new) refs/heads/main\n")
    // A hook's status cannot undo the push.
    #expect(outcome.status == .success)
    #expect(outcome.output.contains("step test: passed in 3.2 s (212 tests)"))
    #expect(outcome.output.contains("commit: refused"))
    #expect(
      pushed.withLock { $0 } == [
        PushedRequest(branch: "main", commit: Samples.commit.id, who: "ana")
      ])
  }

  @Test func otherBranchesAreNotDeployedAndSaySo() async throws {
    let api = ScriptedAPI(onPush: { _ in Issue.record("nothing was pushed to the deploy branch") })
    let outcome = try await segue(
      "hook", "post-receive", api: api,
      input: """
        \(Self.old) \(Self.new) refs/heads/feature
        \(Self.none) \(Self.new) refs/tags/v1

        """)
    #expect(outcome.status == .success)
    #expect(
      outcome.output == """
        segue: feature is kept, and not deployed: main is the deploy branch
        segue: refs/tags/v1 is kept, and not deployed: main is the deploy branch

        """)
  }

  @Test func withoutAControlPlaneThePushIsKept() async throws {
    let api = ScriptedAPI(failure: ControlError(.unreachable, "It is not running"))
    let outcome = try await segue(
      "hook", "post-receive", api: api, input: "\(Self.old) \(Self.new) refs/heads/main\n")
    #expect(outcome.status == .success)
    #expect(outcome.output.contains("pick this push up when it starts"))
  }

  @Test func aControlPlaneThatRefusesDoesNotFailThePush() async throws {
    let api = ScriptedAPI(
      statusReply: { throw ControlError(.failed, "The journal is damaged") })
    let outcome = try await segue(
      "hook", "post-receive", api: api, input: "\(Self.old) \(Self.new) refs/heads/main\n")
    #expect(outcome.status == .success)
    #expect(outcome.errors.contains("The journal is damaged"))
  }

  @Test(arguments: [
    ("refs/heads/main", ExitStatus.negative), ("refs/heads/feature", .success),
    ("refs/tags/main", .success),
  ])
  func theDeployBranchCannotBeDeleted(ref: String, status: ExitStatus) async throws {
    let input = "\(Self.old) \(Self.none) \(ref)\n"
    let named = try await segue("hook", "pre-receive", "--branch", "main", input: input)
    #expect(named.status == status)
    let asked = try await segue("hook", "pre-receive", input: input)
    #expect(asked.status == status)
    try await withDirectory { directory in
      try "ref: refs/heads/main\n".write(
        toFile: directory + "/HEAD", atomically: false, encoding: .utf8)
      let away = ScriptedAPI(failure: ControlError(.unreachable, "It is not running"))
      let found = try await segue(
        "hook", "pre-receive", api: away, environment: ["GIT_DIR": "."], directory: directory,
        input: input)
      #expect(found.status == status)
    }
  }

  /// What the policy says to a push.
  private final class Judge: Composition {
    let judgement: PushJudgement?
    let pushes = Mutex<[PushedRefs]>([])
    init(_ judgement: PushJudgement?) { self.judgement = judgement }

    func judge(_ push: PushedRefs) async throws -> PushJudgement {
      pushes.withLock { $0.append(push) }
      guard let judgement else { throw ControlError(.failed, "Git is not there") }
      return judgement
    }
    func serve(_ options: ServeOptions) async throws {}
    func proxy(_ options: ProxyOptions) async throws {}
    func upgradeProxy(state: String, controlSocket: String) async throws -> String { "" }
    func keepSockets() async throws {}
    func down(state: String) async throws -> String { "" }
  }

  @Test func whoeverPushesReadsWhyItIsRefusedAndWhatToDo() async throws {
    let remark = PushJudgement.Remark(what: "issue 2 is closed", nextStep: "Open it again")
    let input =
      "\(Self.old) \(Self.new) refs/heads/main\n\(Self.none) \(Self.new) refs/heads/fix/2\n"
      + "\(Self.none) \(Self.new) refs/tags/v1\n\(Self.old) \(Self.none) refs/heads/gone\n"
    let judge = Judge(PushJudgement(refusals: [remark]))
    let refused = try await segue(
      "hook", "pre-receive", composition: judge, environment: ["GIT_DIR": "."],
      directory: "/srv/remote.git", input: input)
    #expect(refused.status == .negative)
    #expect(
      refused.errors == """
        segue: issue 2 is closed
        segue:   Open it again
        segue: refused by the policy in segue.yaml; nothing was changed

        """)
    let push = try #require(judge.pushes.withLock { $0.first })
    #expect(
      push.updates == [
        .init(branch: "main", old: CommitID(Self.old), new: CommitID(Self.new)),
        .init(branch: "fix/2", old: nil, new: CommitID(Self.new)),
      ])
    #expect(push.deployBranch == "main")
    #expect(push.state == "/nowhere/state")
  }

  @Test func whatCannotBeJudgedNowIsLetIn() async throws {
    let input = "\(Self.old) \(Self.new) refs/heads/main\n"
    let remark = PushJudgement.Remark(what: "the tracker is down", nextStep: "Try again")
    let open = try await segue(
      "hook", "pre-receive", composition: Judge(PushJudgement(open: [remark])), input: input)
    #expect(open.status == .success)
    #expect(open.errors.contains("the tracker is down"))
    let broken = try await segue(
      "hook", "pre-receive", composition: Judge(nil), input: input)
    #expect(broken.status == .success)
    #expect(broken.errors.contains("It is checked again before a rollout"))
  }

  @Test func aPushToTheDeployBranchIsLetIn() async throws {
    let outcome = try await segue(
      "hook", "pre-receive", input: "\(Self.old) \(Self.new) refs/heads/main\n")
    #expect(outcome.status == .success)
    #expect(outcome.output.isEmpty)
  }
}
