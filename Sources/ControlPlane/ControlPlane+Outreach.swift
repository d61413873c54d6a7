import Ports
import SegueModel

/// Who is told what happens, by channels and by the forge.
extension ControlPlane {
  /// Between two looks at the journal.
  private static let outreachInterval = Milliseconds(250)

  /// Promises notices of what was recorded, and shows which channels cannot be reached. Nothing waits
  /// for it.
  func keepOutreach() async {
    while !Task.isCancelled {
      do throws(PortError) {
        let hasPromised = try await notices.catchUp()
        if let wishes = await notices.wishes {
          await world.outreach?.want(wishes, from: notices)
          try await notices.forget(allBut: wishes.channelNames)
        }
        if hasPromised { await world.outreach?.wake() }
        troubles["notices"] = nil
      } catch {
        note("notices", "\(error)")
      }
      await show("channel ", await world.outreach?.problems() ?? [:])
      if let trouble = try? pipeline.policy.trouble {
        note("policy", trouble)
      } else {
        troubles["policy"] = nil
      }
      try? await world.time.sleep(for: Self.outreachInterval)
    }
  }

  /// What is wrong now with the subjects that begin so.
  private func show(_ kind: String, _ problems: [String: String]) async {
    for subject in troubles.keys where subject.hasPrefix(kind) {
      if problems[String(subject.dropFirst(kind.count))] == nil { troubles[subject] = nil }
    }
    for (name, problem) in problems { note(kind + name, problem) }
  }
}

extension ControlPlane {
  /// Looks for a new head of the deploy branch now, because somebody says that there is one.
  public func sourceChanged() async {
    guard (try? pipeline) != nil else { return }
    await lookAtSource()
  }

  /// Takes up the newest commit of the deploy branch, once, however often it is seen.
  func lookAtSource() async {
    // One at a time: each takes up what it finds.
    await looking.withTurn {
      do throws(PortError) {
        try await world.source.refresh()
        if let head = try await world.source.head(of: settings.deployBranch),
          head.id != watchedHead
        {
          if catalogue.record(of: head.id) == nil {
            try await accept(head, by: "watch of \(settings.deployBranch)")
          }
          watchedHead = head.id
        }
        troubles["source"] = nil
      } catch {
        note("source", "\(error)")
      }
    }
  }
}

extension OutreachWishes {
  fileprivate var channelNames: Set<ChannelName> {
    var names = Set(channels.map { ChannelName($0.name) })
    if forge?.token != nil { names.insert(.forge) }
    return names
  }
}
