import ControlProtocol
import SegueModel

/// 2026-11-24 12:03:04 UTC, and moments around it.
func moment(_ seconds: Double) -> Instant {
  Instant(milliseconds: 1_795_521_784_000 + Int64(seconds * 1_000))
}

enum Samples {
  static let commit = Commit(
    id: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d", subject: "Fix the basket",
    author: "Ana <ana@example.com>", height: 12)
  static let key = ServiceKey(environment: "production", service: "web")
  static let old = ReleaseID("r-0000000000000000")
  static let new = ReleaseID("r-0123456789abcdef")

  static func item(
    _ sequence: Int64, _ level: FeedItem.Level = .info, _ subject: String = "step test",
    _ text: String = "passed in 3.2 s (212 tests)", rollout: RolloutID? = nil, final: Bool = false
  ) -> FeedItem {
    FeedItem(
      sequence: sequence, at: moment(Double(sequence)), kind: "something", level: level,
      subject: subject, text: text, commit: commit.id, rollout: rollout, final: final)
  }

  static func status(
    pipeline: PipelineStatus? = nil, services: [ServiceStatus] = [], problems: [String] = [],
    proxyRuns: Bool = true, sequence: Int64 = 0
  ) -> StatusReply {
    StatusReply(
      segueVersion: "0.1.0", project: "shop", deployBranch: "main", source: "/srv/repo/shop",
      now: moment(0), startedAt: moment(-60), sequence: sequence,
      proxy: ProxyStatus(running: proxyRuns, address: "127.0.0.1:8080", pid: 77, restarts: 0),
      pipeline: pipeline, queued: [], services: services, problems: problems)
  }

  static let held = HeldStartStatus(
    environment: "production", release: new, commit: commit.id,
    reason: "Frozen, with no end set: “fair” (set by ana, freeze-1). Next moment: never.",
    since: moment(-5), next: moment(3_600))

  static let calendar = CalendarReply(
    now: moment(0),
    environments: [
      EnvironmentCalendar(
        environment: "staging", mayStart: true,
        sentence: "May start: staging has no windows, and nothing is frozen.", next: moment(0),
        windows: []),
      EnvironmentCalendar(
        environment: "production", mayStart: false, sentence: held.reason, next: moment(3_600),
        windows: ["Mon-Thu 09:00-16:00 Europe/Paris"]),
    ],
    freezes: [
      FreezeEntry(
        id: "freeze-1", environments: "every environment", when: "from 2026-11-24 UTC",
        reason: "fair", by: "ana", isInForce: true),
      FreezeEntry(
        id: "holidays", environments: "production", when: "2026-12-24 to 2027-01-01 UTC",
        reason: "nobody is here", by: nil, isInForce: false),
    ],
    milestones: [
      MilestoneEntry(
        name: "beta", environments: "production", when: "1 Dec 2026 00:00 UTC to for ever",
        gatekeepers: "mo")
    ], waiting: [held])

  static let gates = GateReply(
    commit: commit, passes: false, verdict: "1a2b3c4d5e6f is stopped by tests.",
    record: GateRecord(
      answers: [
        GateResult(
          gate: "tests", verdict: .fail, reason: "1 of 212 tests failed: Basket.add",
          evidence: ["Basket.add: expected 2, got 3"],
          remedies: ["Run Basket.add at this commit, and mend the code or the test"]),
        GateResult(
          gate: "coverage.changed-lines", verdict: .pass,
          reason: "tests run 9 of 10 lines (90.0 %) of those changed; 80% is asked for"),
        GateResult(
          gate: "security", verdict: .wait, reason: "step scan did not run, so nothing is known",
          warnings: ["the waiver of CVE-2030-1 ends in 3 days; ana has it"]),
      ], base: "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d"),
    starts: [
      GateResult(
        gate: "approval production", verdict: .wait,
        reason: "1a2b3c4d5e6f waits for mo. One of them runs: segue approve 1a2b3c4d5e6f")
    ])

  static let tests = [
    TestStanding(
      test: "Basket.add", runs: 40, failures: 3, last: "failed", failingInARow: 2,
      failingSince: commit.id, firstSeen: moment(-900_000), firstCommit: commit.id,
      lastSeen: moment(0), meanDuration: Milliseconds(120), flakiness: Permille(12)),
    TestStanding(
      test: "Basket.remove", runs: 100, failures: 3, last: "passed",
      firstSeen: moment(-900_000), firstCommit: commit.id, lastSeen: moment(0),
      meanDuration: .seconds(3), flakiness: Permille(993)),
  ]

