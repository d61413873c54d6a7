import SegueModel

/// The answers of the calendar, as a person would say them.
extension RolloutCalendar {
  /// What a person can do who cannot wait; the command line knows these commands.
  private static let goAnyway = "To go anyway: segue deploy --override \"reason\""

  func refusal(
    _ question: StartQuestion, _ obstacles: [CalendarObstacle], next: Instant?
  ) -> String {
    var parts = obstacles.map { text($0, in: question.environment) }
    let zone = zone(for: obstacles)
    if let next {
      parts.append("Next moment: \(MomentText.full(next, in: zone)).")
    } else {
      parts.append("In the next \(Self.horizon.count / 86_400_000) days no moment comes.")
    }
    let guards = obstacles.compactMap {
      if case .cutOff(let milestone) = $0 { milestone } else { nil }
    }
    if guards.isEmpty {
      if next == nil { parts += endless(obstacles) }
      parts.append(Self.goAnyway)
    } else {
      let names = guards.map { "--milestone \(Wording.argument($0.name))" }
      let release = question.release.map { " \($0)" } ?? " RELEASE"
      parts.append(
        "To let it in, one of them runs: segue approve\(release) \(names.joined(separator: " "))")
    }
    return parts.joined(separator: " ")
  }

  /// How to end the freezes that end in no other way.
  private func endless(_ obstacles: [CalendarObstacle]) -> [String] {
    obstacles.compactMap { obstacle in
      guard case .frozen(let freeze, nil) = obstacle, freeze.setBy != nil else { return nil }
      return "To end the freeze: segue freeze --lift \(freeze.id)."
    }
  }

  func openSentence(_ question: StartQuestion, until: Instant?) -> String {
    let now = TimeSpan(start: question.at, end: question.at + Milliseconds(1))
    let here = question.environment
    let window = windows.first {
      $0.environments.contains(here) && !$0.pattern.occurrences(in: now, to: .allow).isEmpty
    }
    let freeze = freezes.first { $0.environments.contains(here) }
    let zone = window?.pattern.zone ?? freeze?.pattern.zone ?? .utc
    let end = until.map { ", until \(MomentText.full($0, in: zone))" } ?? ""
    guard let window else {
      return "May start: \(question.environment) has no windows, and nothing is frozen\(end)."
    }
    return "May start: the window \(window.pattern.text) is open\(end)."
  }

  func overrideSentence(
    _ question: StartQuestion, _ obstacles: [CalendarObstacle], _ lifting: CalendarOverride
  ) -> String {
    let until = MomentText.full(lifting.until, in: zone(for: obstacles))
    return "May start in spite of the calendar until \(until): \(lifting.by) says "
      + "\(Wording.quoted(lifting.reason)). Without that: "
      + obstacles.map { text($0, in: question.environment) }.joined(separator: " ")
  }

  /// The clock by which the answer's moments are told: that of what stands in the way.
  private func zone(for obstacles: [CalendarObstacle]) -> TimeZoneRules {
    switch obstacles.first {
    case .frozen(let freeze, _): freeze.pattern.zone
    case .outsideWindows(let windows, _): windows.first?.pattern.zone ?? .utc
    case .cutOff(let milestone): milestone.zone
    case nil: .utc
    }
  }

  private func text(_ obstacle: CalendarObstacle, in environment: EnvironmentName) -> String {
    switch obstacle {
    case .frozen(let freeze, let until):
      let end =
        until.map { " until \(MomentText.full($0, in: freeze.pattern.zone))" }
        ?? (freeze.pattern.isRecurring ? "" : ", with no end set")
      let source =
        freeze.setBy.map { "set by \($0), \(freeze.id)" } ?? "\(freeze.id) in segue.yaml"
      return "Frozen\(end): \(Wording.quoted(freeze.reason)) (\(source))."
    case .outsideWindows(let windows, let opens):
      let texts = Wording.list(windows.prefix(3).map(\.pattern.text), "and")
      let more = windows.count > 3 ? " and \(windows.count - 3) more" : ""
      let never = opens == nil ? ", which do not open in the next 400 days" : ""
      return "Outside the windows of \(environment) (\(texts)\(more))\(never)."
    case .cutOff(let milestone):
      let since = MomentText.full(milestone.cutOff, in: milestone.zone)
      let end = milestone.reached.map { " until \(MomentText.full($0, in: milestone.zone))" } ?? ""
      return "Past the cut-off of the milestone \(Wording.quoted(milestone.name)) since \(since): "
        + "only \(milestone.gatekeepers.text) may let a change in\(end)."
    }
  }
}

extension Wording {
  /// What somebody can paste into a shell: as it is, or in single quotes.
  static func argument(_ text: String) -> String {
    let isPlain = text.unicodeScalars.allSatisfy {
      $0.isASCII && ($0.properties.isAlphabetic || "0123456789._-".unicodeScalars.contains($0))
    }
    guard !isPlain || text.isEmpty else { return text }
    return "'"
      + text.split(separator: "'", omittingEmptySubsequences: false)
      .joined(separator: #"'\''"#) + "'"
  }
}
