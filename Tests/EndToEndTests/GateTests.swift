import ControlProtocol
import Foundation
import SegueModel
import Testing

/// Commits that are judged by what their steps tell; everything real.
@Suite(.serialized) struct GateTests {
  /// An application whose pipeline writes whatever reports the commit holds.
  static func app(_ reports: [String: String] = [:]) -> [String: String] {
    var files = CommitToLiveTests.app(version: "1")
    files["segue.yaml"] = """
      version: 1
      project: judged
      pipeline:
        - step: test
          run: mkdir -p out && cp given/tests.xml given/lcov.info out && ! grep -q "<failure" out/tests.xml
          reports: { junit: "out/*.xml", coverage: out/lcov.info }
        - step: scan
          run: mkdir -p out && cp given/scan.sarif out
          reports: { sarif: out/scan.sarif }
      gates:
        tests: { retry: 1, quarantine: .segue/quarantine.yaml }
        coverage: { changed-lines: 80%, never-falls: true }
        security: { block: high, waivers: .segue/waivers.yaml }
      services:
        web:
          run: python3 -u app.py
          health: { path: /up, interval: 100ms }

      """
    files["lib.py"] = "one = 1\ntwo = 2\n"
    files["given/tests.xml"] = Self.tests(failing: false)
    files["given/lcov.info"] = Self.coverage(second: 1)
    files["given/scan.sarif"] = Self.scan(finding: false)
    return files.merging(reports) { $1 }
  }

  private static func tests(failing: Bool) -> String {
    let failure = failing ? "<failure message=\"expected 2, got 3\"/>" : ""
    return """
      <testsuite name="lib"><testcase classname="lib" name="adds">\(failure)</testcase>
      <testcase classname="lib" name="subtracts"/></testsuite>

      """
  }

  private static func coverage(second: Int) -> String {
    "SF:lib.py\nDA:1,1\nDA:2,\(second)\nend_of_record\n"
  }

  private static func scan(finding: Bool) -> String {
    let results =
      finding
      ? """
      {"ruleId": "SQL1", "level": "error", "message": {"text": "a query made of input"},
       "locations": [{"physicalLocation": {"artifactLocation": {"uri": "lib.py"},
       "region": {"startLine": 2}}}]}
      """ : ""
    return """
      {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "scanner",
       "rules": [{"id": "SQL1"}]}}, "results": [\(results)]}]}

      """
  }

  private struct Case: Sendable {
    var name: String
    var files: [String: String]
    /// The gates that stop it.
    var gates: [String]
    /// What the person who pushes reads.
    var words: [String]
  }

  static let badTest = ["given/tests.xml": tests(failing: true)]
  static let badScan = ["given/scan.sarif": scan(finding: true)]
  static let badCoverage = [
    "given/lcov.info": coverage(second: 0), "lib.py": "one = 1\ntwo = 3\n",
  ]

  private static let cases = [
    Case(
      name: "all three", files: badTest.merging(badScan) { $1 }.merging(badCoverage) { $1 },
      gates: ["tests", "coverage.changed-lines", "coverage.never-falls", "security"],
      words: ["1 of 2 tests failed: lib.adds", "not run: lib.py:2", "SQL1", "4 things stop it"]),
    Case(
      name: "a failing test", files: badTest, gates: ["tests"],
      words: ["tests: 1 of 2 tests failed: lib.adds", "Run lib.adds at this commit"]),
    Case(
      name: "a finding", files: badScan, gates: ["security"],
      words: ["1 of 1 findings blocks: SQL1", "add a waiver with a reason, an owner and an end"]),
    Case(
      name: "coverage", files: badCoverage,
      gates: ["coverage.changed-lines", "coverage.never-falls"],
      words: ["tests run 0 of 1 lines (0.0 %) of those changed; 80% is asked for"]),
  ]

