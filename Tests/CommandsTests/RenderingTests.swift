import ControlProtocol
import Foundation
import SegueModel
import Testing

@testable import Commands

@Suite struct RenderingTests {
  private let view = LiveView(glyphs: .unicode, zone: utc)

  private func live(_ status: StatusReply?, events: Int64 = 0) -> LiveState {
    var state = LiveState(status: status, now: moment(0))
    for number in 0..<events { state.append(Samples.item(number)) }
    return state
  }

  @Test func thePipelineWhileItRuns() throws {
    let state = live(Samples.status(pipeline: Samples.runningPipeline), events: 2)
    try expectGolden("live-pipeline", view.lines(state, columns: 100, rows: 40))
  }

  @Test func aRefusedPipelineAndProblemsInColour() throws {
    var state = live(
      Samples.status(
        pipeline: Samples.refusedPipeline, problems: ["The proxy was started 3 times"],
        proxyRuns: false))
    state.commit = Samples.commit.id
    state.append(
      Samples.item(5, .failure, "commit", "refused: step test failed", final: true))
    try expectGolden(
      "live-refused", view.lines(state, columns: 100, rows: 40), color: true)
  }

  @Test func aRolloutWithItsInstances() throws {
    let status = Samples.status(services: [Samples.service(rollout: Samples.rollout())])
    try expectGolden("live-rollout", view.lines(live(status), columns: 100, rows: 40))
  }

  @Test func everythingThatCanGoOnAtOnce() throws {
    let status = Samples.status(services: [Samples.busyService()])
    try expectGolden("live-canary", view.lines(live(status), columns: 100, rows: 40))
    var paused = Samples.canary
    paused.wait = WaitStatus(.pause, until: moment(86_400), by: "ana", reason: "lunch")
    let busy = Samples.status(services: [Samples.busyService(paused)])
    try expectGolden(
      "live-paused", view.lines(live(busy), columns: 100, rows: 40), color: true)
    let text = ReportText(glyphs: .unicode, zone: utc)
    try expectGolden("status-canary", text.status(status), width: 120)
  }

  @Test func whatWaitsIsToldWhole() throws {
    var status = Samples.status(services: [Samples.service()])
    status.waiting = [Samples.held]
    try expectGolden("live-held", view.lines(live(status), columns: 60, rows: 40))
    #expect(Words.wrapped("a bc  def\u{1b}[1m ghijklmnop", to: 6) == ["a bc", "def", "ghijklmnop"])
  }

  @Test func aRollbackInASmallTerminalWithoutUnicode() throws {
    var view = view
    view.glyphs = .ascii
    let service = Samples.service(rollout: Samples.rollout(direction: "back"), unavailable: 4)
    let status = Samples.status(pipeline: Samples.runningPipeline, services: [service])
    let lines = view.lines(live(status, events: 9), columns: 60, rows: 18)
    #expect(lines.count <= 18)
    try expectGolden("live-small", lines, width: 60)
  }

  @Test(arguments: 1...45)
  func theViewNeverHasMoreLinesThanTheTerminal(rows: Int) {
    let service = Samples.service(rollout: Samples.rollout())
    let status = Samples.status(
      pipeline: Samples.runningPipeline, services: [service, service], problems: ["a", "b"])
    let lines = view.lines(live(status, events: 50), columns: 80, rows: rows)
    #expect(lines.count <= rows)
    #expect(lines.last?.text.contains("Ctrl-C") == true)
  }

  @Test func beforeTheFirstAnswerAndAfterTheLast() throws {
    var state = live(nil)
    state.lost = "the control plane is not running; waiting for it to come back"
    state.tick = 3
    try expectGolden("live-lost", view.lines(state, columns: 100, rows: 40))
  }

  @Test func onlyTheAwaitedCommitsEndIsItsFate() {
    var state = live(nil)
    state.commit = "ffff"
    state.append(Samples.item(1, final: true))
    #expect(state.fate == nil)
    state.commit = Samples.commit.id
    state.append(Samples.item(2))
    #expect(state.fate == nil)
    state.append(Samples.item(3, final: true))
    #expect(state.fate?.sequence == 3)
  }

  @Test func experiments() throws {
    let text = ExperimentText(glyphs: .ascii, zone: utc)
    var reply = Samples.experiment
    try expectGolden("experiment", text.lines(reply))
    reply.isRunning = false
    reply.endsAt = nil
    reply.result = ExperimentLine(
      state: .splitBroken, sentence: "the units were not split as intended", end: .date,
      variants: reply.result.variants, rows: [], uncounted: 1)
    try expectGolden("experiment-broken", text.lines(reply), color: true)
    for (number, words) in [
      (0 as Int64, "0"), (1, "0.000001"), (-131_943, "-0.132"), (999_999, "1"),
      (12_504_000, "12.5"), (1_234_567_890_000, "1,234,567.89"), (.min, "-9,223,372,036,854.78"),
    ] {
      #expect(ExperimentText.number(number) == words)
    }
    for (number, words) in [(0 as Int64, "0.0 %"), (499, "0.0 %"), (-12_400, "-1.2 %")] {
      #expect(ExperimentText.percent(number) == words)
    }
  }

