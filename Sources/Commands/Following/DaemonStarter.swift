internal import ControlProtocol
internal import Foundation
internal import SegueModel

/// Sees to it that a control plane answers, and starts one if none does.
struct DaemonStarter: Sendable {
  var context: Context
  var options: ServeOptions
  var presentation: Presentation
  /// From the start of the process to its first answer.
  var deadline: Duration = .seconds(60)

  private static let interval = Duration.milliseconds(100)
  private static let shownLogLines = 20

  /// - Parameter expectsListen: Whether the address was asked for, so that another one is worth a
  ///   word.
  func ensureRunning(expectsListen: Bool) async throws {
    if let status = try await answer() {
      if expectsListen, status.proxy.address != "\(options.listen)" {
        await presentation.console.printError(
          "segue: the control plane runs already, and listens on \(status.proxy.address); "
            + "--listen \(options.listen) has no effect")
      }
      return
    }
    let log = StateDirectory.log(in: options.state)
    let start = Self.size(of: log)
    try await presentation.say("starting the control plane (its log: \(log))")
    let process = try await context.composition.startDaemon(options, log: log)
    try await waitUntilReady(process: process, logFrom: start)
  }

  /// Polls until the control plane answers.
  ///
  /// - Throws: ``ControlError`` of kind `failed`, with the end of the log, when `process` ends first;
  ///   of kind `unreachable` when the deadline passes.
  func waitUntilReady(process: DaemonProcess?, logFrom start: UInt64 = 0) async throws {
    let begin = ContinuousClock.now
    var tick = 0
    while true {
      if try await answer() != nil { return try await clearProgress() }
      if let process, let status = process.exitStatus() {
        try await clearProgress()
        throw died(status, logFrom: start)
      }
      let waited = ContinuousClock.now - begin
      guard waited < deadline else {
        try await clearProgress()
        throw ControlError(
          .unreachable,
          "the control plane did not answer within \(Milliseconds(deadline))",
          causes: logTail(from: start),
          nextStep: "See \(StateDirectory.log(in: options.state))")
      }
      tick += 1
      try await showProgress(tick, waited)
      try await Task.sleep(for: Self.interval)
    }
  }

  /// `nil` when nobody answers.
  private func answer() async throws -> StatusReply? {
    let found = Found()
    do {
      _ = try await context.connect(options.controlSocket) { api in
        await found.set(try await api.status())
        return .success
      }
    } catch let error as ControlError where error.kind == .unreachable {
      return nil
    }
    return await found.status
  }

  private actor Found {
    var status: StatusReply?
    func set(_ status: StatusReply) { self.status = status }
  }

  private func showProgress(_ tick: Int, _ waited: Duration) async throws {
    guard presentation.console.isTerminal, !presentation.json else { return }
    let sign = presentation.console.glyphs.spin(tick)
    let seconds = waited.components.seconds
    try await presentation.console.write("\r\u{1b}[2K\(sign) waiting for it, \(seconds) s")
  }

  private func clearProgress() async throws {
    guard presentation.console.isTerminal, !presentation.json else { return }
    try await presentation.console.write("\r\u{1b}[2K")
  }

  private func died(_ status: Int32, logFrom start: UInt64) -> ControlError {
    let how = status < 0 ? "was killed by signal \(-status)" : "exited with status \(status)"
    return ControlError(
      .failed, "the control plane \(how) before it answered", causes: logTail(from: start),
      nextStep: "`segue doctor` looks for the usual reasons")
  }

  /// The last lines that were written since `start`.
  private func logTail(from start: UInt64) -> [String] {
    let path = StateDirectory.log(in: options.state)
    guard let file = FileHandle(forReadingAtPath: path) else { return [] }
    defer { try? file.close() }
    let end = (try? file.seekToEnd()) ?? 0
    let limit: UInt64 = 64 * 1024
    let from = max(start, end > limit ? end - limit : 0)
    try? file.seek(toOffset: min(from, end))
    let data = (try? file.read(upToCount: Int(limit))) ?? Data()
    return String(decoding: data, as: UTF8.self).split(separator: "\n")
      .suffix(Self.shownLogLines).map { Printable.text(String($0)) }
  }

  private static func size(of path: String) -> UInt64 {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
  }
}
