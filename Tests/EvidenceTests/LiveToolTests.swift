import Evidence
import Foundation
import Ports
import SegueModel
import Testing

/// pytest, coverage.py and the tools of CycloneDX, run here and now: what the readers read is what
/// these write today. They are installed once, into `.build/evidence-tools`.
@Suite struct LiveToolTests {
  struct Failed: Error, CustomStringConvertible {
    var description: String
  }

  static let tools: Result<URL, any Error> = Result {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let place = root.appending(path: ".build/evidence-tools")
    let done = place.appending(path: "complete-2")
    guard !FileManager.default.fileExists(atPath: done.path) else { return place }
    try run("/usr/bin/python3", ["-m", "venv", "--clear", place.path], in: root)
    try run(
      place.appending(path: "bin/pip").path,
      [
        "install", "--quiet", "pytest>=9,<10", "coverage>=7,<8", "cyclonedx-bom>=7,<8",
        "semgrep>=1,<2",
      ],
      in: root)
    try Data().write(to: done)
    return place
  }

  /// - Returns: the exit status; other than 0 is an error unless `allowed`.
  @discardableResult
  static func run(
    _ tool: String, _ arguments: [String], in folder: URL, allowed: Set<Int32> = [0]
  ) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(filePath: tool)
    process.arguments = arguments
    process.currentDirectoryURL = folder
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard allowed.contains(process.terminationStatus) else {
      throw Failed(description: "\(tool): \(String(decoding: text.suffix(2_000), as: UTF8.self))")
    }
    return process.terminationStatus
  }

  private func withProject(_ body: (_ folder: URL, _ bin: URL) throws -> Void) throws {
    let bin = try Self.tools.get().appending(path: "bin")
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "segue-tools-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder, bin)
  }

  @Test func pytestAndCoverageAreReadAsTheyWriteToday() throws {
    try withProject { folder, bin in
      let code = "def sign(x):\n    if x < 0:\n        return -1\n    return 1\n"
      let tests = """
        import pytest
        from shop import sign
        @pytest.mark.parametrize("x", [1, 2])
        def test_sign(x):
            assert sign(x) == 1
        def test_wrong():
            assert sign(1) == 2, "<&> \\x1b"
        @pytest.mark.skip
        def test_skipped():
            pass
        """
      try Data(code.utf8).write(to: folder.appending(path: "shop.py"))
      try Data(tests.utf8).write(to: folder.appending(path: "test_shop.py"))
      let coverage = bin.appending(path: "coverage").path
      try Self.run(
        coverage,
        ["run", "--include=shop.py", "-m", "pytest", "-q", "--junit-xml=junit.xml"], in: folder,
        allowed: [1])
      try Self.run(coverage, ["lcov", "-o", "lcov.info"], in: folder)
      try Self.run(coverage, ["xml", "-o", "cobertura.xml"], in: folder)
      func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appending(path: name)))
      }
      let summary = try JUnitReader.read(try bytes("junit.xml")).summary
      #expect(summary.passed == 2)
      #expect(summary.failed == 1)
      #expect(summary.skipped == 1)
      let lcov = try CoverageReport.lcov(try bytes("lcov.info"))
      let cobertura = try CoverageReport.cobertura(try bytes("cobertura.xml"))
        .below(folder.resolvingSymlinksInPath().path)
      #expect(lcov.count == CoverageCount(covered: 3, coverable: 4))
      #expect(cobertura.files == ["shop.py": CoverageReport.File(hits: [1: 1, 2: 1, 3: 0, 4: 1])])
    }
  }

  @Test func cycloneDXIsReadAndWrittenAsItsOwnToolsHaveIt() throws {
    try withProject { folder, bin in
      try Data("idna==3.10\nflask>=3\n".utf8).write(to: folder.appending(path: "requirements.txt"))
      try Self.run(
        bin.appending(path: "cyclonedx-py").path,
        ["requirements", "--sv", "1.6", "--of", "JSON", "-o", "bom.json", "requirements.txt"],
        in: folder)
      let theirs = try ComponentList.cycloneDX(
        Array(try Data(contentsOf: folder.appending(path: "bom.json"))))
      #expect(
        theirs.components.map { "\($0.package, default: "-")" }.contains("pkg:pypi/idna@3.10"))
      let ours = try theirs.cycloneDX(of: "r-1", project: "shop", at: Instant(milliseconds: 0))
      try Data(ours).write(to: folder.appending(path: "ours.json"))
      let validation = """
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
        fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open("ours.json").read())
        assert fault is None, fault
        """
      try Self.run(bin.appending(path: "python").path, ["-c", validation], in: folder)
    }
  }

  /// What a retry asks pytest to run is what had failed, and nothing else.
  @Test func pytestRunsThoseThatFailedAgain() throws {
    try withProject { folder, bin in
      let tests = """
        import pytest
        def test_right(): pass
        class TestCart:
            @pytest.mark.parametrize("x", ["a b", "c::d", 1])
            def test_adds(self, x): assert x == 1
            class TestInner:
                def test_wrong(self): assert False
        """
      let nested = folder.appending(path: "tests/unit")
      try FileManager.default.createDirectory(at: nested, withIntermediateDirectories: true)
      try Data(tests.utf8).write(to: nested.appending(path: "test_cart.py"))
      try Data("import nothing_there\n".utf8).write(to: nested.appending(path: "test_broken.py"))
      let pytest = bin.appending(path: "pytest").path
      func run(_ arguments: [String], _ report: String) throws -> [TestCase] {
        try Self.run(
          pytest,
          ["-q", "--continue-on-collection-errors", "--junit-xml=\(report)"] + arguments,
          in: folder,
          allowed: [1])
        return try JUnitReader.read(
          Array(try Data(contentsOf: folder.appending(path: report)))
        ).cases
      }
      let failed = try run([], "one.xml").filter { $0.status == .failed }
      #expect(failed.count == 4)
      let list = RerunList(of: failed, as: .pytest) { path in
        FileManager.default.fileExists(atPath: folder.appending(path: path).path)
      }
      let again = try run(list.lines, "two.xml")
      #expect(Set(again.map(\.historyName)) == Set(failed.map(\.historyName)))
      #expect(again.allSatisfy { $0.status == .failed })
    }
  }

  /// The ready-made command, as a step runs it, with rules of the repository.
  @Test func semgrepIsCalledReadyMade() throws {
    try withProject { folder, bin in
      let rules = """
        rules:
          - id: shell
            pattern: subprocess.call(..., shell=True)
            message: a shell runs what it is given
            severity: ERROR
            languages: [python]
        """
      try Data(rules.utf8).write(to: folder.appending(path: ".semgrep.yml"))
      let code = "import subprocess\nsubprocess.call('ls', shell=True)\n"
      try Data(code.utf8).write(to: folder.appending(path: "app.py"))
      let command = SecurityScanner.semgrep.command(report: ".segue-scan/scan.sarif")
      try Self.run(
        "/bin/sh", ["-ec", "PATH=\(bin.path):$PATH; export PATH HOME=$PWD\n\(command)"], in: folder)
      let report = try SARIFReport.read(
        Array(try Data(contentsOf: folder.appending(path: ".segue-scan/scan.sarif"))))
      let findings = report.findings.compactMap { SecurityFinding($0) }
      #expect(findings.map(\.severity) == [.high])
      #expect(findings.map(\.place) == ["app.py:2"])
      #expect(report.scanFailures.isEmpty)
    }
  }

  /// Debian's own program, with a database on this machine that knows a flaw of one of its packages.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/debsecan")))
  func debsecanIsCalledReadyMade() throws {
    try withProject { folder, _ in
      let database = """
        import zlib
        text = "VERSION 1\\nCVE-2030-1,,a flaw\\n\\nbash,0,SH F,99:1,\\n\\nbash,bash\\n\\n"
        open("sid", "wb").write(zlib.compress(text.encode()))
        """
      try Self.run("/usr/bin/python3", ["-c", database], in: folder)
      let command = SecurityScanner.debsecan.command(report: ".segue-scan/scan.sarif")
      try Self.run(
        "/bin/sh",
        ["-ec", "export DEBSECAN_SUITE=sid DEBSECAN_SOURCE=file://$PWD\n\(command)"], in: folder)
      let report = try SARIFReport.read(
        Array(try Data(contentsOf: folder.appending(path: ".segue-scan/scan.sarif"))))
      let findings = report.findings.compactMap { SecurityFinding($0) }
      #expect(findings.map(\.id) == ["CVE-2030-1"])
      #expect(findings.map(\.severity) == [.high])
      #expect(findings.map(\.title) == ["the package bash is vulnerable; an update mends it"])
    }
  }
}
