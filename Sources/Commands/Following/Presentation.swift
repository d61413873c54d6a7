internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// How a command that goes on shows it.
struct Presentation: Sendable {
  var json: Bool
  var plain: Bool
  var console: Console

  /// Whether there is a live view.
  var isLive: Bool { console.isTerminal && !plain && !json }

  func show(commit: CommitID?, footer: String) -> any Show {
    if json { return JSONShow(console: console) }
    guard isLive else { return PlainShow(console: console) }
    return LiveShow(console: console, commit: commit, footer: footer)
  }

  /// A sentence for people; nothing with `--json`.
  func say(_ sentence: String) async throws {
    if !json { try await console.printWhole([Line(sentence)]) }
  }
}

/// Waits for a commit's fate and says how a command ends that did.
struct FateWatch: Sendable {
  var api: any ControlAPI
  var presentation: Presentation
  var interrupts: AsyncStream<Void>
  /// Go on after the decision, until Ctrl-C.
  var staysOn = false

  func run(_ deployed: DeployReply) async throws -> ExitStatus {
    // What is live already has no news to come: waiting for them would never end.
    guard deployed.accepted || staysOn else { return try await standing(of: deployed.commit) }
    let show = presentation.show(
      commit: deployed.commit, footer: "Ctrl-C leaves; the control plane goes on")
    let follower = Follower(api: api, show: show, interrupts: interrupts)
    let goal: Follower.Goal = staysOn ? .everything : .commit(deployed.commit)
    switch try await follower.follow(goal, after: deployed.sequence) {
    case .decided(let fate):
      try await tellReceipt(of: fate)
      return ExitStatus(fate: fate)
    case .held(let item):
      // The live view has room for its beginning only.
      if presentation.isLive { try await presentation.say("\(item.subject) \(item.text)") }
      try await presentation.say(
        "It begins by itself when it may: `segue status` shows it, `segue abort` drops it")
      return .refused
    case .complete, .rolloutsOver:
      return try await standing(of: deployed.commit)
    case .interrupted:
      if let fate = await (show as? LiveShow)?.fate { return ExitStatus(fate: fate) }
      if staysOn, !deployed.accepted { return try await standing(of: deployed.commit) }
      await presentation.console.printError(
        "segue: left; the control plane goes on with \(deployed.commit.short). "
          + "`segue watch` comes back to it, `segue abort` stops it")
      return .interrupted
    }
  }

  /// Whether the commit is what every service of some environment runs: nothing was to be done for it.
  private func standing(of commit: CommitID) async throws -> ExitStatus {
    let places = Dictionary(grouping: try await api.status().services, by: \.key.environment)
    let isLive = places.values.contains { services in
      services.allSatisfy { $0.live?.commit == commit }
    }
    return isLive || places.isEmpty ? .success : .negative
  }

  private func tellReceipt(of fate: FeedItem) async throws {
    guard let rollout = fate.rollout, !presentation.json,
      let receipt = try? await api.receipt(rollout)
    else { return }
    let text = ReceiptText(glyphs: presentation.console.glyphs, zone: .current)
    try await presentation.say(text.summary(receipt))
  }
}
