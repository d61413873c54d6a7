import CanaryAnalysis
import Testing

@testable import AnalysisImport

@Suite struct AnalysisImporterTests {
  @Test func readsAnAnalysisTemplate() throws {
    let imported = try AnalysisImporter.read(
      """
      apiVersion: argoproj.io/v1alpha1
      kind: AnalysisTemplate
      metadata: {name: success-rate}
      spec:
        args:
          - name: service-name
          - {name: zone, value: north}
          - name: secret
        metrics:
          - name: success-rate
            interval: 5m
            successCondition: result[0] >= 0.95
            failureLimit: 3
            count: 10
            provider:
              prometheus:
                address: http://prometheus.example.com:9090
                query: |
                  rate{s="{{args.service-name}}",z="{{ args.zone }}",k="{{args.secret}}"}
          - name: slow
            failureCondition: result > 500
            provider: {web: {url: "http://x/{{version}}", jsonPath: "{$.data.ms}"}}
          - name: complicated
            successCondition: len(result) > 0 && result[0] < 3
            provider: {web: {url: "http://x/"}}
          - name: elsewhere
            successCondition: result < 3
            provider: {datadog: {query: x}}
      """)
    #expect(
      imported.metrics == [
        .init(
          name: "success-rate",
          source: .prometheus(
            address: "http://prometheus.example.com:9090",
            query: #"rate{s="{{service}}",z="north",k="{{args.secret}}"}"#),
          check: ThresholdCheck(atLeast: 0.95, every: 300, failuresAllowed: 3)),
        .init(
          name: "slow", source: .json(address: "http://x/{{version}}", path: "$.data.ms"),
          check: ThresholdCheck(atMost: 500)),
      ])
    #expect(imported.notes.contains { $0.hasPrefix("success-rate: {{args.secret}} is not known") })
    #expect(imported.notes.contains { $0.hasPrefix("success-rate: the query does not tell") })
    #expect(imported.notes.contains { $0.hasPrefix("success-rate: `count` was left out") })
    #expect(imported.notes.contains { $0.hasPrefix("complicated: the condition `len(result)") })
    #expect(imported.notes.contains { $0.hasPrefix("elsewhere: its provider (datadog)") })
  }

  @Test func readsACanaryAndItsTemplates() throws {
    let imported = try AnalysisImporter.read(
      """
      kind: Canary
      spec:
        analysis:
          interval: 30s
          threshold: 5
          stepWeight: 10
          metrics:
            - {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}
            - {name: request-duration, thresholdRange: {max: 500}}
            - name: not-found
              templateRef: {name: not-found-percentage}
              thresholdRange: {max: 5}
              interval: 1m
            - {name: lost, templateRef: {name: other}, thresholdRange: {max: 5}}
            - {name: unbound, templateRef: {name: not-found-percentage}}
      ---
      kind: MetricTemplate
      metadata: {name: not-found-percentage}
      spec:
        provider: {type: prometheus, address: "http://prom:9090"}
        query: sum(rate(x{app="{{ target }}",v="{{version}}",n="{{ namespace }}"}[{{ interval }}]))
      """)
    let check = ThresholdCheck(atMost: 5, every: 30, failuresAllowed: 4)
    #expect(
      imported.metrics.map(\.source) == [
        .successRate, .latency,
        .prometheus(
          address: "http://prom:9090",
          query:
            #"sum(rate(x{app="{{service}}",v="{{version}}",n="{{ namespace }}"}[60s]))"#),
      ])
    #expect(imported.metrics.last?.check == check)
    #expect(imported.notes.contains("`stepWeight` was left out; the strategy's stages say that."))
    #expect(imported.notes.contains { $0.hasPrefix("lost: the MetricTemplate other is not in") })
    #expect(imported.notes.contains { $0.hasPrefix("unbound: it has no thresholdRange") })
    #expect(imported.notes.contains { $0.hasPrefix("not-found: {{namespace}} is not known") })
  }

  @Test func saysWhyNothingWasRead() {
    for (text, reason) in [
      ("", "the file has no AnalysisTemplate"), ("kind: Service", "the file has no Analysis"),
      ("a: [", "the file is not YAML"), ("a: &x [*x]", "the file"),
      (String(repeating: "[", count: 100_000), "the file is not YAML"),
      (String(repeating: " ", count: 2 << 20), "the file is larger"),
    ] {
      do {
        _ = try AnalysisImporter.read(text)
        Issue.record("\(reason)")
      } catch {
        #expect(error.description.hasPrefix(reason))
      }
    }
  }

  @Test func keepsTheMeaningOfAComparison() {
    let cases: [(String, Bool, ThresholdCheck?)] = [
      ("result >= 1", false, ThresholdCheck(atLeast: 1)),
      ("result[0] < 0.05", false, ThresholdCheck(atMost: 0.05, includesBound: false)),
      ("result > 5", true, ThresholdCheck(atMost: 5)),
      ("result <= 5", true, ThresholdCheck(atLeast: 5, includesBound: false)),
      ("result == 5", false, nil),
      ("result.x > 5", false, nil),
      ("result > 5 || result < 1", false, nil),
    ]
    for (condition, isFailure, expected) in cases {
      #expect(ArgoReader.check(condition, isFailure: isFailure) == expected, "\(condition)")
    }
  }

  @Test func checksAsTheOthersDo() {
    var check = ThresholdCheck(atLeast: 0.95, failuresAllowed: 1)
    #expect(check.add(0.95) == .passed)
    #expect(check.add(0.9) == .failed)
    #expect(check.add(nil) == .noData)
    #expect(check.add(.nan) == .noData)
    #expect(check.add(0.1) == .tooManyFailures)
    #expect(check.add(1) == .tooManyFailures)
  }
}