  /// Each is compared with the first commit, since none of them becomes a release.
  @Test func whateverStopsACommitIsListedTogetherAndACleanOneGoesLive() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(Self.app())
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")
      for example in Self.cases {
        try await segue.commit(example.name, Self.app(example.files))
        let push = try await segue.push()
        #expect(push.all.contains("refused"), "\(example.name): \(push.all)")
        for words in example.words {
          #expect(push.all.contains(words), "\(example.name): \(words): \(push.all)")
        }
        let reply = try await segue.decode(GateReply.self, "gate")
        #expect(!reply.passes)
        #expect(reply.record.failing.map(\.gate) == example.gates, "\(example.name)")
      }
      try await segue.commit("Nothing wrong", Self.app(["note.txt": "fine\n"]))
      let clean = try await segue.push()
      #expect(clean.all.contains("is live"), "\(clean.all)")
      let explained = try await segue.cli("explain")
      #expect(explained.all.contains("gate tests"), "\(explained.all)")
      #expect(explained.all.contains("provenance"), "\(explained.all)")
      let failing = try await segue.decode([TestStanding].self, "tests", "--slow")
      #expect(failing.map(\.test).sorted() == ["lib.adds", "lib.subtracts"], "\(failing)")
    }
  }

  @Test func aReleaseWhosePaperWasChangedIsNotRolledOut() async throws {
    try await withInstallation { segue in
      var files = Self.app()
      files["segue.yaml"]? += """
        environments:
          staging: { services: { web: { route: { host: staging.localhost } } } }
          production: { after: staging, promote: by-hand }

        """
      try await segue.makeRepository(files)
      try await segue.start()
      let push = try await segue.push()
      #expect(push.all.contains("waits for promotion to production"), "\(push.all)")
      let papers = try await segue.run(
        ["sh", "-c", "ls -d \(segue.state)/builds/*/provenance.json"])
      let path = papers.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
      let text = try String(contentsOfFile: path, encoding: .utf8)
      try text.replacing("payload\":\"", with: "payload\":\"AAAA").write(
        toFile: path, atomically: true, encoding: .utf8)
      let promoted = try await segue.cli("promote", "--to", "production")
      #expect(
        promoted.all.contains("was changed after it was signed"), "\(promoted.all)")
      let status = try await segue.decode(StatusReply.self, "status")
      #expect(status.services.filter { $0.live != nil }.map(\.key.environment) == ["staging"])
    }
  }

  /// An application whose tests are split over two steps, and of which one fails by chance.
  private static let splitting: [String: String] = {
    var files = CommitToLiveTests.app(version: "1")
    files["segue.yaml"] = """
      version: 1
      project: split
      pipeline:
        - step: test
          run: |
            printf 'lib.adds\\nlib.subtracts\\n' | "$SEGUE_PROGRAM" tests split > mine-$SEGUE_SHARD
            sh check out-$SEGUE_SHARD.xml < mine-$SEGUE_SHARD
          reports: { junit: "out-{shard}.xml" }
          rerun: { run: 'sh check out-$SEGUE_SHARD.xml < "$SEGUE_FAILED_TESTS"' }
          shards: 2
        - step: after
          run: test $(cat out-1.xml out-2.xml | grep -c "<testcase") = 2
          needs: [test]
      gates:
        tests: { retry: 1, quarantine: quarantine.yaml }
      services:
        web:
          run: python3 -u app.py
          health: { path: /up, interval: 100ms }

      """
    files["quarantine.yaml"] = "quarantine: []\n"
    files["check"] = """
      echo '<testsuite name="lib">' > $1
      while read -r name; do
        if [ "$name" = lib.adds ] && [ ! -e tried ]; then
          [ -e always ] || touch tried
          echo '<testcase classname="lib" name="adds"><failure message="by chance"/></testcase>' >> $1
        else
          echo "<testcase classname='lib' name='${name#lib.}'/>" >> $1
        fi
      done
      echo '</testsuite>' >> $1
      ! grep -q "<failure" $1

      """
    return files
  }()

  @Test func failedTestsRunAgainInTheirShardAndOneInQuarantineHoldsUpNothing() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(Self.splitting)
      try await segue.start()
      let first = try await segue.push()
      #expect(first.all.contains("is live"), "\(first.all)")
      let gate = try await segue.cli("gate")
      #expect(
        gate.all.contains("lib.adds failed first and passed when run again"), "\(gate.all)")
      let flaky = try await segue.decode([TestStanding].self, "tests", "--flaky")
      #expect(flaky.map(\.test) == ["lib.adds"], "\(flaky)")
      #expect(flaky.map(\.failures) == [1])
      #expect(flaky.map(\.runs) == [2], "both attempts are known")
      var files = Self.splitting
      files["quarantine.yaml"] = """
        quarantine: [{ test: lib.adds, owner: ana, issue: SHOP-1, expires: 2099-01-01 }]

        """
      try await segue.commit("Leave for a flaky test", files)
      let second = try await segue.push()
      #expect(second.all.contains("is live"), "\(second.all)")
      files["always"] = "\n"
      try await segue.commit("It fails twice", files)
      let third = try await segue.push()
      #expect(third.all.contains("is live"), "\(third.all)")
      #expect(third.all.contains("1 of 1 tests failed, which may fail for now"), "\(third.all)")
      let excused = try await segue.cli("gate")
      #expect(excused.all.contains("lib.adds failed in quarantine"), "\(excused.all)")
      let trend = try await segue.cli("tests", "--trend")
      #expect(trend.all.contains("No step has run its tests often enough"), "\(trend.all)")
    }
  }
}
