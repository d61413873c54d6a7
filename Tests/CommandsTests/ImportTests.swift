import AnalysisImport
import CanaryAnalysis
import Testing

@testable import Commands

@Suite struct ImportTests {
  @Test func whatWasImportedIsWrittenForAService() {
    var imported = ImportedAnalysis()
    imported.metrics = [
      .init(name: "rate", source: .successRate, check: ThresholdCheck(atLeast: 99)),
      .init(
        name: "Slow Ones", source: .json(address: "http://a.test/?v={{version}}", path: "$.ms"),
        check: ThresholdCheck(atMost: 500, every: 30, failuresAllowed: 2)),
      .init(
        name: "5xx", source: .prometheus(address: "http://b.test", query: "a{b='c'}\n"),
        check: ThresholdCheck(atLeast: 0.95)),
    ]
    #expect(
      AnalysisYAML.text(imported) == """
        analysis:
          watch: [errors]
          metrics:
            slow-ones:
              json: 'http://a.test/?v={{version}}'
              path: '$.ms'
              at-most: 500
              failures: 2
              interval: 30s
            m-5xx:
              prometheus: 'http://b.test'
              query: 'a{b=''c''}'
              at-least: 0.95
              interval: 60s
        """)
  }
}
