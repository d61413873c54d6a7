public import ReleaseCalendar
public import SegueModel

/// A file that was accepted, and what still looks wrong with it.
public struct SpecReading: Hashable, Sendable {
  public var spec: ProjectSpec
  /// In the order of the file.
  public var warnings: [Diagnostic]

  public init(spec: ProjectSpec, warnings: [Diagnostic] = []) {
    self.spec = spec
    self.warnings = warnings
  }
}

/// Reads `segue.yaml`.
///
/// The file may come from anybody who can push to a repository: it is limited in size and depth,
/// cannot refer to itself, and nothing in it is executed or expanded here.
public enum SpecReader {
  /// - Parameters:
  ///   - bytes: The file, in UTF-8.
  ///   - file: The name that diagnostics give to it; nothing is opened.
  ///   - zones: The time zones that windows and freezes may name.
  /// - Throws: ``SpecReport`` with everything that is wrong with the file.
  public static func reading(
    bytes: [UInt8], file: String = "segue.yaml", zones: ZoneLibrary = SystemZones.library
  ) throws(SpecReport) -> SpecReading {
    let source = try SourceText(bytes: bytes, file: file)
    let refusals = SpecScanner.refusals(in: source)
    guard refusals.isEmpty else { throw SpecReport(diagnostics: refusals) }
    var tree = YAMLTreeReader(source)
    let root = tree.read()
    guard tree.diagnostics.isEmpty else { throw SpecReport(diagnostics: tree.diagnostics) }
    var builder = SpecBuilder(source, zones: zones)
    let spec = builder.build(root)
    let diagnostics = builder.sortedDiagnostics
    guard let spec, !diagnostics.contains(where: { $0.severity == .error }) else {
      throw SpecReport(diagnostics: diagnostics)
    }
    return SpecReading(spec: spec, warnings: diagnostics)
  }

  /// ``reading(bytes:file:zones:)`` for those who have no use for warnings.
  public static func read(
    bytes: [UInt8], file: String = "segue.yaml", zones: ZoneLibrary = SystemZones.library
  ) throws(SpecReport) -> ProjectSpec {
    try reading(bytes: bytes, file: file, zones: zones).spec
  }
}
