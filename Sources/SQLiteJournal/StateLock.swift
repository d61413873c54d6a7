internal import Glibc
public import Ports
internal import Synchronization

/// The right to use a state directory: at most one process has it at a time.
///
/// It is an `flock` on the file `lock` in the directory. The kernel releases it when the process dies,
/// however it dies; instances and the proxy do not inherit it. The file itself stays and says who
/// held it last.
public final class StateLock: Sendable {
  private let descriptor: Mutex<CInt?>

  private init(descriptor: CInt) { self.descriptor = Mutex(descriptor) }

  deinit { release() }

  /// Takes the lock or says at once who has it.
  ///
  /// - Parameters:
  ///   - directory: must exist.
  ///   - command: what this process is, for the error that the next one gets.
  /// - Throws: fault `user`, `retry: never`, when another process has it; fault `platform` when the
  ///   file cannot be made.
  public static func acquire(
    directory: String, command: String = "segue serve"
  ) throws(PortError) -> StateLock {
    let path = directory + "/lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("opening \(path)", errno) }
    var result: CInt
    repeat { result = flock(descriptor, LOCK_EX | LOCK_NB) } while result != 0 && errno == EINTR
    guard result == 0 else {
      let code = errno
      let owner = owner(descriptor)
      close(descriptor)
      guard code == EWOULDBLOCK else { throw failure("locking \(path)", code) }
      throw PortError(
        "another \(owner) uses \(directory)", fault: .user, retry: .never,
        nextStep: "Stop it first, or use another state directory")
    }
    let lock = StateLock(descriptor: descriptor)
    let line = Array("\(getpid()) \(command)\n".utf8)
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, line, line.count, 0) == line.count
    else {
      throw failure("writing \(path)", errno)
    }
    return lock
  }

  /// Gives the lock back; doing so again changes nothing.
  public func release() {
    descriptor.withLock { descriptor in
      if let open = descriptor {
        // A child that was forked and is not another program yet has the file open as well.
        flock(open, LOCK_UN)
        close(open)
      }
      descriptor = nil
    }
  }

  /// `segue serve (pid 4711)`, as the owner wrote it; `process` if it wrote nothing.
  private static func owner(_ descriptor: CInt) -> String {
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let text = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    let line = text.prefix { $0 != "\n" }.split(separator: " ", maxSplits: 1)
    guard line.count == 2, let pid = Int32(line[0]) else { return "process" }
    return "\(line[1]) (pid \(pid))"
  }

  private static func failure(_ doing: String, _ code: CInt) -> PortError {
    PortError(
      "\(doing) failed", fault: .platform, retry: .never, causes: [String(cString: strerror(code))],
      nextStep: "Check the permissions and the free space of the state directory")
  }
}
