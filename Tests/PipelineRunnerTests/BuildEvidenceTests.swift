import Evidence
import Foundation
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

/// What is read of a build: reports of every kind, lock files, and what the commit changes.
@Suite struct BuildEvidenceTests {
  private let root: TemporaryDirectory

  init() async throws {
    root = try TemporaryDirectory()
    try await shell(
      """
      git init -q -b main shop; cd shop
      printf 'a\\nb\\n' > lib.py; printf 'left==1.0\\n' > requirements.txt
      git add -A; git commit -qm one
      printf 'a\\nc\\nd\\n' > lib.py; git commit -qam two
      echo e >> lib.py; git commit -qam three
      git checkout -q -b other HEAD~2; echo x > x; git add -A; git commit -qm aside
      """, in: root.path)
  }

  private func commit(_ revision: String) async throws -> CommitID {
    CommitID(
      try await shell("git rev-parse \(revision)", in: "\(root.path)/shop")
        .trimmingCharacters(in: .newlines))
  }

  private func evidence(
    of step: StepSpec, comparedWith bases: [CommitID] = [], gates: GatesSpec? = nil
  ) async throws -> CommitEvidence {
    var bench = try Bench()
    let source = LocalSource(
      path: "\(root.path)/shop", cacheDirectory: "\(root.path)/cache",
      environment: testEnvironment)
    bench.source = source
    var run = bench.pipeline([step])
    run.spec.gates = gates
    run.commit = try await source.resolve("main")
    _ = try await bench.run(run)
    return try await BuildEvidence(environment: testEnvironment)
      .evidence(of: run, comparedWith: bases)
  }

  @Test func aCommitIsComparedWithTheFirstBaseThatItDescendsFrom() async throws {
    let step = StepSpec(name: "s", run: "true")
    let first = try await commit("main~2")
    let aside = try await commit("other")
    let second = try await commit("main~1")
    let whole = try await evidence(of: step, comparedWith: [aside, first])
    #expect(whole.base == first)
    #expect(whole.diff.files.first?.added == [2, 3, 4])
    let parent = try await evidence(of: step, comparedWith: [aside])
    #expect(parent.base == second)
    #expect(parent.diff.files.first?.added == [4])
  }

  @Test func everyKindOfReportIsReadWithPathsAsTheDiffHasThem() async throws {
    let run = """
      printf 'SF:%s/lib.py\\nDA:1,1\\nDA:4,0\\nend_of_record\\nSF:/usr/x.py\\nDA:1,1\\nend_of_record\\n' \
      "$PWD" > lcov.info
      echo '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"t"}},"results":[
        {"ruleId":"R1","level":"error","message":{"text":"m"}}]}]}' > a.sarif
      echo '{"bomFormat":"CycloneDX","specVersion":"1.6","components":[
        {"name":"right","version":"2","purl":"pkg:npm/right@2"}]}' > b.json
      """
    let step = StepSpec(
      name: "s", run: run,
      reports: ReportSpec(coverage: ["lcov.info"], sarif: ["a.sarif"], sbom: ["b.json"]))
    let evidence = try await evidence(
      of: step, gates: GatesSpec(security: SecurityGateSpec(advisories: "/advisories")))
    #expect(evidence.problems == [:])
    #expect(evidence.coverage?.files.keys.sorted() == ["lib.py"])
    #expect(evidence.coverage?.files["lib.py"]?.hits == [1: 1, 4: 0])
    #expect(evidence.findings.map(\.id) == ["R1"])
    #expect(
      evidence.components.components.compactMap(\.package?.description).sorted()
        == ["pkg:npm/right@2", "pkg:pypi/left@1.0"], "the lock file is read besides")
  }

  @Test(arguments: [
    (ReportSpec(coverage: ["r"]), ReportSpec.Kind.coverage),
    (ReportSpec(sarif: ["r"]), .sarif), (ReportSpec(sbom: ["r"]), .sbom),
  ])
  func whatCannotBeReadIsAProblem(reports: ReportSpec, kind: ReportSpec.Kind) async throws {
    for content in ["", "{", "<html/>"] {
      let step = StepSpec(name: "s", run: "printf '\(content)' > r", reports: reports)
      let evidence = try await evidence(of: step)
      #expect(evidence.problems[kind]?.count == 1, "\(content): \(evidence.problems)")
    }
  }

  @Test func aStepThatDidNotRunIsNamed() async throws {
    let step = StepSpec(
      name: "s", run: "true", needs: ["t"], reports: ReportSpec(junit: ["a.xml"]))
    var bench = try Bench()
    bench.source = LocalSource(
      path: "\(root.path)/shop", cacheDirectory: "\(root.path)/cache",
      environment: testEnvironment)
    var run = bench.pipeline([StepSpec(name: "t", run: "false"), step])
    run.commit = try await bench.source.resolve("main")
    _ = try await bench.run(run)
    let evidence = try await BuildEvidence(environment: testEnvironment)
      .evidence(of: run, comparedWith: [])
    #expect(evidence.unrun == ["s"])
    #expect(evidence.tests.isEmpty)
  }

  @Test func advisoriesAreReadAgainWhenTheyChangeAndABrokenOneIsNoAllClear() async throws {
    let folder = AdvisoryFolder()
    let directory = "\(root.path)/osv"
    await #expect(throws: PortError.self) { try await folder.advisories(in: directory) }
    try root.write(Self.advisory("A-1", "1.0"), to: "osv/npm/A-1.json")
    let before = try await folder.stamp(of: directory)
    var list = ComponentList()
    list.components = [
      Component(name: "left", version: "2.0", package: PackageURL("pkg:npm/left@2.0"))
    ]
    #expect(try await folder.advisories(in: directory).findings(in: list).isEmpty)
    #expect(try await folder.stamp(of: directory) == before)
    try root.write(Self.advisory("A-2", "2.0"), to: "osv/npm/A-2.json")
    #expect(try await folder.stamp(of: directory) != before)
    let found = try await folder.advisories(in: directory).findings(in: list)
    #expect(found.map(\.id) == ["A-2"])
    try root.write("{", to: "osv/B.json")
    let failure = await #expect(throws: PortError.self) {
      try await folder.advisories(in: directory)
    }
    #expect(failure?.what.contains("osv/B.json") == true)
  }

  private static func advisory(_ id: String, _ version: String) -> String {
    #"{"id":"\#(id)","modified":"2026-01-01T00:00:00Z","affected":[{"package":"#
      + #"{"ecosystem":"npm","name":"left"},"versions":["\#(version)"]}]}"#
  }
}
