import Dispatch
import Glibc
import Ports

/// Reads the ends of log files, off the threads that serve requests.
enum LogFile {
  private static let queue = DispatchQueue(label: "segue.logs")
  /// How much of a file's end is looked at.
  private static let window = 4 * 1_024 * 1_024

  /// The last lines of a file, oldest first; none when there is no such file.
  static func tail(_ path: String, limit: Int) async throws(PortError) -> [String] {
    let bytes = await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: readEnd(of: path)) }
    }
    guard let bytes else { return [] }
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let complete = lines.last?.isEmpty == true ? lines.dropLast() : lines[...]
    return complete.suffix(max(0, limit)).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func readEnd(of path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let size = lseek(file, 0, SEEK_END)
    let begin = max(0, size - off_t(window))
    var bytes = [UInt8](repeating: 0, count: Int(size - begin))
    let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, begin) }
    return Array(bytes.prefix(max(0, count)))
  }

  /// The lines of `now` that came after what `before` ended with.
  static func newLines(in now: [String], after before: [String]) -> [String] {
    guard !before.isEmpty else { return now }
    let longest = min(before.count, now.count, 50)
    for overlap in stride(from: longest, to: 0, by: -1) {
      // `before` ends somewhere in `now`: look for its last lines, from the end.
      let end = before.suffix(overlap)
      for start in stride(from: now.count - overlap, through: 0, by: -1)
      where now[start..<start + overlap].elementsEqual(end) {
        return Array(now[(start + overlap)...])
      }
    }
    return now
  }
}
