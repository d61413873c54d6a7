internal import Foundation
internal import Glibc
internal import Ports

/// Files and directories by their raw names: a name may hold any byte but `/` and zero.
enum FileTree {
  enum Kind: Sendable, Hashable { case file, directory, link, other }

  struct Entry: Sendable, Hashable {
    /// Relative to where the walk began.
    var path: [UInt8]
    var kind: Kind
    /// Permission bits, set-user-id and its like included.
    var mode: UInt32
    var size: Int64
    var inode: UInt64
    /// Nanoseconds since 1970.
    var modified: Int64
  }

  static func parent(of path: String) -> String {
    let trimmed = path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let slash = trimmed.lastIndex(of: "/") else { return "." }
    return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
  }

  /// The NUL-terminated path of something under `root`.
  static func path(_ root: String, _ relative: [UInt8]) -> [CChar] {
    var bytes = Array(root.utf8)
    if !relative.isEmpty {
      bytes.append(UInt8(ascii: "/"))
      bytes += relative
    }
    return bytes.map { CChar(bitPattern: $0) } + [0]
  }

  static func look(at path: [CChar], relative: [UInt8]) -> Entry? {
    var info = stat()
    guard lstat(path, &info) == 0 else { return nil }
    let kind: Kind =
      switch info.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .directory
      case S_IFLNK: .link
      default: .other
      }
    return Entry(
      path: relative, kind: kind, mode: info.st_mode & 0o7777, size: Int64(info.st_size),
      inode: UInt64(info.st_ino),
      modified: Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec))
  }

  /// The names in a directory in the order of their bytes; `nil` when it cannot be read.
  static func names(in path: [CChar]) -> [[UInt8]]? {
    guard let directory = opendir(path) else { return nil }
    defer { closedir(directory) }
    var names: [[UInt8]] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Visits everything under `root`, directories before what is in them; links are not followed.
  ///
  /// - Parameter visit: says whether to go into a directory.
  static func walk(
    _ root: String, from start: [UInt8] = [],
    visit: (Entry) throws(PortError) -> Bool
  ) throws(PortError) {
    var pending = [start]
    while let directory = pending.popLast() {
      guard let names = names(in: path(root, directory)) else {
        throw .system("cannot read the directory \(shown(root, directory))", errno)
      }
      var inside: [[UInt8]] = []
      for name in names {
        let relative = directory.isEmpty ? name : directory + [UInt8(ascii: "/")] + name
        guard let entry = look(at: path(root, relative), relative: relative) else { continue }
        if try visit(entry), entry.kind == .directory { inside.append(relative) }
      }
      pending += inside.reversed()
    }
  }

  static func shown(_ root: String, _ relative: [UInt8]) -> String {
    relative.isEmpty ? root : "\(root)/\(String(decoding: relative, as: UTF8.self))"
  }

  static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(PortError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true,
        attributes: [.posixPermissions: Int(mode)])
    } catch {
      throw .system("cannot make the directory \(path)", errno)
    }
  }

  /// Deletes a file or a whole tree, read-only directories included; succeeds when there is nothing.
  static func remove(_ path: String) throws(PortError) {
    guard let top = look(at: self.path(path, []), relative: []) else { return }
    guard top.kind == .directory else {
      guard unlink(path) == 0 || errno == ENOENT else {
        throw .system("cannot delete \(path)", errno)
      }
      return
    }
    chmod(path, 0o700)
    var directories: [[UInt8]] = []
    try walk(path) { entry throws(PortError) in
      let full = self.path(path, entry.path)
      if entry.kind == .directory {
        chmod(full, 0o700)
        directories.append(entry.path)
      } else if unlink(full) != 0, errno != ENOENT {
        throw .system("cannot delete \(shown(path, entry.path))", errno)
      }
      return true
    }
    for directory in directories.reversed() + [[]] {
      guard rmdir(self.path(path, directory)) == 0 || errno == ENOENT else {
        throw .system("cannot delete \(shown(path, directory))", errno)
      }
    }
  }

  /// Deletes what a killed git leaves: `*.lock` beside references and objects.
  static func removeLocks(under directory: String) {
    try? walk(directory) { entry in
      if entry.kind == .file, entry.path.suffix(5) == Array(".lock".utf8)[...] {
        unlink(path(directory, entry.path))
      }
      // Objects are by far the most, and their directories hold no locks that block anyone.
      return entry.path != Array("objects".utf8)
    }
  }

  /// Puts a whole file in place at once: readers see the old or the new, also after a crash.
  static func replace(
    _ path: String, with bytes: [UInt8], mode: mode_t = 0o644
  ) throws(PortError) {
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw .system("cannot write \(path)", errno) }
    defer { close(descriptor) }
    guard fchmod(descriptor, mode) == 0, write(bytes, to: descriptor), fsync(descriptor) == 0,
      rename(temporary, path) == 0
    else { throw .system("cannot write \(path)", errno) }
  }

  /// Writes all of the bytes; says whether it could.
  static func write(_ bytes: some Collection<UInt8>, to descriptor: Int32) -> Bool {
    let done = bytes.withContiguousStorageIfAvailable { write($0, to: descriptor) }
    return done ?? Array(bytes).withUnsafeBufferPointer { write($0, to: descriptor) }
  }

  private static func write(
    _ bytes: UnsafeBufferPointer<UInt8>, to descriptor: Int32
  ) -> Bool {
    var rest = UnsafeRawBufferPointer(bytes)
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return true
  }
}
