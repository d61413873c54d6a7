#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A sum that keeps what rounding would lose (Neumaier, 1974): after years of one-second blocks the
/// evidence is still that of the blocks, not of the order they came in.
struct CompensatedSum: Hashable, Sendable {
  private var sum = 0.0
  private var lost = 0.0

  var value: Double { sum + lost }

  /// What is not a finite number is left out: one bad term must not spoil the rest.
  mutating func add(_ term: Double) {
    guard term.isFinite else { return }
    let next = sum + term
    lost += sum.magnitude >= term.magnitude ? (sum - next) + term : (term - next) + sum
    sum = next
  }
}

enum Numerics {
  /// `ln(mean(exp(x)))` without overflow; minus infinity of nothing.
  static func logMeanExp(_ logarithms: [Double]) -> Double {
    guard let greatest = logarithms.max(), greatest.isFinite else { return -.infinity }
    var sum = 0.0
    for each in logarithms { sum += exp(each - greatest) }
    return greatest + log(sum / Double(logarithms.count))
  }

  /// The logarithm of the gamma function for positive arguments (Lanczos with g = 7, nine terms).
  static func logGamma(_ x: Double) -> Double {
    let terms = [
      676.520_368_121_885_1, -1_259.139_216_722_402_8, 771.323_428_777_653_13,
      -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12,
      9.984_369_578_019_571_6e-6, 1.505_632_735_149_311_6e-7,
    ]
    if x < 0.5 { return log(Double.pi / sin(Double.pi * x)) - logGamma(1 - x) }
    var sum = 0.999_999_999_999_809_93
    for (index, term) in terms.enumerated() { sum += term / (x + Double(index)) }
    let base = x + 6.5
    return 0.5 * log(2 * Double.pi) + (x - 0.5) * log(base) - base + log(sum)
  }

  /// The regularized upper incomplete gamma function Q(a, x): a series below a + 1, a continued
  /// fraction by Lentz's method above it (Press et al., Numerical Recipes, 6.2).
  static func upperGamma(_ a: Double, _ x: Double) -> Double {
    guard a > 0, x > 0 else { return 1 }
    guard x.isFinite else { return 0 }
    let scale = exp(-x + a * log(x) - logGamma(a))
    if x < a + 1 {
      var term = 1 / a
      var sum = term
      var step = a
      while term > sum * 1e-16, step < a + 10_000 {
        step += 1
        term *= x / step
        sum += term
      }
      return min(max(1 - sum * scale, 0), 1)
    }
    var b = x + 1 - a
    var c = 1e300
    var d = 1 / b
    var fraction = d
    for index in 1...10_000 {
      let numerator = -Double(index) * (Double(index) - a)
      b += 2
      d = 1 / nonzero(numerator * d + b)
      c = nonzero(b + numerator / c)
      fraction *= d * c
      if (d * c - 1).magnitude < 1e-16 { break }
    }
    return min(max(fraction * scale, 0), 1)
  }

  private static func nonzero(_ value: Double) -> Double {
    value.magnitude < 1e-300 ? 1e-300 : value
  }

  /// The standard normal quantile, by bisection of `erfc`: called once per judgement, so that being
  /// plain is worth more than being quick.
  static func normalQuantile(_ probability: Double) -> Double {
    var low = -40.0
    var high = 40.0
    for _ in 0..<100 {
      let middle = (low + high) / 2
      let below = 0.5 * erfc(-middle / 2.0.squareRoot())
      if below < probability { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// Student's quantile by the expansion of Cornish and Fisher: to within 1 % at 95 %. Fewer than
  /// three degrees of freedom count as three.
  static func studentQuantile(_ probability: Double, degrees: Double) -> Double {
    let z = normalQuantile(probability)
    let n = max(3, degrees)
    let square = z * z
    let first = z * (square + 1) / 4
    let second = z * (5 * square * square + 16 * square + 3) / 96
    let third = z * (((3 * square + 19) * square + 17) * square - 15) / 384
    return z + first / n + second / (n * n) + third / (n * n * n)
  }
}
