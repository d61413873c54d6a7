internal import Ports

/// A pattern for paths: `*` and `?` within a name, `**` for any number of directories, none included.
struct Glob: Sendable {
  private let segments: [[UInt8]]

  /// - Parameter pattern: relative, with `/` between names.
  init(_ pattern: String) {
    segments = pattern.utf8.split(separator: UInt8(ascii: "/")).map(Array.init)
      .filter { $0 != Array(".".utf8) }
  }

  /// Whether it could match anything outside of the directory it is relative to.
  static func leadsOutside(_ pattern: String) -> Bool {
    pattern.hasPrefix("/") || pattern.split(separator: "/").contains("..")
  }

  /// The regular files under `root` that match, by path. Links are never followed, be they files or
  /// directories: a report is what this step wrote, where it says.
  ///
  /// - Throws: when more than `limit` match.
  func files(under root: String, limit: Int = 10_000) throws(PortError) -> [FileTree.Entry] {
    var found: [FileTree.Entry] = []
    // Where the pattern begins with plain names, the walk begins there.
    let fixed = segments.dropLast().prefix { !$0.contains(42) && !$0.contains(63) }
    var start: [UInt8] = []
    for name in fixed {
      start += (start.isEmpty ? [] : [UInt8(ascii: "/")]) + name
      let entry = FileTree.look(at: FileTree.path(root, start), relative: start)
      guard entry?.kind == .directory else { return [] }
    }
    try FileTree.walk(root, from: start) { entry throws(PortError) in
      let names = entry.path.split(separator: UInt8(ascii: "/"))
      if entry.kind == .directory { return couldContain(names) }
      if entry.kind == .file, matches(names) {
        guard found.count < limit else {
          throw PortError("more than \(limit) files match", fault: .user, retry: .never)
        }
        found.append(entry)
      }
      return false
    }
    return found.sorted { $0.path.lexicographicallyPrecedes($1.path) }
  }

  /// Whether something in this directory could still match.
  private func couldContain(_ names: [ArraySlice<UInt8>]) -> Bool {
    if names.last.map(Array.init) == Array(".git".utf8) { return false }
    let recursive = segments.firstIndex { $0 == [42, 42] } ?? segments.count
    if names.count >= segments.count, recursive == segments.count { return false }
    return zip(names, segments.prefix(recursive)).allSatisfy { Self.matches($1[...], $0) }
  }

  func matches(_ names: [ArraySlice<UInt8>]) -> Bool {
    Self.matches(segments[...], names[...])
  }

  private static func matches(
    _ segments: ArraySlice<[UInt8]>, _ names: ArraySlice<ArraySlice<UInt8>>
  ) -> Bool {
    guard let segment = segments.first else { return names.isEmpty }
    if segment == [42, 42] {
      return names.indices.contains { matches(segments.dropFirst(), names[$0...]) }
        || matches(segments.dropFirst(), [])
    }
    guard let name = names.first, matches(segment[...], name) else { return false }
    return matches(segments.dropFirst(), names.dropFirst())
  }

  /// One name against one segment. On a mismatch it goes back to the last `*` only, so that no
  /// pattern takes more than the product of the two lengths.
  private static func matches(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    var p = pattern.startIndex
    var n = name.startIndex
    var star: (pattern: Int, name: Int)?
    while n < name.endIndex {
      if p < pattern.endIndex, pattern[p] == 42 {
        star = (p, n)
        p += 1
      } else if p < pattern.endIndex, pattern[p] == 63 || pattern[p] == name[n] {
        p += 1
        n += 1
      } else if let back = star {
        star = (back.pattern, back.name + 1)
        p = back.pattern + 1
        n = back.name + 1
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == 42 }
  }
}
