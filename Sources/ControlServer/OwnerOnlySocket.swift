internal import ControlProtocol
internal import Glibc

/// A place for a Unix socket that nobody but its owner can ever connect to.
///
/// `bind` creates a socket file with the process's umask, and `chmod` afterwards leaves a gap. So the
/// socket is bound in a fresh directory of mode 0700, given mode 0600 there, and only then renamed
/// to where clients look for it, which also replaces the file that a dead server left behind. A lock
/// beside it decides between two servers that start at the same time.
struct OwnerOnlySocket: Sendable {
  let path: String
  /// Where to bind, before ``publish()``.
  let provisionalPath: String
  private let directory: String
  private let lock: CInt

  /// The longest path that fits into a socket address, with its final zero.
  static let maximumLength = 107

  init(path: String) throws(ControlError) {
    self.path = path
    directory = path + ".new"
    provisionalPath = directory + "/s"
    guard provisionalPath.utf8.count <= Self.maximumLength else {
      throw ControlError(
        .invalid,
        "the control socket's path is too long (\(provisionalPath.utf8.count) bytes; "
          + "the system allows \(Self.maximumLength)): \(path)",
        nextStep: "Choose a shorter directory with --state or SEGUE_STATE")
    }
    lock = try Self.takeLock(path + ".lock")
    do throws(ControlError) {
      if Self.answers(path) { throw Self.taken(path) }
      _ = unlink(provisionalPath)
      _ = rmdir(directory)
      guard mkdir(directory, 0o700) == 0 else {
        throw Self.failure("cannot create \(directory)", errno)
      }
    } catch {
      close(lock)
      throw error
    }
  }

  /// Puts the bound socket where clients look for it.
  func publish() throws(ControlError) {
    guard chmod(provisionalPath, 0o600) == 0 else {
      throw Self.failure("cannot restrict \(provisionalPath)", errno)
    }
    guard rename(provisionalPath, path) == 0 else {
      throw Self.failure("cannot create \(path)", errno)
    }
    _ = rmdir(directory)
  }

  /// Takes the socket away and gives up the lock. The lock's file stays: removing it would let two
  /// servers hold locks on two files of one name.
  func remove() {
    _ = unlink(provisionalPath)
    _ = rmdir(directory)
    _ = unlink(path)
    close(lock)
  }

  private static func takeLock(_ path: String) throws(ControlError) -> CInt {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("cannot open \(path)", errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      close(descriptor)
      throw code == EWOULDBLOCK ? taken(path) : failure("cannot lock \(path)", code)
    }
    return descriptor
  }

  /// Whether something accepts connections at `path`. Anything but a definite no counts as a yes.
  private static func answers(_ path: String) -> Bool {
    let descriptor = socket(
      AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return true }
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    return result == 0 || (errno != ECONNREFUSED && errno != ENOENT && errno != ENOTSOCK)
  }

  private static func taken(_ path: String) -> ControlError {
    ControlError(
      .refused, "another control plane is running here: \(path)",
      nextStep: "Use it, or stop it before you start another")
  }

  private static func failure(_ message: String, _ code: CInt) -> ControlError {
    ControlError(.failed, message, causes: [String(cString: strerror(code))])
  }
}
