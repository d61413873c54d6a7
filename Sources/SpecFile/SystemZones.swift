internal import Foundation
public import ReleaseCalendar

/// The time zones of the machine, read from the files that its package `tzdata` brings.
public enum SystemZones {
  private static let folder = "/usr/share/zoneinfo/"
  /// Bytes of the table of names; the whole one has about 110,000.
  private static let tableLimit = 1 << 20

  /// Reads a zone's file whenever it is asked for, so that an update of `tzdata` counts at once.
  public static let library = ZoneLibrary(names: names) { name in
    octets(of: folder + name, limit: TimeZoneRules.fileLimit)
  }

  /// Those that `tzdata.zi` defines (`Z`) or gives another name (`L`); see zic(8).
  private static let names: [String] = {
    guard let table = octets(of: folder + "tzdata.zi", limit: tableLimit) else { return [] }
    return table.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let fields = line.split(separator: UInt8(ascii: " "))
      let wanted: Int
      switch fields.first {
      case [UInt8(ascii: "Z")]: wanted = 1
      case [UInt8(ascii: "L")]: wanted = 2
      default: return nil
      }
      return fields.count > wanted ? String(decoding: fields[wanted], as: UTF8.self) : nil
    }
  }()

  private static func octets(of path: String, limit: Int) -> [UInt8]? {
    guard let file = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? file.close() }
    return (try? file.read(upToCount: limit)).map { Array($0) }
  }
}