  @Test func receipts() throws {
    let text = ReceiptText(glyphs: .unicode, zone: utc)
    try expectGolden("receipt-live", text.lines(Samples.receipt()))
    try expectGolden("receipt-full", text.lines(Samples.fullReceipt))
    var incident = Samples.receipt(outcome: .incident, reason: "the way back was not finished")
    incident.kind = "rollback"
    incident.held = .init(released: 3, expired: 2, longest: 30_000_000, isUpperBound: false)
    try expectGolden("receipt-incident", text.lines(incident), color: true)
    #expect(text.summary(incident).hasSuffix(", 5 held"))
    let bad = Samples.receipt(
      outcome: .rolledBack, reason: "web-3 was not ready within 1 m", failed: 2, cut: 1)
    try expectGolden("receipt-rolled-back", text.lines(bad), color: true)
    var refused = Samples.receipt(outcome: .refused, reason: "step test failed")
    refused.rollout = nil
    refused.key = nil
    refused.from = nil
    refused.to = nil
    refused.traffic = []
    refused.phases = []
    refused.latency = nil
    refused.steadyLatency = nil
    refused.pushToLive = nil
    try expectGolden("receipt-refused", text.lines(refused))
    #expect(
      text.summary(bad)
        == "receipt 12: 23,231 requests, 2 failed, 0 found no instance, 1 cut")
  }

  @Test func reports() throws {
    let text = ReportText(glyphs: .unicode, zone: utc)
    let status = Samples.status(
      pipeline: Samples.refusedPipeline, services: [Samples.service(rollout: Samples.rollout())],
      problems: ["Release r-1 has no directory"])
    try expectGolden("status", text.status(status))
    let entry = HistoryEntry(
      outcome: "live", commit: Samples.commit.id, subject: "Fix the basket", author: "Ana",
      rollout: "R1", release: Samples.new, key: Samples.key, startedAt: moment(0),
      endedAt: moment(17), reason: nil)
    var refused = entry
    refused.outcome = "refused"
    refused.reason = "step test failed"
    refused.rollout = nil
    refused.key = nil
    var rollback = entry
    rollback.kind = "rollback"
    rollback.startedBy = "ana"
    rollback.request = "checkout is slow"
    var aborted = rollback
    aborted.outcome = "aborted"
    aborted.reason = "aborted by li: not that one"
    try expectGolden("history", text.history([entry, refused, rollback, aborted]))
    #expect(text.history([]).map(\.text) == ["Nothing was rolled out yet."])
    let explanation = Explanation(
      commit: Samples.commit, release: nil, verdict: "It is not live, because a step failed.",
      answers: [
        .init(question: "step build", result: .pass, why: "It passed in 3.2 s."),
        .init(
          question: "step test", result: .fail, why: "2 of 212 tests failed.",
          evidence: ["BasketTests.add", "BasketTests.\u{1b}[31mremove\u{1b}[0m"],
          remedies: ["Run BasketTests.add"]),
        .init(question: "rollout", result: .wait, why: "It waits for the pipeline."),
        .init(
          question: "rollout production/web", result: .fail,
          why: "It was live, until ana rolled it back to r-1: slow.", at: moment(0)),
      ])
    try expectGolden("explanation", text.explanation(explanation))
    try expectGolden("calendar", text.calendar(Samples.calendar))
    #expect(text.freezes(CalendarReply(now: moment(0))).map(\.text) == ["No freeze holds or will."])
    var held = Samples.status()
    held.waiting = [Samples.held]
    try expectGolden("status-held", text.status(held))
    let evidence = EvidenceText(glyphs: text.glyphs, zone: text.zone)
    try expectGolden("gates", evidence.gates(Samples.gates))
    try expectGolden("tests-failing", evidence.tests(Samples.tests, .failing))
    try expectGolden("tests-new", evidence.tests(Samples.tests, .new))
    try expectGolden("tests-trend", evidence.durations(Samples.durations))
    try expectGolden(
      "findings",
      text.findings([
        Finding(subject: "git", severity: .ok, message: "version 2.39"),
        Finding(
          subject: "service web", severity: .warning, message: "has no health path",
          nextStep: "Add health: { path: /up }"),
        Finding(subject: "disk", severity: .problem, message: "12 MiB free"),
        Finding(subject: "control plane", severity: .advice, message: "it is not running"),
      ]))
  }

  @Test(arguments: [
    (FeedItem.Level.info, "12:03:05 step test: passed in 3.2 s (212 tests)"),
    (.output, "12:03:05 step test | passed in 3.2 s (212 tests)"),
  ])
  func aThingThatHappenedIsOneLine(level: FeedItem.Level, text: String) {
    #expect(FeedText.line(Samples.item(1, level), zone: utc).text == text)
  }

  @Test func anErrorSaysItsCausesAndTheNextStepEachOnItsLine() {
    let error = ControlError(.failed, "No.", causes: ["a\nb", "c\u{1b}[2J"], nextStep: "Do d")
    #expect(
      ReportText.error(error) == """
        segue: No.
          because: a
          b
          because: c
          next: Do d
        """)
  }
}
