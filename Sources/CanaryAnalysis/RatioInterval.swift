#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Between which ratios of error rates the truth lies, at any moment.
///
/// For every ratio of a grid the likelihood given each block's errors is kept, as in ``RatioTest``. The
/// mean of all likelihoods by that of the true ratio is a martingale; a ratio is left out once that
/// reaches `1 / alpha`, so that the interval misses the truth, ever, with a chance of at most `alpha`.
/// The bounds are those of the grid, a tenth apart, and rounded outwards.
public struct RatioInterval: Hashable, Sendable {
  /// Logarithms of the ratios: from a twentieth to five hundred times.
  private static let grid = stride(from: -3.0, through: 6.25, by: 0.1).map { $0 }

  private var sums = Array(repeating: CompensatedSum(), count: grid.count)

  public init() {}

  /// Takes in one block; what is not plausible, lacks a version or has no errors says nothing.
  public mutating func add(_ block: PairedCounts, dispersion: Double = 1) {
    guard block.isPlausible, block.canaryRequests > 0, block.baselineRequests > 0,
      block.canaryErrors > 0 || block.baselineErrors > 0
    else { return }
    let canary = Double(block.canaryRequests)
    let all = canary + Double(block.baselineRequests)
    let canaryErrors = Double(block.canaryErrors)
    let errors = canaryErrors + Double(block.baselineErrors)
    let divisor = Dispersion.clamped(dispersion)
    for (index, ratio) in Self.grid.enumerated() {
      let odds = log1p(expm1(ratio) * canary / all)
      sums[index].add((canaryErrors * ratio - errors * odds) / divisor)
    }
  }

  /// A bound that the evidence does not give is `nil`.
  public func bounds(alpha: Double = 0.05) -> (lower: Double?, upper: Double?) {
    guard alpha > 0, alpha < 1 else { return (nil, nil) }
    let logs = sums.map(\.value)
    let least = Numerics.logMeanExp(logs) - log(1 / alpha)
    guard let first = logs.firstIndex(where: { $0 > least }),
      let last = logs.lastIndex(where: { $0 > least })
    else { return (nil, nil) }
    return (
      first > 0 ? exp(Self.grid[first - 1]) : nil,
      last + 1 < logs.count ? exp(Self.grid[last + 1]) : nil
    )
  }
}
