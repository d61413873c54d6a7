/// Which lines of which files were run, as one or more coverage reports tell of it.
public struct CoverageReport: Hashable, Sendable {
  public struct File: Hashable, Sendable {
    /// How often each coverable line was run. A line that no code is on is not in here.
    public var hits: [Int: Int]

    public init(hits: [Int: Int] = [:]) { self.hits = hits }

    public var count: CoverageCount {
      CoverageCount(covered: hits.values.count { $0 > 0 }, coverable: hits.count)
    }

    mutating func add(_ line: Int, hits count: Int) {
      guard line > 0 else { return }
      hits[line] = max(0, hits[line] ?? 0).addingReportingOverflow(max(0, count)).partialValue
      if hits[line] ?? 0 < 0 { hits[line] = .max }
    }
  }

  /// By path, with `/` between its parts.
  public var files: [String: File]

  public init(files: [String: File] = [:]) { self.files = files }

  public var count: CoverageCount {
    files.values.reduce(into: CoverageCount()) {
      $0.covered += $1.count.covered
      $0.coverable += $1.count.coverable
    }
  }

  /// Adds what another report tells; runs of a line add up.
  public mutating func merge(_ other: CoverageReport) {
    for (path, file) in other.files {
      for (line, hits) in file.hits { files[path, default: File()].add(line, hits: hits) }
      if file.hits.isEmpty { files[path] = files[path] ?? File() }
    }
  }

  /// Only the files below `root`, named relative to it, as a diff names them. A path that is
  /// relative already is kept; one with `..` is not.
  ///
  /// - Parameter known: paths of the source, when the report names files by package only, as JaCoCo
  ///   does: a file is found there by the end of its path if only one ends so.
  public func below(_ root: String, known: Set<String> = []) -> CoverageReport {
    let prefix = root.hasSuffix("/") ? root : root + "/"
    var result = CoverageReport()
    for (path, file) in files {
      var relative = path
      if path.hasPrefix(prefix) {
        relative = String(path.dropFirst(prefix.count))
      } else if path.hasPrefix("/") {
        continue
      }
      let parts = relative.split(separator: "/").filter { $0 != "." }
      guard !parts.contains("..") else { continue }
      relative = parts.joined(separator: "/")
      if !known.isEmpty, !known.contains(relative) {
        let matches = known.filter { $0.hasSuffix("/" + relative) }
        guard matches.count == 1, let match = matches.first else { continue }
        relative = match
      }
      result.merge(CoverageReport(files: [relative: file]))
    }
    return result
  }
}

/// Lines that were run, of those that could be.
public struct CoverageCount: Hashable, Sendable, CustomStringConvertible {
  public var covered: Int
  public var coverable: Int

  public init(covered: Int = 0, coverable: Int = 0) {
    self.covered = covered
    self.coverable = coverable
  }

  /// `7 of 8 lines (87.5 %)`; rounded down, so that what is short of a limit never reads like it.
  public var description: String {
    guard coverable > 0 else { return "no coverable lines" }
    let tenths = covered * 1_000 / coverable
    return "\(covered) of \(coverable) lines (\(tenths / 10).\(tenths % 10) %)"
  }
}
