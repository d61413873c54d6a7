import Foundation
import Ports
import TrafficRouting

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The last good tables on disk: `tables.json`, and `tables.json.previous` in case a disk or a
/// crash spoiled it.
///
/// A file is never changed in place: the new one is written beside it, forced to disk, renamed over it,
/// and the directory is forced to disk, all before the table is acknowledged. Every call blocks.
struct StateFile {
  let directory: String

  /// What was found at start.
  enum Found: Equatable {
    case nothing
    case tables(TableSet)
    /// The newest file is damaged and the one before it is not.
    case previous(TableSet, damage: String)
    case damaged(String)
  }

  private struct Envelope: Codable {
    var format: Int
    /// CRC-32 of `tables`, in hexadecimal.
    var checksum: String
    /// JSON of a `TableSet`, as text, so that the checksum covers exactly what was written.
    var tables: String
  }

  static let format = 1
  static let sizeLimit = 64 << 20

  private var current: String { directory + "/tables.json" }
  private var previous: String { directory + "/tables.json.previous" }

  func load() -> Found {
    switch Self.read(current) {
    case .success(let tables?): return .tables(tables)
    case .success(nil):
      if case .success(let tables?) = Self.read(previous) {
        return .previous(tables, damage: "tables.json is missing")
      }
      return .nothing
    case .failure(let damage):
      if case .success(let tables?) = Self.read(previous) {
        return .previous(tables, damage: damage.reason)
      }
      return .damaged(damage.reason)
    }
  }

  private struct Damage: Error {
    var reason: String
  }

  private static func read(_ path: String) -> Result<TableSet?, Damage> {
    guard access(path, F_OK) == 0 else { return .success(nil) }
    guard let data = FileManager.default.contents(atPath: path) else {
      return .failure(Damage(reason: "\(path) cannot be read"))
    }
    guard data.count <= sizeLimit,
      let envelope = try? JSONDecoder().decode(Envelope.self, from: data)
    else { return .failure(Damage(reason: "\(path) is torn")) }
    guard envelope.format == format else {
      return .failure(Damage(reason: "\(path) has format \(envelope.format), which is not known"))
    }
    guard Checksum.crc32(envelope.tables.utf8) == envelope.checksum,
      let tables = try? JSONDecoder().decode(TableSet.self, from: Data(envelope.tables.utf8))
    else { return .failure(Damage(reason: "\(path) does not have the checksum it claims")) }
    return .success(tables)
  }

  /// - Parameter keepsPrevious: the file being replaced is known to be good.
  func save(_ tables: TableSet, keepsPrevious: Bool) throws(PortError) {
    let data: Data
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      let text = String(decoding: try encoder.encode(tables), as: UTF8.self)
      data = try encoder.encode(
        Envelope(format: Self.format, checksum: Checksum.crc32(text.utf8), tables: text))
    } catch {
      throw PortError(
        "The routing tables cannot be encoded", fault: .segue, retry: .never,
        causes: ["\(error)"])
    }
    let fresh = current + ".new"
    try writeThrough(data, to: fresh)
    if keepsPrevious, access(current, F_OK) == 0 {
      unlink(previous)
      guard link(current, previous) == 0 else { throw failure("keep a copy of", current) }
    }
    guard rename(fresh, current) == 0 else { throw failure("replace", current) }
    let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw failure("open", directory) }
    defer { close(folder) }
    guard fsync(folder) == 0 else { throw failure("sync", directory) }
  }

  private func writeThrough(_ data: Data, to path: String) throws(PortError) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("create", path) }
    defer { close(file) }
    var rest = data[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("write", path) }
      rest = rest.dropFirst(count)
    }
    guard fsync(file) == 0 else { throw failure("sync", path) }
  }

  private func failure(_ verb: String, _ path: String) -> PortError {
    PortError(
      "The proxy cannot \(verb) \(path)", fault: .platform, retry: .safe,
      causes: [String(cString: strerror(errno))],
      nextStep: "Check the free space and the permissions of \(directory)")
  }
}

enum Checksum {
  /// CRC-32 as in IEEE 802.3, eight hexadecimal digits: enough to tell a torn or rotten file, which is
  /// all it is for.
  static func crc32(_ bytes: some Sequence<UInt8>) -> String {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
    }
    let text = String(~crc, radix: 16)
    return String(repeating: "0", count: 8 - text.count) + text
  }
}
