import CanaryAnalysis
import Ports
import SegueModel

/// A value of the new release that is held against a bound of its own.
struct BoundWatch {
  private var check: ThresholdCheck
  private let bound: MetricSpec.Bound
  private(set) var isBroken = false
  /// The last look found a value within the bound.
  private(set) var isKept = false
  /// What the last look found, in words.
  private(set) var latest = "nobody has looked yet"

  init(_ bound: MetricSpec.Bound, every interval: Milliseconds) {
    self.bound = bound
    check = ThresholdCheck(
      atLeast: bound.atLeast.map { Double($0) / 1e6 },
      atMost: bound.atMost.map { Double($0) / 1e6 }, every: Int(interval.count / 1_000),
      failuresAllowed: bound.failuresAllowed)
  }

  mutating func take(_ reading: MetricReading) {
    switch reading {
    case .value(let value):
      latest = "\((value * 1_000).rounded() / 1_000)"
      switch check.add(value) {
      case .passed: isKept = true
      case .failed, .noData: isKept = false
      case .tooManyFailures: (isKept, isBroken) = (false, true)
      }
    case .noData(let reason):
      latest = reason
      isKept = false
    case .counts, .histogram:
      latest = "a value is needed, and that is none"
      isKept = false
    }
  }

  /// `may be at most 500`
  var rule: String {
    let least = bound.atLeast.map { "at least \(Double($0) / 1e6)" }
    let most = bound.atMost.map { "at most \(Double($0) / 1e6)" }
    let times = bound.failuresAllowed == 0 ? "" : ", but for \(bound.failuresAllowed) times"
    return "must be " + [least, most].compactMap(\.self).joined(separator: " and ") + times
  }
}
