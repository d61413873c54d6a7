import Evidence
import SegueModel
import Testing

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct CoverageReaderTests {
  static func llvm(_ segments: String) -> [UInt8] {
    bytes(
      """
      {"version": "2.0.1", "type": "llvm.coverage.json.export",
       "data": [{"files": [{"filename": "/src/a.c", "segments": [\(segments)]}]}]}
      """)
  }

  @Test(arguments: [
    "[1,12,1,true,true,false],[3,2,0,true,true,false],[4,2,1,true,false,false],"
      + "[6,2,0,false,false,false]",
    "[1,12,1,true,true],[3,2,0,true,true],[4,2,1,true,false],[6,2,0,false,false]",
  ])
  func llvmSegmentsOfFiveAndSixElements(segments: String) throws {
    let report = try CoverageReport.llvmCov(Self.llvm(segments))
    // A region that is not entered is reached from the line before, and counts with the greater.
    #expect(report.files["/src/a.c"]?.hits == [1: 1, 2: 1, 3: 1, 4: 0, 5: 1, 6: 1])
  }

  @Test func llvmGapsAndSkippedRegionsAreNotCode() throws {
    let report = try CoverageReport.llvmCov(
      Self.llvm(
        "[1,1,7,true,true,false],[2,1,0,false,false,false],[4,1,0,false,true,false],"
          + "[6,1,0,true,true,true],[7,1,0,false,false,false]"))
    #expect(report.files["/src/a.c"]?.hits.keys.sorted() == [1, 2, 7])
  }

  @Test func llvmSummaryAloneIsRefused() {
    let text = #"{"type": "llvm.coverage.json.export", "data": [{"files": [{"filename": "a"}]}]}"#
    #expect(throws: ReportFailure.self) { try CoverageReport.llvmCov(bytes(text)) }
    #expect(throws: ReportFailure.self) { try CoverageReport.llvmCov(bytes("{}")) }
  }

  @Test func lcovMergesRepeatedFilesAndLines() throws {
    let text = """
      TN:
      SF:/src/a.py
      DA:1,1
      DA:1,2
      DA:2,0
      end_of_record
      SF:/src/a.py
      DA:2,4,checksum
      DA:3,0
      LH:1
      end_of_record

      """
    let report = try CoverageReport.lcov(bytes(text))
    #expect(report.files["/src/a.py"]?.hits == [1: 3, 2: 4, 3: 0])
    #expect(report.count == CoverageCount(covered: 2, coverable: 3))
  }

  @Test(arguments: ["", "TN:\n", "SF:a\nDA:1,1\n", "SF:a\nDA:x\nend_of_record\n", "<coverage/>\n"])
  func lcovThatIsNoneOrCutOffIsRefused(text: String) {
    #expect(throws: ReportFailure.self) { try CoverageReport.lcov(bytes(text)) }
  }

  static func cobertura(sources: String) -> [UInt8] {
    bytes(
      """
      <?xml version="1.0" ?>
      <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
      <coverage><sources>\(sources)</sources><packages><package><classes>
      <class filename="a.py"><methods><method><lines><line number="1" hits="2"/></lines></method>
      </methods><lines><line number="1" hits="2"/><line number="2" hits="0"/></lines></class>
      <class filename="empty.py"><lines/></class>
      </classes></package></packages></coverage>
      """)
  }

  @Test func coberturaWithSeveralSourcesStaysRelative() throws {
    let one = try CoverageReport.cobertura(Self.cobertura(sources: "<source>/w/src</source>"))
    #expect(one.files["/w/src/a.py"]?.hits == [1: 2, 2: 0])
    let two = try CoverageReport.cobertura(
      Self.cobertura(sources: "<source>/w/src</source><source>/w/lib</source>"))
    #expect(two.files["a.py"]?.hits == [1: 2, 2: 0])
  }

  @Test func coberturaClassesWithoutLinesHaveNothingToCover() throws {
    let report = try CoverageReport.cobertura(Self.cobertura(sources: ""))
    #expect(report.files["empty.py"]?.count == CoverageCount())
  }

  @Test func jacocoDocumentTypeNeedsNoNetwork() throws {
    let report = try CoverageReport.jacoco(
      bytes(
        """
        <?xml version="1.0" encoding="UTF-8" standalone="yes"?>
        <!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "http://127.0.0.1:1/report.dtd">
        <report name="x"><package name="org/example"><class name="org/example/A"/>
        <sourcefile name="A.java"><line nr="3" mi="0" ci="2" mb="0" cb="0"/>
        <line nr="4" mi="5" ci="0" mb="0" cb="0"/><line nr="5" mi="1" ci="1" mb="0" cb="0"/>
        </sourcefile></package></report>
        """))
    #expect(report.files["org/example/A.java"]?.hits == [3: 1, 4: 0, 5: 1])
    let known: Set = ["src/main/java/org/example/A.java", "README.md"]
    #expect(report.below("/w", known: known).files.keys.sorted() == [known.sorted()[1]])
  }

  @Test func hostileXMLIsRefused() {
    let bomb = """
      <!DOCTYPE report [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><report>&b;</report>
      """
    let external = """
      <!DOCTYPE report [<!ENTITY x SYSTEM "file:///etc/passwd">]><report name="&x;"/>
      """
    for text in [bomb, external, "<report>" + String(repeating: "<group>", count: 10_000)] {
      #expect(throws: ReportFailure.self) { try CoverageReport.jacoco(bytes(text)) }
      #expect(throws: ReportFailure.self) { try CoverageReport.cobertura(bytes(text)) }
    }
  }

  @Test func hostileJSONIsRefused() {
    let texts = [
      String(repeating: "[", count: 10_000), String(repeating: #"{"a":"#, count: 10_000),
      #"{"type": "llvm.coverage.json.export", "type": "x"}"#, #"{"a": 1"#, #"{"a": 01x}"#, "nul",
      #"{"type":"llvm.coverage.json.export"} {}"#, "",
    ]
    for text in texts {
      #expect(throws: ReportFailure.self) { try CoverageReport.llvmCov(bytes(text)) }
    }
  }

  @Test func filtersBySourceRoot() {
    let file = CoverageReport.File(hits: [1: 1])
    let report = CoverageReport(files: [
      "/w/src/a": file, "/w2/b": file, "./c": file, "../d": file, "/w/../e": file,
    ])
    #expect(report.below("/w").files.keys.sorted() == ["c", "src/a"])
  }
}

@Suite struct UnifiedDiffTests {
  static let text = """
    diff --git a/old name.c b/new name.c
    similarity index 90%
    rename from old name.c
    rename to new name.c
    --- a/old name.c
    +++ b/new name.c
    @@ -1,4 +1,4 @@ int main()
     one
    --- two
    +++ two
     three
    -four
    +four
    \\ No newline at end of file
    diff --git a/gone b/gone
    deleted file mode 100644
    --- a/gone
    +++ /dev/null
    @@ -1 +0,0 @@
    -x
    diff --git "a/\\303\\251" "b/\\303\\251"
    new file mode 100644
    --- /dev/null
    +++ "b/\\303\\251"
    @@ -0,0 +1,2 @@
    +x
    +y
    diff --git a/run me b/run me
    old mode 100644
    new mode 100755

    """

  @Test func readsRenamesDeletionsAndLinesThatLookLikeHeaders() throws {
    let files = try UnifiedDiff.read(bytes(Self.text)).files
    #expect(files.map(\.oldPath) == ["old name.c", "gone", nil, "run me"])
    #expect(files.map(\.newPath) == ["new name.c", nil, "é", "run me"])
    #expect(files.map(\.isRename) == [true, false, false, false])
    #expect(files.map { $0.added.sorted() } == [[2, 4], [], [1, 2], []])
    #expect(files.map { $0.removed.sorted() } == [[2, 4], [1], [], []])
  }

  @Test func halfADiffIsRefused() {
    let hunks = ["@@ -1,2 +1,2 @@\n one", "@@ -1 +x @@\n", "@@ -0 +1 @@\n-a\n+b\n"]
    for text in hunks.map({ "--- a/x\n+++ b/x\n" + $0 }) {
      #expect(throws: UnifiedDiff.Malformed.self) { try UnifiedDiff.read(bytes(text)) }
    }
  }
}

@Suite struct CoverageGateTests {
  static func report(_ hits: [Int: Int]) -> CoverageReport {
    CoverageReport(files: ["a": CoverageReport.File(hits: hits)])
  }
  static func diff(added: Set<Int>, removed: Set<Int> = []) -> UnifiedDiff {
    UnifiedDiff(files: [
      UnifiedDiff.File(oldPath: "a", newPath: "a", added: added, removed: removed)
    ])
  }

  @Test func noCoverableChangedLinesPass() {
    let report = Self.report([1: 0])
    let answer = CoverageGate.changedLines(
      report, diff: Self.diff(added: [7]), atLeast: Permille(800))
    #expect(answer.passes)
  }

  @Test func changedLinesAreHeldAgainstTheLimit() {
    let report = Self.report([1: 1, 2: 1, 3: 1, 4: 1, 5: 0, 6: 0])
    let limit = Permille(800)
    #expect(
      CoverageGate.changedLines(report, diff: Self.diff(added: [1, 2, 3, 4, 5]), atLeast: limit)
        .passes)
    let answer = CoverageGate.changedLines(
      report, diff: Self.diff(added: [1, 2, 3, 5]), atLeast: limit)
    #expect(!answer.passes)
    #expect(
      answer.reason
        == "tests run 3 of 4 lines (75.0 %) of those changed; 80% is asked for; not run: a:5")
  }

  @Test func removingCoveredLinesIsNoFall() {
    let base = Self.report(Dictionary(uniqueKeysWithValues: (1...10).map { ($0, $0 < 10 ? 1 : 0) }))
    let head = Self.report(Dictionary(uniqueKeysWithValues: (1...8).map { ($0, $0 < 8 ? 1 : 0) }))
    let answer = CoverageGate.neverFalls(
      base: base, head: head, diff: Self.diff(added: [7], removed: [1, 2, 3]))
    #expect(answer.passes)
    #expect(answer.reason.contains("(87.5 %)") && answer.reason.contains("(85.7 %)"))
    #expect(
      !CoverageGate.neverFalls(base: base, head: head, diff: Self.diff(added: [])).passes)
    let none = CoverageGate.neverFalls(
      base: base, head: CoverageReport(), diff: Self.diff(added: []))
    #expect(!none.passes)
  }
}
