import Foundation
import Glibc
public import Ports

/// Takes the values of secrets out of a stream of bytes, also where one is cut in two by a read.
///
/// Masked are each value, each line of one with several lines, its percent-encoded form, and its
/// Base64 form at each of the three alignments it can have within a longer text (so that
/// `Authorization: Basic` is masked too). What is shorter than ``shortest`` is not masked: it would
/// mask half of the log.
public struct SecretMasker: Sendable {
  /// Bytes.
  public static let shortest = 4
  private static let mask = Array("***".utf8)

  /// The longest first, so that of two that begin at one place the longer is taken.
  private let patterns: [[UInt8]]
  private var held: [UInt8] = []

  public init(_ secrets: [Secret]) {
    var found: Set<[UInt8]> = []
    for secret in secrets {
      let value = secret.reveal()
      let lines = value.split(whereSeparator: \.isNewline).map(String.init)
      var forms = [value, value.trimmingCharacters(in: .whitespacesAndNewlines)] + lines
      forms += lines.map { $0.trimmingCharacters(in: .whitespaces) }
      if let encoded = value.addingPercentEncoding(withAllowedCharacters: .alphanumerics) {
        forms.append(encoded)
      }
      found.formUnion(forms.map { Array($0.utf8) }.filter { $0.count >= Self.shortest })
      if value.utf8.count >= Self.shortest { found.formUnion(Self.base64Forms(value)) }
    }
    patterns = found.sorted {
      ($1.count, Self.order($0)) < ($0.count, Self.order($1))
    }
  }

  private static func order(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// What of the Base64 form does not depend on the bytes around the value.
  private static func base64Forms(_ value: String) -> [[UInt8]] {
    (0..<3).flatMap { offset -> [[UInt8]] in
      let bytes = [UInt8](repeating: 0, count: offset) + Array(value.utf8)
      let encoded = Array(Data(bytes).base64EncodedString().utf8.prefix { $0 != 0x3D })
      // Each digit is six bits; those that hold bits of the padding before or after are left out.
      let first = (offset * 8 + 5) / 6
      let end = bytes.count * 8 / 6
      guard end - first >= 8 else { return [] }
      let stable = Array(encoded[first..<end])
      let url = stable.map { $0 == 0x2B ? 0x2D : $0 == 0x2F ? 0x5F : $0 }
      return [stable, url]
    }
  }

  /// The bytes that are safe to show now. What could be the beginning of a secret is held back.
  public mutating func mask(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    guard !patterns.isEmpty else { return Array(bytes) }
    held += bytes
    return take(isLast: false)
  }

  /// What was held back, once nothing follows any more.
  public mutating func finish() -> [UInt8] { take(isLast: true) }

  /// A whole text, masked.
  public func masked(_ text: String) -> String {
    guard !patterns.isEmpty else { return text }
    var copy = SecretMasker(patterns: patterns)
    copy.held = Array(text.utf8)
    return String(decoding: copy.take(isLast: true), as: UTF8.self)
  }

  private init(patterns: [[UInt8]]) { self.patterns = patterns }

  private mutating func take(isLast: Bool) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(held.count)
    var position = 0
    var places = patterns.map { find($0, from: 0) }
    while let (found, start) = Self.nearest(places) {
      // A longer secret that begins earlier, or here, may just not have come to its end.
      if !isLast, let growing = beginning(from: position), growing <= start { break }
      result += held[position..<start]
      result += Self.mask
      position = start + patterns[found].count
      for (index, place) in places.enumerated() where place < position {
        places[index] = find(patterns[index], from: position)
      }
    }
    let keep = isLast ? held.count : beginning(from: position) ?? held.count
    result += held[position..<keep]
    held.removeFirst(keep)
    return result
  }

  /// The first of the places, and of equal ones that of the longest pattern.
  private static func nearest(_ places: [Int]) -> (pattern: Int, place: Int)? {
    var best: (pattern: Int, place: Int)?
    for (index, place) in places.enumerated() where place < best?.place ?? nowhere {
      best = (index, place)
    }
    return best
  }

  private static let nowhere = Int.max

  private func find(_ pattern: [UInt8], from position: Int) -> Int {
    held.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return Self.nowhere }
      var start = position
      while bytes.count - start >= pattern.count {
        let room = bytes.count - start - pattern.count + 1
        guard let first = memchr(base + start, Int32(pattern[0]), room) else {
          return Self.nowhere
        }
        start = UnsafeRawPointer(first) - base
        if memcmp(first, pattern, pattern.count) == 0 { return start }
        start += 1
      }
      return Self.nowhere
    }
  }

  /// Where the longest end of what is held begins that could grow into a secret.
  private func beginning(from position: Int) -> Int? {
    held.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return nil }
      var earliest: Int?
      for pattern in patterns {
        let longest = min(pattern.count - 1, bytes.count - position)
        guard longest > 0 else { continue }
        for length in stride(from: longest, to: 0, by: -1) {
          let start = bytes.count - length
          if let known = earliest, start >= known { break }
          if memcmp(base + start, pattern, length) == 0 {
            earliest = start
            break
          }
        }
      }
      return earliest
    }
  }
}
