internal import Crypto
internal import Foundation
internal import Glibc
internal import Ports
internal import Synchronization

/// What a release consists of, entry by entry, in the order of the bytes of the paths.
///
/// As text: one line per entry, `KIND MODE SHA256 PATH`, where a link has ` -> TARGET` and no hash, a
/// directory has no hash, and every byte of a path outside of printable ASCII, as well as space and
/// backslash, is written `\xHH`. So a name with a newline in it is one line like any other.
struct ReleaseManifest: Hashable, Sendable {
  struct Entry: Hashable, Sendable {
    var path: [UInt8]
    var kind: FileTree.Kind
    /// Permission bits, without those to write for files.
    var mode: UInt32
    /// Hexadecimal SHA-256 of a file.
    var hash: String
    /// Where a link points.
    var target: [UInt8]

    var line: String {
      let (letter, suffix) =
        switch kind {
        case .file: ("f", "")
        case .directory: ("d", "")
        case .link, .other: ("l", " -> " + escaped(target))
        }
      let hash = hash.isEmpty ? "-" : hash
      return "\(letter) \(String(mode, radix: 8)) \(hash) \(escaped(path))\(suffix)"
    }
  }

  var entries: [Entry]

  private static let header = "segue-manifest 1\n"

  var text: String { Self.header + entries.map { $0.line + "\n" }.joined() }

  var digest: String { SHA256.hash(data: Data(text.utf8)).hexadecimal }

  /// Reads and hashes everything under `root` but what is named `.git`.
  ///
  /// - Throws: also when something is neither a file, a directory nor a link: it cannot be part of a
  ///   release.
  static func read(_ root: String) throws(PortError) -> ReleaseManifest {
    var found: [FileTree.Entry] = []
    try FileTree.walk(root) { entry throws(PortError) in
      if entry.path == Array(".git".utf8) || entry.path.suffix(5) == Array("/.git".utf8)[...] {
        return false
      }
      guard entry.kind != .other else {
        throw PortError(
          "\(FileTree.shown(root, entry.path)) is a socket, a pipe or a device, which a release "
            + "cannot hold", fault: .user, retry: .never, nextStep: "Let the build delete it.")
      }
      found.append(entry)
      return true
    }
    found.sort { $0.path.lexicographicallyPrecedes($1.path) }
    let hashes = try hash(found, under: root)
    var entries: [Entry] = []
    for (file, hash) in zip(found, hashes) {
      entries.append(try entry(for: file, hash: hash, under: root))
    }
    return ReleaseManifest(entries: entries)
  }

  private static func entry(
    for file: FileTree.Entry, hash: String, under root: String
  ) throws(PortError) -> Entry {
    Entry(
      path: file.path, kind: file.kind,
      mode: file.kind == .file ? file.mode & ~0o222 : file.kind == .link ? 0 : file.mode,
      hash: hash,
      target: file.kind == .link ? try target(FileTree.path(root, file.path)) : [])
  }

  /// Whether everything that a manifest's text lists is still there and the same. What was added since
  /// is not looked at.
  static func holds(_ text: String, under root: String) throws(PortError) -> Bool {
    guard text.hasPrefix(header) else { return false }
    let lines = text.split(separator: "\n").dropFirst()
    var files: [FileTree.Entry] = []
    for line in lines {
      let parts = line.split(separator: " ")
      guard parts.count >= 4 else { return false }
      let relative = unescaped(parts[3])
      let found = FileTree.look(at: FileTree.path(root, relative), relative: relative)
      guard let found, found.kind != .other else { return false }
      files.append(found)
    }
    let hashes = try hash(files, under: root)
    for ((file, hash), line) in zip(zip(files, hashes), lines) {
      let now = try entry(for: file, hash: hash, under: root)
      guard now.line == line else { return false }
    }
    return true
  }

  private static func target(_ path: [CChar]) throws(PortError) -> [UInt8] {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &buffer, buffer.count)
    guard count >= 0 else { throw .system("cannot read a link", errno) }
    return buffer[..<count].map { UInt8(bitPattern: $0) }
  }

  /// Hashes files on all cores; what is no file has an empty hash.
  private static func hash(
    _ entries: [FileTree.Entry], under root: String
  ) throws(PortError) -> [String] {
    struct Progress {
      var next = 0
      var hashes: [String]
      var failure: PortError?
    }
    let state = Mutex(Progress(hashes: Array(repeating: "", count: entries.count)))
    DispatchQueue.concurrentPerform(iterations: ProcessInfo.processInfo.activeProcessorCount) { _ in
      while true {
        let index = state.withLock { state in
          defer { state.next += 1 }
          return state.failure == nil ? state.next : entries.count
        }
        guard index < entries.count else { return }
        guard entries[index].kind == .file else { continue }
        do throws(PortError) {
          let hash = try hashFile(FileTree.path(root, entries[index].path))
          state.withLock { $0.hashes[index] = hash }
        } catch {
          state.withLock {
            $0.failure = error.wrapped(
              "cannot read \(FileTree.shown(root, entries[index].path))")
          }
        }
      }
    }
    let result = state.withLock { $0 }
    if let failure = result.failure { throw failure }
    return result.hashes
  }

  static func hashFile(_ path: [CChar]) throws(PortError) -> String {
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("cannot open it", errno) }
    defer { close(descriptor) }
    var hash = SHA256()
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw .system("cannot read it", errno) }
      if count == 0 { break }
      chunk.withUnsafeBytes { hash.update(bufferPointer: .init(rebasing: $0[..<count])) }
    }
    return hash.finalize().hexadecimal
  }
}

private func escaped(_ bytes: [UInt8]) -> String {
  var text = ""
  for byte in bytes {
    if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "\\") {
      text.unicodeScalars.append(Unicode.Scalar(byte))
    } else {
      text += (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
    }
  }
  return text
}

private func unescaped(_ text: Substring) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.first {
    let code = rest.dropFirst(2).prefix(2)
    if byte == UInt8(ascii: "\\"), let value = UInt8(String(Substring(code)), radix: 16) {
      bytes.append(value)
      rest = rest.dropFirst(4)
    } else {
      bytes.append(byte)
      rest = rest.dropFirst()
    }
  }
  return bytes
}
