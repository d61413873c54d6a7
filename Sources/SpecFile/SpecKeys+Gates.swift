import SegueModel

extension SpecKeys {
  static let reports = SpecSection(
    id: "reports", title: "`reports` of a step",
    summary: """
      Each value is a path or a list of paths; `*`, `**` and `?` stand for names. A report that is \
      promised here and then missing or unreadable fails the step: silence is not success.
      """,
    keys: [
      SpecKey(
        name: "junit", type: .fileOrList, standard: "[]",
        summary: """
          JUnit XML test reports. A report without a single test fails the step, too.
          """,
        example: "\"build/junit/*.xml\"", otherNames: ["tests", "xunit"]),
      SpecKey(
        name: "coverage", type: .fileOrList, standard: "[]",
        summary: """
          Which lines the tests ran: LCOV, Cobertura, JaCoCo, or the JSON of `llvm-cov export`.
          """,
        example: "build/lcov.info", otherNames: ["lcov", "cobertura", "jacoco"]),
      SpecKey(
        name: "sarif", type: .fileOrList, standard: "[]",
        summary: """
          What scans found, in SARIF 2.1.0: of code, dependencies, secrets or images.
          """,
        example: "build/scan.sarif", otherNames: ["scan", "scans", "security"]),
      SpecKey(
        name: "sbom", type: .fileOrList, standard: "[]",
        summary: "What the release consists of: CycloneDX 1.5 to 1.7 or SPDX 2, in JSON.",
        example: "build/sbom.cdx.json", otherNames: ["bom", "cyclonedx", "spdx"]),
    ])

  static let rerun = SpecSection(
    id: "rerun", title: "`rerun` of a step",
    summary: """
      The command is given the failed tests in a file, `$SEGUE_FAILED_TESTS`, one on each line, and \
      as one regular expression, `$SEGUE_FAILED_PATTERN`. It stands for the whole step, so let a step \
      with `rerun` run its tests and nothing else. It writes the `junit` reports again; the other \
      reports stay those of the first attempt.
      """,
    keys: [
      SpecKey(
        name: "run", type: .command, isRequired: true,
        summary: "Run in place of the step's own command, in the same way.",
        example: "swift test --filter \"$SEGUE_FAILED_PATTERN\" --xunit-output build/junit.xml",
        otherNames: ["command", "cmd", "script"]),
      SpecKey(
        name: "tests", type: .word(RerunSpec.Naming.allCases.map(\.rawValue)),
        standard: RerunSpec.Naming.names.rawValue,
        summary: """
          How tests are named to it: as `pytest` (a list), `swift`, `go` or `jest` (a pattern) take \
          them, or by the `names` of the report, `class.name` (a list).
          """,
        example: "swift", otherNames: ["as", "naming", "format"]),
    ])

  static let gates = SpecSection(
    id: "gates", title: "`gates` of the file",
    summary: """
      A gate says pass or fail, and always why. A failed test fails its commit without being asked \
      for here.
      """,
    keys: [
      SpecKey(
        name: "tests", type: .section(testsGate), summary: "How failed tests are judged.",
        example: "{ retry: 1 }"),
      SpecKey(
        name: "coverage", type: .section(coverageGate),
        summary: "How much of the code the tests must run.",
        example: "{ changed-lines: 80%, never-falls: true }"),
      SpecKey(
        name: "security", type: .section(securityGate),
        summary: "Which findings and known vulnerabilities block.",
        example: "{ block: high, waivers: .segue/waivers.yaml }"),
    ],
    planned: ["policy", "approvals", "duration"])

  static let testsGate = SpecSection(
    id: "gates-tests", title: "`tests` of `gates`",
    summary: "A test that fails and passes at the same commit is known as flaky from then on.",
    keys: [
      SpecKey(
        name: "retry", type: .integer(SpecLimits.retries), standard: "0",
        summary: """
          How often a step is run again whose tests failed. Every attempt is recorded. With more than \
          20 failed tests nothing is run again.
          """,
        example: "1", otherNames: ["retries"]),
      SpecKey(
        name: "quarantine", type: .repositoryFile,
        summary: """
          A file of the repository with tests that may fail for a time, each with an owner, an issue \
          and an end. It never excuses the commit that it comes with.
          """,
        example: ".segue/quarantine.yaml"),
    ])

  static let coverageGate = SpecSection(
    id: "gates-coverage", title: "`coverage` of `gates`",
    summary: "The commit is compared with the last one before it that became a release.",
    keys: [
      SpecKey(
        name: "changed-lines", type: .share(SpecLimits.coverage),
        summary: "The share of the changed lines that tests must run, of those that can be run.",
        example: "80%", otherNames: ["diff", "patch", "new-lines"]),
      SpecKey(
        name: "never-falls", type: .boolean, standard: "false",
        summary: """
          `true`: the share of all lines that tests run must not fall. Lines that were removed do not \
          count.
          """,
        example: "true", otherNames: ["ratchet"]),
    ])

  static let securityGate = SpecSection(
    id: "gates-security", title: "`security` of `gates`",
    summary: """
      Judged are the findings of all `sarif` reports, and what the advisories say of the components \
      that `sbom` reports and lock files name. A finding of unknown severity blocks.
      """,
    keys: [
      SpecKey(
        name: "block", type: .word(SecurityGateSpec.Level.allCases.map(\.rawValue)),
        standard: SecurityGateSpec().block.rawValue,
        summary: "What is at least this bad blocks.", example: "high",
        otherNames: ["level", "severity", "threshold"]),
      SpecKey(
        name: "waivers", type: .repositoryFile,
        summary: """
          A file of the repository with findings that are accepted for a time, each with a reason, an \
          owner and an end.
          """,
        example: ".segue/waivers.yaml", otherNames: ["ignore", "exceptions"]),
      SpecKey(
        name: "advisories", type: .machineFile,
        summary: """
          A directory of the machine with advisories in the OSV format, one to a file. What is live \
          is matched again whenever it changes.
          """,
        example: "/var/lib/segue/advisories", otherNames: ["osv", "database"]),
      SpecKey(
        name: "vex", type: .fileOrList, standard: "[]",
        summary: """
          Files of the repository, in OpenVEX, that state which vulnerabilities do not matter here, and \
          why. Of several statements about one, the newest counts.
          """,
        example: ".segue/statements.vex.json", otherNames: ["openvex", "statements"]),
    ])
}
