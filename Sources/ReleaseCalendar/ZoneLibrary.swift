/// Where time zones come from: the port through which the shell hands in the files of the system.
///
/// The core opens no files. The shell gives the names that there are, for suggestions, and a way to
/// the octets of one file; production reads below `/usr/share/zoneinfo`. A name is checked before
/// it is asked for, so it cannot lead out of that directory.
public struct ZoneLibrary: Sendable {
  private let names: [String]
  private let file: @Sendable (_ name: String) -> [UInt8]?

  /// - Parameters:
  ///   - names: Every zone that a person might mean, such as the second column of `tzdata.zi` or
  ///     the third of `zone1970.tab`. Only used to suggest what was meant.
  ///   - file: The octets of a zone's file; `nil` when there is none. At most
  ///     ``TimeZoneRules/fileLimit`` of them are needed.
  public init(names: [String], file: @escaping @Sendable (_ name: String) -> [UInt8]?) {
    self.names = names
    self.file = file
  }

  /// Knows UTC and nothing else.
  public static let utcOnly = Self(names: []) { _ in nil }

  /// The rules of a zone by its IANA name; `UTC` and `Z` need no file.
  ///
  /// Throws when there is no such zone, with the nearest name that there is, or when its file
  /// cannot be used.
  public func rules(named name: String) throws(ZoneFault) -> TimeZoneRules {
    if name == "UTC" || name == "Z" { return .utc }
    guard Self.isName(name), let file = file(name) else { throw unknown(name) }
    return try TimeZoneRules(name: name, file: file)
  }

  private func unknown(_ name: String) -> ZoneFault {
    let nextStep =
      nearest(to: name).map { "Perhaps you mean \($0)" }
      ?? "Write a name of the IANA database, such as Europe/Paris, America/New_York or UTC"
    return ZoneFault(
      zone: name, problem: "there is no time zone '\(name.prefix(64))'", nextStep: nextStep)
  }

  /// Letters, digits and a few signs between slashes: never a way up, never an absolute path.
  static func isName(_ name: String) -> Bool {
    guard name.utf8.count <= 64 else { return false }
    return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
      part.unicodeScalars.first?.properties.isAlphabetic == true
        && part.unicodeScalars.allSatisfy {
          $0.isASCII && ($0.properties.isAlphabetic || "0123456789_+-".unicodeScalars.contains($0))
        }
    }
  }

  /// The zone that somebody probably meant: the same in other letters (`europe/paris`), its city
  /// alone (`Paris`), or a few slips of the finger away (`Europe/Pariss`).
  func nearest(to name: String) -> String? {
    guard name.utf8.count <= 64 else { return nil }
    let wanted = Self.plain(name)
    guard !wanted.isEmpty else { return nil }
    let plain = names.map { (name: $0, plain: Self.plain($0)) }
    if let same = plain.first(where: { $0.plain == wanted }) { return same.name }
    if let city = plain.first(where: { $0.plain.split(separator: "/").last == wanted[...] }) {
      return city.name
    }
    let limit = max(1, wanted.count / 4)
    let slips = plain.map { (name: $0.name, slips: Self.slips(wanted, $0.plain, limit: limit)) }
    return slips.filter { $0.slips <= limit }.min { $0.slips < $1.slips }?.name
  }

  private static func plain(_ name: String) -> [UInt8] {
    Array(name.lowercased().utf8.map { $0 == UInt8(ascii: " ") ? UInt8(ascii: "_") : $0 })
  }

  /// Insertions, deletions and replacements (V. I. Levenshtein, 1966); more than `limit` when the
  /// lengths alone say so.
  private static func slips(_ left: [UInt8], _ right: [UInt8], limit: Int) -> Int {
    guard (left.count - right.count).magnitude <= limit else { return limit + 1 }
    var row = Array(0...right.count)
    for (line, letter) in left.enumerated() {
      var diagonal = row[0]
      row[0] = line + 1
      for (column, other) in right.enumerated() {
        let replaced = diagonal + (letter == other ? 0 : 1)
        diagonal = row[column + 1]
        row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
      }
    }
    return row[right.count]
  }
}

extension [UInt8] {
  fileprivate func split(separator: Unicode.Scalar) -> [ArraySlice<UInt8>] {
    split(separator: UInt8(ascii: separator))
  }
}
