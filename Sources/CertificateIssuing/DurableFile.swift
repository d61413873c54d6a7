import Foundation
import Glibc
import Ports

/// Files that are there whole or not at all, for their owner only. Every call blocks.
enum DurableFile {
  static func makeDirectory(_ path: String) throws(PortError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw PortError(
        "cannot make the folder \(path)", fault: .platform, retry: .safe,
        causes: [error.localizedDescription])
    }
  }

  /// Writes beside the name, and gives it the name in one step.
  static func write(_ octets: [UInt8], to path: String) throws(PortError) {
    let fresh = path + ".new"
    unlink(fresh)
    let file = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("cannot write \(path)", errno) }
    var problem: Int32 = 0
    var rest = octets[...]
    while problem == 0, !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno != EINTR { problem = errno }
      } else {
        rest = rest.dropFirst(count)
      }
    }
    if problem == 0, fsync(file) != 0 { problem = errno }
    if close(file) != 0, problem == 0 { problem = errno }
    if problem == 0, rename(fresh, path) != 0 { problem = errno }
    guard problem == 0 else {
      unlink(fresh)
      throw failure("cannot write \(path)", problem)
    }
    try syncFolder(of: path)
  }

  /// Makes a symbolic link, or leads an existing one elsewhere, in one step.
  static func link(_ path: String, to target: String) throws(PortError) {
    if (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == target { return }
    let fresh = path + ".new"
    unlink(fresh)
    guard symlink(target, fresh) == 0, rename(fresh, path) == 0 else {
      throw failure("cannot link \(path)", errno)
    }
    try syncFolder(of: path)
  }

  /// The new name itself lives in the folder.
  private static func syncFolder(of path: String) throws(PortError) {
    let folder = (path as NSString).deletingLastPathComponent
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("cannot open \(folder)", errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("cannot sync \(folder)", errno) }
  }

  /// An `errno` as a failure of this machine.
  static func failure(_ what: String, _ code: Int32) -> PortError {
    PortError(
      what, fault: .platform, retry: .safe, causes: [String(cString: strerror(code))],
      nextStep: code == ENOSPC || code == EDQUOT ? "Free some space on that file system" : nil)
  }
}
