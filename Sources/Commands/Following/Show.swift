internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// Where a follower's news go.
protocol Show: Sendable {
  var wantsStatus: Bool { get }
  /// How often ``tick()`` is wanted.
  var tickInterval: Duration? { get }
  func item(_ item: FeedItem) async throws
  func status(_ status: StatusReply) async throws
  func tick() async throws
  /// The control plane went away, for this reason; `nil`: it is back.
  func lost(_ reason: String?) async throws
  /// Nothing more will be shown.
  func close() async throws
}

/// One line for each thing that happens.
struct PlainShow: Show {
  let console: Console
  var zone: TimeZone = .current
  var wantsStatus: Bool { false }
  var tickInterval: Duration? { nil }

  func item(_ item: FeedItem) async throws {
    try await console.print([FeedText.line(item, zone: zone)])
  }
  func status(_ status: StatusReply) async throws {}
  func tick() async throws {}
  func lost(_ reason: String?) async throws {
    await console.printError(reason.map { "segue: \($0)" } ?? "segue: the control plane is back")
  }
  func close() async throws {}
}

/// Nothing at all: only the end counts.
struct SilentShow: Show {
  var wantsStatus: Bool { false }
  var tickInterval: Duration? { nil }

  func item(_ item: FeedItem) async throws {}
  func status(_ status: StatusReply) async throws {}
  func tick() async throws {}
  func lost(_ reason: String?) async throws {}
  func close() async throws {}
}

/// One JSON document a line.
struct JSONShow: Show {
  let console: Console
  var wantsStatus: Bool { false }
  var tickInterval: Duration? { nil }

  func item(_ item: FeedItem) async throws { try await console.print(JSONText.line(item)) }
  func status(_ status: StatusReply) async throws {}
  func tick() async throws {}
  func lost(_ reason: String?) async throws {}
  func close() async throws {}
}

/// The live view on a terminal.
actor LiveShow: Show {
  private let console: Console
  private let view: LiveView
  private var state: LiveState
  private var painter = Painter()

  nonisolated var wantsStatus: Bool { true }
  nonisolated var tickInterval: Duration? { .milliseconds(125) }

  init(console: Console, commit: CommitID?, footer: String) {
    self.console = console
    view = LiveView(glyphs: console.glyphs, zone: .current, footer: footer)
    state = LiveState(commit: commit, now: .now)
  }

  /// What was decided about the commit, if anything was.
  var fate: FeedItem? { state.fate }

  func item(_ item: FeedItem) { state.append(item) }
  func status(_ status: StatusReply) { state.status = status }
  func lost(_ reason: String?) { state.lost = reason }

  func tick() async throws {
    state.tick += 1
    try await paint()
  }

  func close() async throws { try await paint() }

  private func paint() async throws {
    state.now = .now
    let (columns, rows) = console.size
    let lines = view.lines(state, columns: columns, rows: rows - 1)
    let bytes = painter.paint(lines, columns: columns, color: console.color)
    try await console.write(bytes)
  }
}

extension Instant {
  /// The wall clock. Only what is shown to people asks it here.
  static var now: Instant {
    Instant(milliseconds: Int64((Date().timeIntervalSince1970 * 1_000).rounded(.down)))
  }
}
