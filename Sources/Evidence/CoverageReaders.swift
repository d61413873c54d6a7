extension CoverageReport {
  /// Reads LCOV's tracefile format (`man geninfo`). A file that is named in several sections is
  /// merged, and so is a line that a section names twice.
  ///
  /// - Throws: ``ReportFailure`` for an empty file, one that ends within a section, and one
  ///   that is of another kind.
  public static func lcov(_ bytes: [UInt8]) throws(ReportFailure) -> CoverageReport {
    guard !bytes.isEmpty else { throw .empty }
    var report = CoverageReport()
    var path: String?
    var number = 0
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      number += 1
      let text = String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
      if text.hasPrefix("SF:") {
        guard path == nil else { throw .truncated(line: number) }
        let name = String(text.dropFirst(3))
        path = name
        report.files[name] = report.files[name] ?? File()
      } else if text == "end_of_record" {
        path = nil
      } else if text.hasPrefix("DA:") {
        let fields = text.dropFirst(3).split(separator: ",")
        guard let path, fields.count >= 2, let at = Int(fields[0]), let hits = Double(fields[1])
        else { throw .invalid(line: number, reason: "\(text.prefix(64)) is not DA:line,count") }
        report.files[path, default: File()].add(at, hits: Int(exactly: hits) ?? (hits > 0 ? 1 : 0))
      } else if number == 1, !text.isEmpty, !text.contains(":"), !text.hasPrefix("#") {
        throw .invalid(line: 1, reason: "it is not an LCOV tracefile")
      }
    }
    guard path == nil else { throw .truncated(line: number) }
    guard !report.files.isEmpty else {
      throw .invalid(line: number, reason: "it names no source file")
    }
    return report
  }

  /// Reads what `llvm-cov export` writes. Lines are counted from segments, as LLVM's
  /// `LineCoverageStats` does: of five elements up to version 2.0.0, of six from 2.0.1.
  ///
  /// - Throws: ``ReportFailure`` for what is not such an export, also for one without segments
  ///   (`-summary-only`), since it does not tell which lines were run.
  public static func llvmCov(_ bytes: [UInt8]) throws(ReportFailure) -> CoverageReport {
    let root = try JSONTree.read(bytes)
    guard root.text("type") == "llvm.coverage.json.export" else {
      throw .invalid(line: 1, reason: "it is not an export of llvm-cov")
    }
    var report = CoverageReport()
    for file in root.list("data").flatMap({ $0.list("files") }) {
      guard let name = file.text("filename"), let segments = file["segments"] else {
        throw .invalid(
          line: 1, reason: "it holds no segments; export without -summary-only")
      }
      var parsed: [Segment] = []
      for segment in segments.elements { parsed.append(try Segment(segment)) }
      report.merge(CoverageReport(files: [name: File(hits: Segment.lines(of: parsed))]))
    }
    guard !report.files.isEmpty else { throw .invalid(line: 1, reason: "it names no source file") }
    return report
  }
}

/// From where on which count holds.
private struct Segment {
  var line: Int
  var count: Int
  var hasCount: Bool
  var isRegionEntry: Bool
  var isGap: Bool

  init(_ json: JSONTree) throws(ReportFailure) {
    let fields = json.elements
    guard fields.count == 5 || fields.count == 6, let line = fields[0].integer, line > 0,
      line <= Self.lineLimit
    else { throw .invalid(line: 1, reason: "a segment has neither five nor six elements") }
    self.line = line
    count = fields[2].integer ?? Int.max
    hasCount = fields[3].isTrue
    isRegionEntry = fields[4].isTrue
    isGap = fields.count == 6 && fields[5].isTrue
  }

  static let lineLimit = 2_000_000

  /// The count of a line is the greatest of those of the regions that begin on it and of the one
  /// that reaches into it; a line without either, or with nothing but a skipped region, is not
  /// coverable.
  static func lines(of segments: [Segment]) -> [Int: Int] {
    guard let first = segments.first, let last = segments.last else { return [:] }
    guard first.line <= last.line else { return [:] }
    var result: [Int: Int] = [:]
    var wrapped: Segment?
    var next = 0
    for line in first.line...last.line {
      var here: [Segment] = []
      while next < segments.count, segments[next].line <= line {
        here.append(segments[next])
        next += 1
      }
      let starts = here.filter { $0.hasCount && $0.isRegionEntry && !$0.isGap }
      let beginsSkipped = here.first.map { !$0.hasCount && $0.isRegionEntry } ?? false
      let isMapped = !beginsSkipped && ((wrapped?.hasCount ?? false) || !starts.isEmpty)
      if isMapped {
        let reaching = wrapped.map { $0.hasCount ? $0.count : 0 } ?? 0
        result[line] = max(reaching, starts.map(\.count).max() ?? 0)
      }
      wrapped = here.last ?? wrapped
    }
    return result
  }
}
