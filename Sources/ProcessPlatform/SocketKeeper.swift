import CLinux
import Glibc

/// Keeps open sockets alive while nobody else does: the process behind it has this one task, so that it
/// outlives every control plane.
///
/// It is spoken to over a Unix socket of whole messages (`SOCK_SEQPACKET`), one request a connection:
/// `keep NAME` with a descriptor, `give NAME`, `drop NAME` or `list`. It answers `ok` (and with `give`
/// the descriptor), `none` or `full`.
public enum SocketKeeper {
  /// What is kept at most; an instance has one socket at most, a service another.
  static let capacity = 500
  /// Octets of a message. Names are short; a list of them all fits.
  static let messageLimit = 256 * 1_024
  /// Seconds that one who has connected may be silent.
  private static let patience = 2

  /// Serves whoever connects to `listener`, a listening socket, until that is shut down or the process
  /// is killed. Blocks.
  public static func serve(_ listener: Int32) {
    signal(SIGPIPE, SIG_IGN)
    var kept: [String: Int32] = [:]
    defer { for fd in kept.values { close(fd) } }
    while true {
      let connection = segue_accept4(listener, nil, nil, SEGUE_SOCK_CLOEXEC)
      guard connection >= 0 else {
        // A connection that was given up in the queue is no reason to leave.
        guard [ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) else { return }
        usleep(50_000)
        continue
      }
      defer { close(connection) }
      guard isOwner(connection) else { continue }
      var limit = timeval(tv_sec: patience, tv_usec: 0)
      for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
        setsockopt(
          connection, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
      }
      guard let request = KeeperMessage.receive(from: connection) else { continue }
      let answer = answer(request, &kept)
      _ = answer.send(to: connection)
    }
  }

  /// Its own user, or root.
  private static func isOwner(_ connection: Int32) -> Bool {
    var peer = segue_credentials()
    guard segue_peer_cred(connection, &peer) == 0 else { return false }
    return peer.uid == geteuid() || peer.uid == 0
  }

  private static func answer(
    _ request: KeeperMessage, _ kept: inout [String: Int32]
  ) -> KeeperMessage {
    let words = request.text.split(separator: " ", maxSplits: 1).map(String.init)
    let name = words.count == 2 ? words[1] : ""
    let given = request.descriptor
    switch (words.first, given) {
    case ("keep", let given?) where !name.isEmpty:
      guard kept[name] != nil || kept.count < capacity else {
        close(given)
        return KeeperMessage("full")
      }
      if let old = kept.updateValue(given, forKey: name) { close(old) }
      return KeeperMessage("ok")
    case ("give", nil):
      return kept[name].map { KeeperMessage("ok", descriptor: $0) } ?? KeeperMessage("none")
    case ("drop", nil):
      guard let old = kept.removeValue(forKey: name) else { return KeeperMessage("none") }
      close(old)
      return KeeperMessage("ok")
    case ("list", nil):
      return KeeperMessage(kept.keys.sorted().joined(separator: "\n"))
    default:
      if let given { close(given) }
      return KeeperMessage("what?")
    }
  }
}

/// One message to or from a keeper, with at most one descriptor.
struct KeeperMessage {
  var text: String
  var descriptor: Int32?

  init(_ text: String, descriptor: Int32? = nil) {
    self.text = text
    self.descriptor = descriptor
  }

  /// - Returns: whether it was sent as a whole.
  func send(to socket: Int32) -> Bool {
    // An empty message would look like an end.
    let bytes = Array((text + "\n").utf8)
    let passed = descriptor.map { [$0] } ?? []
    return segue_send_fds(socket, bytes, bytes.count, passed, passed.count) == bytes.count
  }

  static func receive(from socket: Int32) -> KeeperMessage? {
    var bytes = [UInt8](repeating: 0, count: SocketKeeper.messageLimit)
    var passed = [Int32](repeating: -1, count: 1)
    var count = 0
    let received = segue_receive_fds(socket, &bytes, bytes.count, &passed, 1, &count)
    guard received > 0 else { return nil }
    var text = String(decoding: bytes[..<received], as: UTF8.self)
    if text.hasSuffix("\n") { text.removeLast() }
    return KeeperMessage(text, descriptor: count == 1 ? passed[0] : nil)
  }
}
