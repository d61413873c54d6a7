import CLinux
import Foundation
import Glibc
import Ports

/// What a process printed, in a bounded amount of disk, without the process noticing.
///
/// The process appends to `NAME.log` through a descriptor of its own that we can neither reopen nor
/// stop. When more than `limit` bytes have gathered, the oldest lines are copied to
/// `NAME.SEQUENCE.CUT.log` and their blocks in the original are punched out: the file keeps its
/// length, the writer its place, and no line falls between. `CUT` is the offset up to which the
/// original has been copied, so a crash at any point neither repeats nor loses a line.
///
/// Where the file system has no holes, the file is copied and cut to nothing instead; what is written
/// in the moment between is lost.
struct OutputLog: Sendable {
  /// Absolute, ending in `.log`.
  var path: String
  /// Bytes in the file being written, and in each rotated one.
  var limit: Int64 = 8 << 20
  /// Rotated files kept.
  var kept = 4

  /// The most that ``tail(_:)`` reads.
  static let tailLimit = 1 << 20

  private var directory: String { (path as NSString).deletingLastPathComponent }
  private var name: String {
    ((path as NSString).lastPathComponent as NSString).deletingPathExtension
  }

  private struct Rotated {
    var file: String
    var sequence: Int64
    var cut: Int64
  }

  /// Opens it for a process to write to.
  func openForAppending() throws(PortError) -> Int32 {
    let fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw BlockingFile.failure("cannot write \(path)", errno) }
    return fd
  }

  // MARK: Rotation

  /// Brings the file back below its limit and drops rotated files beyond those kept.
  func rotate() throws(PortError) {
    let fd = open(path, O_RDWR | O_CLOEXEC)
    guard fd >= 0 else {
      if errno == ENOENT { return }
      throw BlockingFile.failure("cannot rotate \(path)", errno)
    }
    defer { close(fd) }
    var rotated = rotatedFiles()
    let size = size(of: fd)
    var start = dataStart(rotated, size: size)
    // A crash may have come between the copy and the hole.
    if start > 0 && segue_seek_data(fd, 0) < start { _ = segue_punch_hole(fd, 0, start) }
    while size - start > limit {
      let cut = try cutPoint(fd, from: start)
      rotated.append(try copyOut(fd, start..<cut, cut: cut, after: rotated.last))
      if segue_punch_hole(fd, 0, cut) != 0 {
        guard errno == EOPNOTSUPP || errno == ENOSYS else {
          throw BlockingFile.failure("cannot rotate \(path)", errno)
        }
        let end = self.size(of: fd)
        rotated.append(try copyOut(fd, cut..<end, cut: 0, after: rotated.last))
        guard ftruncate(fd, 0) == 0 else {
          throw BlockingFile.failure("cannot rotate \(path)", errno)
        }
        break
      }
      start = cut
    }
    for old in rotated.dropLast(max(kept, 1)) { unlink(directory + "/" + old.file) }
  }

  /// Where the next rotated file ends: after the last whole line within the limit, or in the middle of a
  /// line that is longer than that.
  private func cutPoint(_ fd: Int32, from start: Int64) throws(PortError) -> Int64 {
    let chunk: Int64 = 65_536
    var end = start + limit
    while end > start {
      let from = max(start, end - chunk)
      guard let bytes = BlockingFile.read(fd, at: from, count: Int(end - from)) else {
        throw BlockingFile.failure("cannot read \(path)", errno)
      }
      if let newline = bytes.lastIndex(of: UInt8(ascii: "\n")) { return from + Int64(newline) + 1 }
      end = from
    }
    return start + limit
  }

  private func copyOut(
    _ fd: Int32, _ range: Range<Int64>, cut: Int64, after last: Rotated?
  ) throws(PortError) -> Rotated {
    let sequence = (last?.sequence ?? 0) + 1
    let file = "\(name).\(sequence).\(cut).log"
    let temporary = "\(directory)/\(name).rotating"
    let copy = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard copy >= 0 else { throw BlockingFile.failure("cannot rotate \(path)", errno) }
    defer { close(copy) }
    var offset = range.lowerBound
    while offset < range.upperBound {
      let count = Int(min(range.upperBound - offset, 262_144))
      guard let bytes = BlockingFile.read(fd, at: offset, count: count), !bytes.isEmpty else {
        throw BlockingFile.failure("cannot read \(path)", errno)
      }
      let problem = BlockingFile.write(bytes, to: copy)
      guard problem == 0 else { throw BlockingFile.failure("cannot rotate \(path)", problem) }
      offset += Int64(bytes.count)
    }
    // The copy must be safe before the original goes.
    guard fdatasync(copy) == 0, rename(temporary, directory + "/" + file) == 0 else {
      throw BlockingFile.failure("cannot rotate \(path)", errno)
    }
    return Rotated(file: file, sequence: sequence, cut: cut)
  }

  /// Oldest first.
  private func rotatedFiles() -> [Rotated] {
    BlockingFile.names(in: directory).compactMap { file -> Rotated? in
      let parts = file.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count >= 4, parts.last == "log",
        parts.dropLast(3).joined(separator: ".") == name,
        let sequence = Int64(parts[parts.count - 3]), let cut = Int64(parts[parts.count - 2])
      else { return nil }
      return Rotated(file: file, sequence: sequence, cut: cut)
    }
    .sorted { $0.sequence < $1.sequence }
  }

  private func dataStart(_ rotated: [Rotated], size: Int64) -> Int64 {
    // A file shorter than what was copied from it has been cut to nothing by somebody.
    guard let cut = rotated.last?.cut, cut <= size else { return 0 }
    return cut
  }

  private func size(of fd: Int32) -> Int64 {
    var status = stat()
    return fstat(fd, &status) == 0 ? Int64(status.st_size) : 0
  }

  // MARK: Reading

  /// The last lines, oldest first, across rotated files: at most `count`, and at most
  /// ``tailLimit`` bytes of them. Invalid UTF-8 is repaired.
  func tail(_ count: Int) -> [String] {
    guard count > 0 else { return [] }
    let rotated = rotatedFiles()
    var bytes: [UInt8] = []
    var complete = true
    func take(_ file: String, from start: (Int64) -> Int64) {
      let fd = open(file, O_RDONLY | O_CLOEXEC)
      guard fd >= 0 else { return }
      defer { close(fd) }
      let size = size(of: fd)
      let first = max(start(size), size - Int64(Self.tailLimit - bytes.count))
      complete = first == start(size)
      bytes = (BlockingFile.read(fd, at: first, count: Int(size - first)) ?? []) + bytes
    }
    take(path) { dataStart(rotated, size: $0) }
    for old in rotated.reversed() where complete && bytes.count < Self.tailLimit {
      if bytes.count(where: { $0 == UInt8(ascii: "\n") }) > count { break }
      take(directory + "/" + old.file) { _ in 0 }
    }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    if !complete && lines.count > 1 { lines.removeFirst() }
    return lines.suffix(count).map { String(decoding: $0, as: UTF8.self) }
  }
}
