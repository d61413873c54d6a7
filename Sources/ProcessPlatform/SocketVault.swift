import CLinux
import Glibc
import Logging
import Ports
import SegueModel
import Synchronization

/// Open sockets that must not close when the control plane ends: it has them itself, and gives a copy
/// of each to a keeper (``SocketKeeper``) that outlives it. Everything here blocks.
///
/// Without a keeper's command they live as long as this program.
final class SocketVault: Sendable {
  private let stateDirectory: String
  private let command: [String]?
  private let logger: Logger
  private let held = Mutex<[String: Int32]>([:])

  init(stateDirectory: String, command: [String]?, logger: Logger) {
    self.stateDirectory = stateDirectory
    self.command = command
    self.logger = logger
  }

  deinit { held.withLock { held in for fd in held.values { close(fd) } } }

  /// A socket that we have, or that an earlier control plane had. It stays the vault's.
  func find(_ name: String) -> Int32? {
    if let fd = held.withLock({ $0[name] }) { return fd }
    guard command != nil, let fd = ask("give \(name)")?.descriptor else { return nil }
    replace(name, with: fd)
    return fd
  }

  /// Takes over a socket, and sees to it that it outlives us. If that cannot be, it is told: the
  /// instances that share the socket keep it open as well.
  func keep(_ name: String, _ fd: Int32) {
    replace(name, with: fd)
    guard command != nil, !isKept(name, fd) else { return }
    do throws(PortError) {
      try startKeeper()
    } catch {
      logger.warning("sockets are not kept beyond this program", metadata: ["error": "\(error)"])
    }
  }

  func drop(_ name: String) {
    if let fd = held.withLock({ $0.removeValue(forKey: name) }) { close(fd) }
    if command != nil { _ = ask("drop \(name)") }
  }

  /// Every socket that is kept, by us or by the keeper.
  func names() -> Set<String> {
    let own = Set(held.withLock { $0.keys })
    guard command != nil, let list = ask("list") else { return own }
    return own.union(list.text.split(separator: "\n").map(String.init))
  }

  /// Puts a keeper that has died in its place again, with all that we have.
  func renew() {
    guard command != nil, let first = held.withLock({ $0.first }), ask("list") == nil else {
      return
    }
    logger.warning("the keeper of sockets has died and is started again")
    keep(first.key, first.value)
  }

  private func replace(_ name: String, with fd: Int32) {
    let old = held.withLock { $0.updateValue(fd, forKey: name) }
    if let old, old != fd { close(old) }
  }

  private func isKept(_ name: String, _ fd: Int32) -> Bool {
    guard let answer = ask("keep \(name)", fd) else { return false }
    if answer.text != "ok" {
      logger.warning(
        "a socket is not kept", metadata: ["name": "\(name)", "reason": "\(answer.text)"])
    }
    return true
  }

  // MARK: The keeper

  private static func socketPath(_ stateDirectory: String) -> String {
    stateDirectory + "/keeper.sock"
  }

  private static func identityFile(_ stateDirectory: String) -> String {
    stateDirectory + "/keeper.json"
  }

  private static func logFile(_ stateDirectory: String) -> String {
    stateDirectory + "/keeper.log"
  }

  /// One question; `nil` when there is no keeper.
  private func ask(_ text: String, _ descriptor: Int32? = nil) -> KeeperMessage? {
    guard let connection = UnixSocket.connect(to: Self.socketPath(stateDirectory)) else {
      return nil
    }
    defer { close(connection) }
    guard KeeperMessage(text, descriptor: descriptor).send(to: connection) else { return nil }
    return KeeperMessage.receive(from: connection)
  }

  /// The keeper is given its listening socket, so that it can be asked at once, and then all that we
  /// have.
  private func startKeeper() throws(PortError) {
    guard let command else { return }
    let listener = try UnixSocket.listen(at: Self.socketPath(stateDirectory))
    defer { close(listener) }
    _ = try DetachedProcess.startNow(
      DetachedCommand(
        arguments: command, environment: ["PATH": "/usr/bin:/bin"], directory: "/",
        logFile: Self.logFile(stateDirectory), identityFile: Self.identityFile(stateDirectory),
        passedDescriptors: [listener]))
    for (name, fd) in held.withLock({ $0 }) where !isKept(name, fd) {
      throw PortError("the keeper of sockets does not answer", fault: .segue, retry: .safe)
    }
  }

  /// Ends the keeper of a state directory, if there is one; what it kept closes.
  static func stopKeeper(of stateDirectory: String) async throws(PortError) {
    let keeper = try await DetachedProcess.adopt(
      identityFile: identityFile(stateDirectory), logFile: logFile(stateDirectory))
    guard let keeper else { return }
    _ = try await keeper.stop(deadline: .seconds(1))
    unlink(socketPath(stateDirectory))
  }
}

/// Unix sockets by path.
enum UnixSocket {
  /// Listens for whole messages; only its owner can connect.
  static func listen(at path: String) throws(PortError) -> Int32 {
    let fd = try bound(to: path, Int32(SOCK_SEQPACKET.rawValue))
    guard Glibc.listen(fd, 64) == 0 else {
      let code = errno
      close(fd)
      throw BlockingFile.failure("cannot listen on \(path)", code)
    }
    return fd
  }

  /// Takes datagrams; only its owner can send one. Never blocks.
  static func datagrams(at path: String) throws(PortError) -> Int32 {
    try bound(to: path, Int32(SOCK_DGRAM.rawValue) | SEGUE_SOCK_NONBLOCK)
  }

  private static func bound(to path: String, _ type: Int32) throws(PortError) -> Int32 {
    let fd = socket(AF_UNIX, type | SEGUE_SOCK_CLOEXEC, 0)
    guard fd >= 0 else { throw BlockingFile.failure("cannot open a socket", errno) }
    unlink(path)
    // The mode is set before there is a file, so that there is no moment in which others could.
    fchmod(fd, 0o600)
    guard named(path, { bind(fd, $0, $1) }) == 0 else {
      let code = errno
      close(fd)
      throw BlockingFile.failure("cannot make the socket \(path)", code)
    }
    return fd
  }

  /// `nil` when nobody listens there.
  static func connect(to path: String) -> Int32? {
    let fd = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | SEGUE_SOCK_CLOEXEC, 0)
    guard fd >= 0 else { return nil }
    var limit = timeval(tv_sec: 2, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(fd, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    guard named(path, { Glibc.connect(fd, $0, $1) }) == 0 else {
      close(fd)
      return nil
    }
    return fd
  }

  /// Fails with `ENAMETOOLONG` when the path does not fit.
  private static func named(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    let octets = Array(path.utf8)
    guard octets.count < MemoryLayout.size(ofValue: name.sun_path) else {
      errno = ENAMETOOLONG
      return -1
    }
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: octets) }
    return withUnsafePointer(to: &name) { typed in
      typed.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