  static let durations = DurationsReply(
    steps: [
      DurationStanding(
        subject: "test", runs: 40, last: .seconds(70), median: .seconds(65), slope: 120_500,
        slopeLow: 80_000, slopeHigh: 150_000, chance: Permille(1), isChange: true,
        growth: Milliseconds(4_700), jumps: []),
      DurationStanding(
        subject: "lint", runs: 40, last: .seconds(3), median: .seconds(3), slope: -500,
        slopeLow: -2_000, slopeHigh: 1_000, chance: Permille(412), isChange: false,
        growth: Milliseconds(-20), jumps: []),
    ],
    tests: [
      DurationStanding(
        subject: "Basket.add", runs: 40, last: .seconds(2), median: Milliseconds(900),
        slope: 9_000, slopeLow: 0, slopeHigh: 12_000, chance: Permille(20), isChange: true,
        growth: Milliseconds(1_500),
        jumps: [
          DurationStanding.Jump(
            commit: commit.id, previous: "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d",
            at: moment(-900), before: Milliseconds(500), after: .seconds(2))
        ])
    ])

  static let times = TestTimesReply(times: [
    "suite > tests.a.one": .seconds(5), "suite > tests.a.two": .seconds(5),
    "suite > tests.b.one": .seconds(6), "suite > tests.c.one": .seconds(3),
  ])

  static let runningPipeline = PipelineStatus(
    id: "P1", commit: commit, state: .running, reason: nil, startedAt: moment(-12), endedAt: nil,
    release: nil,
    steps: [
      StepStatus(
        name: "build", state: .passed, startedAt: moment(-12), took: Milliseconds(3_200),
        detail: nil),
      StepStatus(name: "test", state: .running, startedAt: moment(-8), took: nil, detail: nil),
      StepStatus(name: "scan", state: .waiting, startedAt: nil, took: nil, detail: nil),
    ])

  static let refusedPipeline = PipelineStatus(
    id: "P2", commit: commit, state: .refused, reason: "step test failed: 2 of 212 tests failed",
    startedAt: moment(-30), endedAt: moment(-18), release: nil,
    steps: [
      StepStatus(
        name: "test", state: .failed, startedAt: moment(-30), took: .seconds(12),
        detail: "2 of 212 tests failed"),
      StepStatus(
        name: "scan", state: .cancelled, startedAt: moment(-30), took: .seconds(1), detail: nil),
      StepStatus(name: "image", state: .skipped, startedAt: nil, took: nil, detail: nil),
    ])

  static func service(rollout: RolloutStatus? = nil, unavailable: UInt64 = 0) -> ServiceStatus {
    ServiceStatus(
      key: key, live: ReleaseSummary(id: old, commit: commit.id, subject: "Fix the basket"),
      warm: [ReleaseSummary(id: "r-00000000000000aa", commit: commit.id, subject: "Before")],
      rollout: rollout,
      instances: [
        InstanceStatus(
          id: "web-1", release: old, phase: "draining", port: 40_001, pid: 11, since: moment(-180),
          inFlight: 2),
        InstanceStatus(
          id: "web-2", release: new, phase: "ready", port: 40_002, pid: 12, since: moment(-4),
          inFlight: 0),
        InstanceStatus(
          id: "web-3", release: new, phase: "starting", port: nil, pid: nil, since: moment(-1),
          inFlight: 0),
      ],
      versions: [
        VersionStatus(
          release: old, weight: Permille(667), requests: 1_204_331, failed: 0, inFlight: 2),
        VersionStatus(release: new, weight: Permille(333), requests: 602, failed: 1, inFlight: 0),
      ], unavailable: unavailable)
  }

  static func rollout(direction: String = "forward") -> RolloutStatus {
    RolloutStatus(
      id: "R1", strategy: "rolling", from: old, to: new, direction: direction,
      phase: "batch 2 of 3: waiting for 1 instance to become ready", stage: 2, stages: 3,
      startedAt: moment(-17))
  }

  static let canary = RolloutStatus(
    id: "R1", strategy: "canary", from: old, to: new, direction: "forward", phase: "5%: holding",
    stage: 2, stages: 5, startedAt: moment(-317), kind: "deploy", startedBy: "watch of main",
    stageName: "5%", weight: Permille(50), wait: WaitStatus(.time, until: moment(200)))

  /// A service with everything that can go on at once.
  static func busyService(_ rollout: RolloutStatus = canary) -> ServiceStatus {
    var service = service(rollout: rollout)
    service.warm = []
    service.queued = ReleaseSummary(
      id: "r-00000000000000bb", commit: commit.id, subject: "Sort the basket")
    service.migration = MigrationStatus(release: new, step: .expand, until: moment(65))
    service.contracts = [ContractStatus(release: old, due: moment(8_200))]
    service.held = HoldCounters(released: 40, expired: 2, waiting: 3, longest: 1_200_000)
    service.mirrored = MirrorReport(
      release: new, compared: 1_204, equal: 1_201, status: 2, body: 1, failed: 1, skipped: 30)
    return service
  }

  static let experiment = ExperimentReply(
    key: key, rollout: "R1", isRunning: true, endsAt: moment(86_400),
    result: ExperimentLine(
      state: .winner, sentence: "new wins", winner: "new",
      variants: [
        .init(name: "old", release: old, share: Permille(500), units: 2_412),
        .init(name: "new", release: new, share: Permille(500), units: 2_398),
      ],
      rows: [
        .init(goal: "checkout", variant: "old", perUnit: 101_000),
        .init(
          goal: "checkout", variant: "new", perUnit: 131_943, difference: 306_366,
          atLeast: 41_000, atMost: 571_700),
        .init(goal: "revenue", variant: "old", perUnit: 12_504_000),
        .init(
          goal: "revenue", variant: "new", perUnit: 4_120, difference: -12_400,
          atLeast: -61_000, atMost: 36_200),
      ], splitChance: 840_000, crossed: 1, unreadable: 3))

