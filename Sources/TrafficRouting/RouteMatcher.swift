public import SegueModel

/// Which service a request belongs to: an exact host beats none, then the longest path prefix that
/// ends at a segment boundary, then a route that asks for a header field or a cookie.
public struct RouteMatcher: Sendable {
  private struct Entry {
    var host: [UInt8]?
    /// Without a slash at its end, so that `/` is empty and matches everything.
    var prefix: [UInt8]
    var test: RequestTest?
    var index: Int
  }

  /// In the order of preference: the first that matches is the answer.
  private let entries: [Entry]

  /// - Parameter routes: the index of each is what ``match(_:authority:path:block:)`` returns. Of two equal
  ///   routes the earlier one wins.
  public init(_ routes: [RouteSpec]) {
    let entries = routes.enumerated().map { index, route in
      var prefix = Array(route.pathPrefix.utf8)
      while prefix.last == .slash { prefix.removeLast() }
      return Entry(
        host: route.host.map { $0.utf8.map(\.lowercased) }, prefix: prefix,
        test: route.match.map { RequestTest($0) }, index: index)
    }
    self.entries = entries.sorted { left, right in
      if (left.host == nil) != (right.host == nil) { return right.host == nil }
      if left.prefix.count != right.prefix.count { return left.prefix.count > right.prefix.count }
      if (left.test == nil) != (right.test == nil) { return right.test == nil }
      return left.index < right.index
    }
  }

  /// - Parameters:
  ///   - authority: host and perhaps port, in any case; may be empty.
  ///   - path: the path and query.
  ///   - block: the header fields, in `bytes`.
  public func match(
    _ bytes: Span<UInt8>, authority: Range<Int>, path: Range<Int>, block: FieldBlock
  ) -> Int? {
    let host = Self.hostWithoutPort(bytes, authority)
    for entry in entries {
      if let wanted = entry.host {
        guard wanted.count == host.count, Self.starts(bytes, host, wanted, folding: true) else {
          continue
        }
      }
      let prefix = entry.prefix
      guard prefix.count <= path.count, Self.starts(bytes, path, prefix, folding: false) else {
        continue
      }
      if !prefix.isEmpty, path.count > prefix.count {
        let next = bytes[path.lowerBound + prefix.count]
        guard next == .slash || next == 63 else { continue }
      }
      if let test = entry.test, !test.holds(for: block, bytes) { continue }
      return entry.index
    }
    return nil
  }

  private static func starts(
    _ bytes: Span<UInt8>, _ range: Range<Int>, _ wanted: [UInt8], folding: Bool
  ) -> Bool {
    for index in 0..<wanted.count {
      let byte = bytes[range.lowerBound + index]
      if (folding ? byte.lowercased : byte) != wanted[index] { return false }
    }
    return true
  }

  /// `Example.com:8080` to `Example.com`, `[::1]:80` to `[::1]`; a dot at the end of a name, which
  /// means the same host, is left out too.
  private static func hostWithoutPort(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
    var end = range.upperBound
    var index = end
    while index > range.lowerBound {
      index -= 1
      if bytes[index] == .colon {
        end = index
        break
      }
      if !bytes[index].isDigit { break }
    }
    if end > range.lowerBound + 1, bytes[end - 1] == 46 { end -= 1 }
    return range.lowerBound..<end
  }
}
