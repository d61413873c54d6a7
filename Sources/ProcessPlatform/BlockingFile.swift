import Dispatch
import Foundation
import Glibc
import Ports
import SegueModel

/// Small file operations that say what went wrong. All of them block: call them on a ``WorkQueue``.
enum BlockingFile {
  /// The first `limit` bytes of a file; `nil` when it cannot be read.
  static func read(_ path: String, limit: Int) -> [UInt8]? {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    var bytes: [UInt8] = []
    while bytes.count < limit {
      let chunk = readChunk(fd, upTo: min(limit - bytes.count, 65_536))
      guard let chunk else { return nil }
      if chunk.isEmpty { break }
      bytes += chunk
    }
    return bytes
  }

  private static func readChunk(_ fd: Int32, upTo count: Int) -> [UInt8]? {
    var failed = false
    let chunk = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      var got: Int
      repeat { got = Glibc.read(fd, buffer.baseAddress, count) } while got < 0 && errno == EINTR
      failed = got < 0
      filled = max(got, 0)
    }
    return failed ? nil : chunk
  }

  /// Bytes `offset ..< offset + count` of an open file; fewer at its end, `nil` on an error.
  static func read(_ fd: Int32, at offset: Int64, count: Int) -> [UInt8]? {
    var failed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let rest = UnsafeMutableBufferPointer(rebasing: buffer[filled...])
        let got = pread(fd, rest.baseAddress, rest.count, Int(offset) + filled)
        if got < 0 && errno == EINTR { continue }
        failed = got < 0
        guard got > 0 else { break }
        filled += got
      }
    }
    return failed ? nil : bytes
  }

  /// Writes all of `bytes`; returns 0 or an `errno`.
  static func write(_ bytes: [UInt8], to fd: Int32) -> Int32 {
    bytes.withUnsafeBytes { buffer in
      var written = 0
      while written < buffer.count {
        let rest = UnsafeRawBufferPointer(rebasing: buffer[written...])
        let count = Glibc.write(fd, rest.baseAddress, rest.count)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { return count < 0 ? errno : EIO }
        written += count
      }
      return 0
    }
  }

  /// Names in a directory, in no order; empty when it cannot be read.
  static func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  static func link(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &buffer, buffer.count)
    guard count >= 0 else { return nil }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Makes a directory that only its owner can look into, and those above it.
  static func makeDirectory(_ path: String) throws(PortError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw PortError(
        "cannot make the directory \(path)", fault: .platform, retry: .safe,
        causes: [error.localizedDescription])
    }
  }

  /// Replaces a file in one step: a reader, or a crash, sees the old contents or the new, never a
  /// part. On stable storage when this returns.
  static func replace(_ path: String, with bytes: [UInt8]) throws(PortError) {
    let temporary = path + ".new"
    let fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard fd >= 0 else { throw failure("cannot write \(path)", errno) }
    var problem = write(bytes, to: fd)
    if problem == 0 && fsync(fd) != 0 { problem = errno }
    if close(fd) != 0 && problem == 0 { problem = errno }
    if problem == 0 && rename(temporary, path) != 0 { problem = errno }
    guard problem == 0 else {
      unlink(temporary)
      throw failure("cannot write \(path)", problem)
    }
    // The new name itself lives in the directory.
    let directory = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY)
    guard directory >= 0 else { throw failure("cannot write \(path)", errno) }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw failure("cannot write \(path)", errno) }
  }

  /// An `errno` as a failure of this machine.
  static func failure(_ what: String, _ code: Int32) -> PortError {
    let cause = String(cString: strerror(code))
    return switch code {
    case ENOSPC, EDQUOT:
      PortError(
        what, fault: .platform, retry: .safe, causes: [cause],
        nextStep: "Free some disk space; `segue history` shows releases that can go.")
    case EAGAIN, ENOMEM:
      PortError(
        what, fault: .platform, retry: .after(.seconds(1)), causes: [cause],
        nextStep: "The machine is out of memory or processes: stop something, or raise its limits.")
    case EMFILE, ENFILE:
      PortError(
        what, fault: .platform, retry: .after(.seconds(1)), causes: [cause],
        nextStep: "Raise the limit on open files of Segue (`ulimit -n`).")
    case EACCES, EPERM, EROFS:
      PortError(
        what, fault: .platform, retry: .never, causes: [cause],
        nextStep: "Let the user that runs Segue read and write there.")
    default:
      PortError(what, fault: .platform, retry: .safe, causes: [cause])
    }
  }
}

/// A thread of its own for calls that block, so that they never hold one of the few threads that async
/// code runs on. Work on one queue is done in order, one at a time.
struct WorkQueue: Sendable {
  private let queue: DispatchQueue

  init(_ label: String) { queue = DispatchQueue(label: label) }

  func run<Value: Sendable>(
    _ work: @escaping @Sendable () throws(PortError) -> Value
  ) async throws(PortError) -> Value {
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(returning: Result { () throws(PortError) in try work() })
      }
    }
    return try result.get()
  }
}