  static var fullReceipt: Receipt {
    var receipt = receipt()
    receipt.strategy = "canary"
    receipt.request = "the basket is slow"
    receipt.gates = ["tests", "security"]
    receipt.signedBy = "0123456789abcdef0123"
    receipt.excused = ["security: SQL1 (high) in lib.py:2; waived by ana: not reachable"]
    receipt.papers = ["/state/builds/1/provenance.json", "/state/builds/1/verification.json"]
    receipt.words = [
      .init(
        by: "li", kind: .approval, gate: "approval production", at: moment(-60), reason: "fine"),
      .init(
        by: "ana", kind: .override, gate: "calendar production", at: moment(-30),
        reason: "the shop is down"),
    ]
    receipt.phases = [
      .init(name: "database: expanding", at: moment(0), took: .seconds(3), detail: "succeeded"),
      .init(name: "5%: starting", at: moment(3), took: .seconds(4)),
      .init(
        name: "5%: holding", at: moment(7), took: .minutes(5),
        detail: "promoted by ana: no complaints"),
      .init(name: "100%: retiring", at: moment(307), took: Milliseconds(850)),
    ]
    receipt.pauses = [
      .init(
        by: "ana", reason: "lunch", at: moment(20), took: .minutes(3), resumedBy: "li",
        resumeReason: "back"),
      .init(by: "li", reason: nil, at: moment(250), took: .seconds(9), resumedBy: nil),
    ]
    receipt.held = .init(released: 312, expired: 0, longest: 1_200_000, isUpperBound: true)
    receipt.drained = 3
    receipt.cost = .init(amount: 3_100, currency: "EUR")
    receipt.warm = .init(
      release: old, until: moment(600), instanceTime: .minutes(30),
      cost: .init(amount: 20_000, currency: "EUR"))
    receipt.migrations = [
      .init(
        release: new, step: .expand, outcome: "succeeded", succeeded: true, at: moment(0),
        took: .seconds(3), output: ["ALTER TABLE basket", "2 statements"])
    ]
    receipt.contractDue = moment(3_617)
    receipt.mirror = MirrorReport(
      release: new, compared: 1_204, equal: 1_201, status: 2, body: 1, failed: 1, skipped: 30,
      examples: [
        .init(method: "GET", path: "/basket", what: "status: 200 there, 500 here"),
        .init(method: "GET", path: "/basket/3", what: "body: $.total is 3 there, 4 here"),
        .init(method: "GET", path: "/basket", what: "status: 200 there, 500 here"),
      ],
      groups: [
        .init(request: "GET /basket", what: "status: 200 there, 500 here", count: 2),
        .init(request: "GET /basket/{n}", what: "body: $.total", count: 1),
      ])
    receipt.copies = CopiesLine(
      answer: .notEnoughEvidence, sentence: "4 of 1,205 answers differ", compared: 1_205,
      differing: 4, atLeast: 500, atMost: 11_000, tolerated: 1_000)
    receipt.experiment = experiment.result
    receipt.experiment?.end = .verdict
    return receipt
  }

  static func receipt(
    outcome: Receipt.Outcome = .live, reason: String? = nil, failed: UInt64 = 0, cut: Int = 0
  ) -> Receipt {
    Receipt(
      number: 12, outcome: outcome, reason: reason, commit: commit, rollout: "R1", key: key,
      strategy: "rolling", from: old, to: new, startedBy: "ana", startedAt: moment(0),
      endedAt: moment(17.2),
      steps: [
        .init(name: "build", outcome: "passed", took: Milliseconds(3_200), detail: nil),
        .init(name: "test", outcome: "passed", took: .seconds(9), detail: "212 tests passed"),
      ],
      phases: [
        .init(name: "start batch 1", at: moment(0), took: Milliseconds(2_100)),
        .init(name: "drain batch 1", at: moment(2.1), took: Milliseconds(850)),
      ],
      traffic: [
        .init(release: old, responses: [0, 14_203, 12, 3, 0], failed: 0, retried: 1),
        .init(release: new, responses: [0, 9_001, 7, 1, 2], failed: failed, retried: 0),
      ], unavailable: 0, cut: cut, latency: .init(p50: 850, p99: 4_100, p999: 1_250_000),
      steadyLatency: .init(p50: 840, p99: 3_900, p999: 12_000), extraInstanceTime: .seconds(12),
      pushToLive: Milliseconds(29_400), overhead: Milliseconds(1_100),
      previous: String(repeating: "0", count: 64), hash: String(repeating: "ab", count: 32))
  }

  static let deployed = DeployReply(
    commit: commit.id, sequence: 3, message: "1a2b3c4d5e6f is being built", accepted: true)
}
