import Evidence
import Testing

@Suite struct SARIFReportTests {
  static func read(_ results: String, invocations: String = "") throws -> SARIFReport {
    let text = """
      {"version": "2.1.0", "runs": [{
        "tool": {"driver": {"name": "t", "rules": [
          {"id": "A", "defaultConfiguration": {"level": "error"},
           "properties": {"security-severity": "7.5"}},
          {"id": "B", "properties": {"security-severity": 9.1}}]}},
        "invocations": [\(invocations)], "results": [\(results)]}]}
      """
    return try SARIFReport.read(Array(text.utf8))
  }

  @Test(arguments: [
    (#"{"ruleId": "A", "level": "note"}"#, SARIFReport.Level.note),
    (#"{"ruleId": "A", "kind": "pass"}"#, .none),
    (#"{"ruleId": "A"}"#, .error),
    (#"{"ruleId": "A/1"}"#, .error),
    (#"{"ruleIndex": 0}"#, .error),
    (#"{"ruleId": "B"}"#, .warning),
    (#"{"message": {"text": "no rule"}}"#, .warning),
  ])
  func levelComesFromTheFirstThatSays(result: String, level: SARIFReport.Level) throws {
    #expect(try Self.read(result).findings.map(\.level) == [level])
  }

  @Test(arguments: [("1", 1), ("0", nil), ("-3", nil), ("1.5", nil), ("1e300", nil)])
  func linesAreCountedFromOne(line: String, expected: Int?) throws {
    let region = "{\"physicalLocation\": {\"region\": {\"startLine\": \(line)}}}"
    #expect(try Self.read("{\"locations\": [\(region)]}").findings.map(\.line) == [expected])
  }

  @Test func anOverrideComesBeforeTheDefault() throws {
    let invocation = """
      {"executionSuccessful": true, "ruleConfigurationOverrides":
        [{"descriptor": {"id": "A"}, "configuration": {"level": "note"}}]}
      """
    let report = try Self.read(#"{"ruleId": "A"}, {"ruleId": "B"}"#, invocations: invocation)
    #expect(report.findings.map(\.level) == [.note, .warning])
    #expect(report.scanFailures == [])
  }

  @Test(arguments: [
    ("", false), (#"{"kind": "inSource"}"#, true),
    (#"{"kind": "external", "status": "accepted"}"#, true),
    (#"{"kind": "external", "status": "underReview"}"#, false),
    (#"{"kind": "inSource"}, {"kind": "external", "status": "rejected"}"#, false),
  ])
  func aSuppressionUnderReviewDoesNotCount(suppressions: String, isSuppressed: Bool) throws {
    let report = try Self.read(#"{"ruleId": "A", "suppressions": [\#(suppressions)]}"#)
    #expect(report.findings.map(\.isSuppressed) == [isSuppressed])
  }

  @Test func absentFromTheBaselineIsIgnored() throws {
    let report = try Self.read(
      #"{"ruleId": "A", "baselineState": "absent"}, {"ruleId": "B", "baselineState": "new"}"#)
    #expect(report.findings.map(\.rule) == ["B"])
  }

  @Test func anErrorNotificationMeansThatTheScanFailed() throws {
    let failed = try Self.read(
      "",
      invocations: """
        {"executionSuccessful": true, "toolExecutionNotifications":
          [{"level": "error", "message": {"text": "out of memory"}}, {"level": "note"}]}
        """)
    #expect(failed.scanFailures == ["t: out of memory"])
    let unsuccessful = try Self.read("", invocations: #"{"executionSuccessful": false}"#)
    #expect(unsuccessful.scanFailures == ["t did not succeed"])
  }

  @Test func securitySeverityIsAStringOnTheRule() throws {
    let findings = try Self.read(#"{"ruleId": "A"}, {"ruleId": "B"}"#).findings
    #expect(findings.map(\.securitySeverity) == [7.5, nil])
  }

  @Test(arguments: [
    "", "[]", #"{"version": "2.0.0", "runs": []}"#, #"{"version": "2.1.0", "runs": []}"#,
    String(repeating: "[", count: 10_000),
  ])
  func whatSaysNothingIsRefused(text: String) {
    #expect(throws: ReportFailure.self) { try SARIFReport.read(Array(text.utf8)) }
  }
}
