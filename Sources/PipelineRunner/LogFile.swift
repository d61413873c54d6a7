internal import Glibc
internal import Ports

/// A log that keeps its beginning and its end and stays within a bound.
///
/// The first ``Bounds/head`` bytes go to the file itself. What follows goes in turn to two segments
/// beside it, of which the older is emptied when the newer is full; closing puts them together with a
/// line between that says how much was left out. So nothing that is kept is ever only in memory.
struct LogFile: ~Copyable {
  struct Bounds: Sendable, Hashable {
    var head = 1 << 20
    /// Of each of the two segments.
    var segment = 7 << 20
  }

  private let path: String
  private let bounds: Bounds
  private let descriptor: Int32
  private var headRoom: Int
  /// The segment being written, and the one before it.
  private var current: Int32 = -1
  private var older: Int32 = -1
  private var written = 0
  private var omitted = 0
  /// The first error of a write: a full disk ends the log, not the step.
  private(set) var failure: Int32?

  /// Begins the log anew.
  init(path: String, bounds: Bounds = Bounds()) throws(PortError) {
    self.path = path
    self.bounds = bounds
    headRoom = bounds.head
    for name in [path + ".tail-0", path + ".tail-1"] { unlink(name) }
    descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw .system("cannot write the log \(path)", errno) }
  }

  deinit {
    for descriptor in [descriptor, current, older] where descriptor >= 0 { close(descriptor) }
  }

  mutating func append(_ bytes: ArraySlice<UInt8>) {
    var rest = bytes
    while !rest.isEmpty, failure == nil {
      if headRoom > 0 {
        let part = rest.prefix(headRoom)
        put(part, descriptor)
        headRoom -= part.count
        rest = rest.dropFirst(part.count)
        continue
      }
      if current < 0 || written >= bounds.segment { turn() }
      guard failure == nil else { return }
      let part = rest.prefix(bounds.segment - written)
      put(part, current)
      written += part.count
      rest = rest.dropFirst(part.count)
    }
  }

  private mutating func put(_ bytes: ArraySlice<UInt8>, _ descriptor: Int32) {
    if !FileTree.write(bytes, to: descriptor) { failure = errno }
  }

  /// Empties the older segment and goes on in it.
  private mutating func turn() {
    if older >= 0 {
      omitted += bounds.segment
      guard ftruncate(older, 0) == 0, lseek(older, 0, SEEK_SET) == 0 else {
        failure = errno
        return
      }
    } else {
      let name = path + (current < 0 ? ".tail-0" : ".tail-1")
      older = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
      guard older >= 0 else {
        failure = errno
        return
      }
    }
    swap(&current, &older)
    written = 0
  }

  /// Puts the parts together.
  mutating func finish() {
    if omitted > 0 {
      put(Array("\n[… \(omitted) bytes left out …]\n".utf8)[...], descriptor)
    }
    for segment in [older, current] where segment >= 0 {
      var chunk = [UInt8](repeating: 0, count: 1 << 18)
      var offset: off_t = 0
      while failure == nil {
        let count = pread(segment, &chunk, chunk.count, offset)
        if count <= 0 { break }
        put(chunk[..<count], descriptor)
        offset += off_t(count)
      }
    }
    for name in [path + ".tail-0", path + ".tail-1"] { unlink(name) }
  }
}
