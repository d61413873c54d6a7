public import SegueModel

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Who a version is chosen for: a client's address, or what a header field or a cookie says. Two requests
/// of one unit go to the same version as long as the shares allow it.
public struct StickyUnit: Hashable, Sendable {
  let hash: UInt64

  init(hash: UInt64) { self.hash = hash }

  public init(_ bytes: some Sequence<UInt8>) {
    var hash = Self.seed
    for byte in bytes { hash = Self.gather(byte, into: hash) }
    self.hash = Avalanche.mix(hash)
  }

  /// The same unit as that of the octets of `range` on their own.
  public init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
    var hash = Self.seed
    for index in range { hash = Self.gather(bytes[index], into: hash) }
    self.hash = Avalanche.mix(hash)
  }

  /// FNV-1a gathers the octets; neighbours stay neighbours until `Avalanche.mix` parts them.
  private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

  private static func gather(_ byte: UInt8, into hash: UInt64) -> UInt64 {
    (hash ^ UInt64(byte)) &* 0x100_0000_01B3
  }

  public init(_ text: String) { self.init(text.utf8) }
}

enum Avalanche {
  /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): each input bit flips each output bit
  /// with a probability of a half.
  @inline(__always)
  static func mix(_ value: UInt64) -> UInt64 {
    var value = value &+ 0x9E37_79B9_7F4A_7C15
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

/// Chooses a version for a unit by its share: weighted rendezvous hashing.
///
/// Each version gets the score `-weight / ln(u)`, `u` being a hash of unit and release between 0 and
/// 1, and the greatest wins; the chance to win is the weight's part of the sum. Growing one version's
/// share raises only its own score against the others', so nobody who has it already loses it, however many
/// versions there are and in whatever order they stand.
public struct StickySplit: Sendable {
  private struct Version {
    var salt: UInt64
    var weight: Double
  }

  private let versions: [Version]

  public init(_ versions: [(release: ReleaseID, weight: Permille)], service: ServiceKey) {
    let seed = StickyUnit(service.description).hash
    self.versions = versions.map { version in
      Version(
        salt: StickyUnit(version.release.rawValue).hash ^ seed,
        weight: Double(version.weight.value))
    }
  }

  /// The index of the unit's version; `nil` when there is no version with a share.
  public func choose(_ unit: StickyUnit) -> Int? {
    if versions.count == 1 { return versions[0].weight > 0 ? 0 : nil }
    var best: Int?
    var bestScore = 0.0
    for (index, version) in versions.enumerated() where version.weight > 0 {
      let hash = Avalanche.mix(unit.hash ^ version.salt)
      let uniform = (Double(hash >> 12) + 0.5) * 0x1p-52
      let score = -version.weight / log(uniform)
      if score > bestScore {
        best = index
        bestScore = score
      }
    }
    return best
  }
}
