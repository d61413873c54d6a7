public import Foundation

/// The inputs that are kept for each invariant: some written by hand, the rest found by the fuzzer.
public enum KeptCorpus {
  /// `Fuzzing/Corpus`, beside `Tests`.
  public static let folder = URL(filePath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(
      path: "Fuzzing/Corpus")

  /// What one input broke.
  public struct Failure: Hashable, Sendable, CustomStringConvertible {
    public var input: String
    public var reason: String
    public var description: String { "\(input): \(reason)" }
  }

  /// Checks every kept input of an invariant, each also after it was spoiled a few times.
  ///
  /// - Returns: how many inputs there are, and what broke.
  public static func replay(
    _ invariant: ParserInvariant, rounds: Int = 20
  ) -> (count: Int, failures: [Failure]) {
    let place = folder.appending(path: invariant.name)
    let found = try? FileManager.default.contentsOfDirectory(atPath: place.path())
    let names = (found ?? []).sorted()
    var failures: [Failure] = []
    func check(_ bytes: [UInt8], _ name: String) {
      do throws(BrokenInvariant) { try invariant.check(bytes) } catch {
        failures.append(Failure(input: name, reason: error.description))
      }
    }
    var state: UInt64 = 1
    for name in names {
      let bytes = Array((try? Data(contentsOf: place.appending(path: name))) ?? Data())
      check(bytes, name)
      for round in 0..<rounds {
        let spoiled = spoil(bytes, &state)
        check(spoiled, "\(name), spoiled \(round): \(spoiled)")
      }
    }
    return (names.count, failures)
  }

  /// One octet changed, taken out or put in, or the end cut off.
  private static func spoil(_ bytes: [UInt8], _ state: inout UInt64) -> [UInt8] {
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    guard !bytes.isEmpty else { return [UInt8(next(256))] }
    var bytes = bytes
    let place = next(bytes.count)
    switch next(4) {
    case 0: bytes[place] = UInt8(next(256))
    case 1: bytes.remove(at: place)
    case 2: bytes.insert(UInt8(next(256)), at: place)
    default: bytes.removeSubrange(place...)
    }
    return bytes
  }
}
