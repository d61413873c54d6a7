import Foundation
import Logging
import Ports

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The file behind the access log, which goes on after every failure.
///
/// Unchecked, because it is made by one thread and then used by another alone.
final class AccessLogFile: @unchecked Sendable {
  private let path: String
  private let logger: Logger
  private var descriptor: CInt
  /// The file ends in the middle of a line, which the next one must not continue.
  private var endsInsideLine = false
  private var isFailing = false

  init(path: String, logger: Logger) throws(PortError) {
    self.path = path
    self.logger = logger
    descriptor = Self.open(path)
    guard descriptor >= 0 else {
      throw PortError(
        "The access log \(path) cannot be opened", fault: .user, retry: .never,
        causes: [String(cString: strerror(errno))],
        nextStep: "Make its directory, or choose another file")
    }
  }

  /// Without waiting: a pipe that nobody reads must not hold up the thread, and with it the end.
  private static func open(_ path: String) -> CInt {
    Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o640)
  }

  func reopen() {
    let opened = Self.open(path)
    guard opened >= 0 else {
      let reason = String(cString: strerror(errno))
      return logger.error(
        "the access log cannot be opened anew, the old file stays in use",
        metadata: ["path": "\(path)", "reason": "\(reason)"])
    }
    Glibc.close(descriptor)
    descriptor = opened
    endsInsideLine = false
  }

  /// - Returns: lines that are not, or not wholly, in the file.
  func append(_ lines: [UInt8]) -> UInt64 {
    guard !lines.isEmpty else { return 0 }
    if endsInsideLine, put([10]) == 1 { endsInsideLine = false }
    let written = endsInsideLine ? 0 : put(lines)
    if written > 0 { endsInsideLine = lines[written - 1] != 10 }
    if written == lines.count, isFailing {
      isFailing = false
      logger.notice("the access log is written again", metadata: ["path": "\(path)"])
    }
    return UInt64(lines[written...].count { $0 == 10 })
  }

  private func put(_ bytes: [UInt8]) -> Int {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Glibc.write(descriptor, buffer.baseAddress.map { $0 + offset }, bytes.count - offset)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        fail(errno)
        break
      }
      offset += count
    }
    return offset
  }

  /// Told once, not for each line.
  private func fail(_ code: Int32) {
    guard !isFailing else { return }
    isFailing = true
    logger.error(
      "the access log cannot be written, its lines are dropped",
      metadata: ["path": "\(path)", "reason": "\(String(cString: strerror(code)))"])
  }

  func close() { Glibc.close(descriptor) }
}
