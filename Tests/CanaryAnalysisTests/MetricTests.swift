import CanaryAnalysis
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct MetricTests {
  @Test func confidenceSequenceOfAMean() {
    let rho = ConfidenceSequence.rho(alpha: 0.05, tunedFor: 500)
    #expect(isClose(rho, 0.125985353, within: 1e-9))
    let two = ConfidenceSequence.halfWidth(deviation: 0.5, count: 1_000, tunedFor: 500)
    #expect(isClose(two, 0.048406205, within: 1e-9))
    let one = ConfidenceSequence.oneSidedWidth(deviation: 0.5, count: 1_000, tunedFor: 500)
    #expect(isClose(one, 0.044292928, within: 1e-9))
    #expect(ConfidenceSequence.rho(alpha: 0, tunedFor: 1) == nil)
    #expect(ConfidenceSequence.halfWidth(deviation: 1, count: 0, tunedFor: 1) == nil)
    #expect(
      ConfidenceSequence.oneSidedWidth(deviation: 1, count: 5, alpha: 0.6, tunedFor: 1) == nil)
  }

  @Test func liftOfAnExperiment() throws {
    let control = try #require(Moments(count: 3_000, sum: 1_396.87, sumOfSquares: 52_377.9767))
    let treatment = try #require(Moments(count: 3_461, sum: 2_422.7, sumOfSquares: 134_698.29))
    let lift = try #require(ConfidenceSequence.lift(control: control, treatment: treatment))
    #expect(isClose(lift.value, 0.5033610859, within: 1e-9))
    #expect(isClose(lift.standardError, 0.3334122146, within: 1e-9))
    #expect(isClose(lift.lower, -0.55844, within: 1e-5))
    #expect(isClose(lift.upper, 1.56516, within: 1e-5))
    #expect(!lift.isDecided)
  }

  @Test func momentsAreTheSameBySumsAndOneByOne() throws {
    let values = [3.5, -1, 4, 1, 5, 9.25, 1e6, 2]
    var moments = Moments()
    for value in values + [.nan, .infinity, 1e200] { moments.add(value) }
    let sums = try #require(
      Moments(
        count: 8, sum: values.reduce(0, +),
        sumOfSquares: values.map { $0 * $0 }.reduce(0, +)))
    #expect(isClose(moments.mean, sums.mean, within: 1e-6))
    #expect(isClose(moments.variance / sums.variance, 1, within: 1e-9))
    #expect(Moments().variance == 0)
    #expect(Moments(count: 0, sum: 0, sumOfSquares: 0) == nil)
    #expect(Moments(count: 2, sum: 10, sumOfSquares: 1) == nil)
    #expect(Moments(count: 2, sum: .nan, sumOfSquares: 1) == nil)
    #expect(ConfidenceSequence.lift(control: Moments(), treatment: moments) == nil)
  }

  @Test func normalMixture() throws {
    let rho = try #require(NormalMixture.bestRho(variance: 100, alpha: 0.05))
    #expect(isClose(rho, 12.60056, within: 1e-5))
    let evidence = NormalMixture.logEvidence(sum: 10, variance: 100, rho: rho)
    #expect(isClose(evidence, -0.6510052))
    let bound = NormalMixture.bound(variance: 100, alpha: 0.05, rho: rho)
    #expect(isClose(bound, 30.35209, within: 1e-5))
    #expect(isClose(NormalMixture.logEvidence(sum: bound, variance: 100, rho: rho), log(20)))
    #expect(NormalMixture.bestRho(variance: 0, alpha: 0.05) == nil)
  }

  @Test(
    arguments: [
      ([1_000, 1_200], [0.5, 0.5], 0.000020079), ([135, 115], [0.5, 0.5], 0.205903211),
      ([310, 98], [0.75, 0.25], 0.647434186), ([500, 500, 600], [0.34, 0.33, 0.33], 0.000592638),
    ] as [([UInt64], [Double], Double)])
  func sampleRatio(_ observed: [UInt64], _ shares: [Double], _ chance: Double) {
    #expect(
      isClose(SampleRatio.chance(observed: observed, shares: shares), chance, within: 1e-9))
  }

  @Test func sampleRatioOfNothing() {
    #expect(SampleRatio.chance(observed: [], shares: []) == nil)
    #expect(SampleRatio.chance(observed: [1], shares: [1]) == nil)
    #expect(SampleRatio.chance(observed: [0, 0], shares: [1, 1]) == nil)
    #expect(SampleRatio.chance(observed: [1, 2], shares: [1, 0]) == nil)
    #expect(SampleRatio.chance(observed: [5, 5], shares: [1, 1]) == 1)
    #expect(SampleRatio.chance(observed: [.max, 0], shares: [1, 1]) == 0)
  }

  @Test func benjaminiHochberg() {
    let adjusted = FalseDiscoveries.adjusted([0.898, 0.138, 0.007, 0.964, 0.538, 0.006, 0.138])
    let expected = [0.964, 0.2415, 0.0245, 0.964, 0.7532, 0.0245, 0.2415]
    for (one, other) in zip(adjusted, expected) { #expect(isClose(one, other, within: 1e-9)) }
    #expect(FalseDiscoveries.adjusted([]) == [])
    #expect(FalseDiscoveries.adjusted([.nan, 2]) == [1, 1])
  }

  @Test func oneMetricSufficesToObjectAndAllMustPass() {
    let fine = GuardrailEvidence(name: "errors", againstIt: 0, forIt: log(20))
    let half = GuardrailEvidence(name: "checkout", againstIt: 0, forIt: log(39))
    let bad = GuardrailEvidence(name: "latency", againstIt: log(200), forIt: nil)
    let nearlyBad = GuardrailEvidence(name: "latency", againstIt: log(199), forIt: nil)
    let quiet = GuardrailEvidence(name: "latency", againstIt: log(2), forIt: nil)
    #expect(Guardrails.answer([fine]) == .good)
    #expect(Guardrails.answer([fine, quiet]) == .good)
    #expect(Guardrails.answer([fine, bad]) == .bad(["latency"]))
    #expect(Guardrails.answer([fine, nearlyBad]) == .undecided(["latency"]))
    #expect(Guardrails.answer([fine, half]) == .undecided(["errors", "checkout"]))
    #expect(Guardrails.answer([quiet]) == .undecided([]))
    #expect(Guardrails.answer([]) == .undecided([]))
    let broken = GuardrailEvidence(name: "x", weight: .nan, againstIt: .nan, forIt: .nan)
    #expect(Guardrails.answer([broken]) == .undecided(["x"]))
  }

  @Test func burnRates() {
    typealias Window = BurnRate.Window
    let hot = Window(requests: 10_000, errors: 150)
    let cool = Window(requests: 10_000, errors: 70)
    #expect(isClose(BurnRate.rate(hot, objective: 0.999), 15))
    #expect(BurnRate.fires(.fast, long: hot, short: hot, objective: 0.999))
    #expect(!BurnRate.fires(.fast, long: hot, short: cool, objective: 0.999))
    #expect(!BurnRate.fires(.fast, long: cool, short: hot, objective: 0.999))
    #expect(BurnRate.fires(.slow, long: cool, short: cool, objective: 0.999))
    let none = Window(requests: 0, errors: 0)
    #expect(!BurnRate.fires(.slow, long: none, short: hot, objective: 0.999))
    #expect(BurnRate.rate(Window(requests: 1, errors: 2), objective: 0.9) == nil)
    #expect(BurnRate.rate(hot, objective: 1) == nil)
    #expect(BurnRate.Rule.fast.longSeconds == 3_600 && BurnRate.Rule.slow.shortSeconds == 1_800)
  }
}
