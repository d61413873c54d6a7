extension CoverageReport {
  /// Reads Cobertura XML, as coverage.py, gcovr and many others write it. A file name that is
  /// relative is joined to the `source` before it when there is exactly one; with several it stays
  /// relative, since the report does not say which one it belongs to.
  ///
  /// - Throws: ``ReportFailure`` for what is no such report; entities and definitions are refused.
  public static func cobertura(_ bytes: [UInt8]) throws(ReportFailure) -> CoverageReport {
    var scanner = XMLScanner(CoberturaCollector())
    try scanner.feed(bytes)
    try scanner.finish()
    guard !scanner.handler.report.files.isEmpty else {
      throw .invalid(line: scanner.line, reason: "it names no source file")
    }
    let sources = scanner.handler.sources
    guard sources.count == 1, let source = sources.first, source != "." else {
      return scanner.handler.report
    }
    let prefix = source.hasSuffix("/") ? source : source + "/"
    var report = CoverageReport()
    for (path, file) in scanner.handler.report.files {
      let name = path.hasPrefix("/") ? path : prefix + path
      report.merge(CoverageReport(files: [name: file]))
    }
    return report
  }

  /// Reads JaCoCo's XML. A line counts as run when one of its instructions was. Files are named by
  /// their package, `org/example/A.java`; see ``below(_:known:)``.
  ///
  /// Its document type is passed over, and the address in it is never asked.
  ///
  /// - Throws: ``ReportFailure`` for what is no such report.
  public static func jacoco(_ bytes: [UInt8]) throws(ReportFailure) -> CoverageReport {
    var scanner = XMLScanner(JaCoCoCollector())
    try scanner.feed(bytes)
    try scanner.finish()
    guard !scanner.handler.report.files.isEmpty else {
      throw .invalid(line: scanner.line, reason: "it names no source file")
    }
    return scanner.handler.report
  }
}

private struct CoberturaCollector: XMLHandler {
  var report = CoverageReport()
  var sources: [String] = []
  private var sawRoot = false
  private var source: String?
  private var path: String?

  var wantsText: Bool { source != nil }

  mutating func start(
    _ name: String, _ attributes: XMLAttributes, line: Int
  ) throws(ReportFailure) {
    guard sawRoot || name == "coverage" else {
      throw .invalid(line: line, reason: "it is not a Cobertura report")
    }
    sawRoot = true
    switch name {
    case "source": source = ""
    case "class":
      guard let file = attributes["filename"] else { return }
      path = file.replacing("\\", with: "/")
      if let path { report.files[path] = report.files[path] ?? CoverageReport.File() }
    case "line":
      // The lines of methods are there again among those of their class.
      guard let path, let number = attributes["number"].flatMap({ Int($0) }), number > 0 else {
        return
      }
      let hits = attributes["hits"].flatMap { Int($0) } ?? 0
      let known = report.files[path]?.hits[number] ?? 0
      report.files[path]?.hits[number] = max(known, hits)
    default: break
    }
  }

  mutating func text(_ text: String) { source?.append(text) }

  mutating func end(_ name: String) {
    if name == "class" { path = nil }
    if name == "source", let text = source {
      let trimmed = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      if !trimmed.isEmpty { sources.append(trimmed) }
      source = nil
    }
  }
}

private struct JaCoCoCollector: XMLHandler {
  var report = CoverageReport()
  private var sawRoot = false
  private var package = ""
  private var path: String?

  var wantsText: Bool { false }

  mutating func start(
    _ name: String, _ attributes: XMLAttributes, line: Int
  ) throws(ReportFailure) {
    guard sawRoot || name == "report" else {
      throw .invalid(line: line, reason: "it is not a JaCoCo report")
    }
    sawRoot = true
    switch name {
    case "package": package = attributes["name"] ?? ""
    case "sourcefile":
      guard let file = attributes["name"] else { return }
      let name = package.isEmpty ? file : "\(package)/\(file)"
      path = name
      report.files[name] = report.files[name] ?? CoverageReport.File()
    case "line":
      guard let path, let number = attributes["nr"].flatMap({ Int($0) }) else { return }
      guard attributes["ci"] != nil || attributes["mi"] != nil else {
        throw .invalid(
          line: line,
          reason:
            "its lines do not say whether they were run; write a Cobertura report instead, as "
            + "gcovr does with --cobertura")
      }
      let covered = attributes["ci"].flatMap { Int($0) } ?? 0
      report.files[path]?.add(number, hits: covered > 0 ? 1 : 0)
    default: break
    }
  }

  mutating func text(_ text: String) {}

  mutating func end(_ name: String) {
    if name == "sourcefile" { path = nil }
    if name == "package" { package = "" }
  }
}
