import CLinux
import Foundation
import Glibc
import Logging
import NIOCore
import Ports
import SegueModel
import Synchronization
import TransportSecurity

/// The words between a proxy and the one that takes over from it: JSON objects, one a line, over a Unix
/// socket beside the control socket.
///
/// 1. The heir, which has started everything it needs, says ``Step/offer``. From now on the older
///    proxy takes no new tables, and answers with a copy of its listening socket.
/// 2. The heir reads the tables, begins to accept, and says ``Step/serving``. Until then the older one
///    has gone on accepting.
/// 3. The older one stops accepting, gives up the control socket, drains, and says ``Step/yours``.
///
/// An heir that dies or falls silent before it serves costs nothing: the older proxy goes on.
enum HandoverWire {
  enum Step: String, Codable {
    case offer, listener, serving, yours
  }

  struct Message: Codable {
    var version = ControlWire.version
    var step: Step
    var pid: Int32
    /// Where the older proxy can still be asked for what it has in flight.
    var control: String?
    /// The keys of TLS sessions, so that they are resumed.
    var tickets: [UInt8]?
  }

  /// The plain listening socket, and that of TLS.
  static let descriptorLimit = 2

  private static let lineLimit = 4_096

  static func path(beside controlSocket: String) -> String { controlSocket + ".handover" }
  /// Where an heir listens until the control socket is its own.
  static func nextControl(_ controlSocket: String) -> String { controlSocket + ".next" }

  /// - Parameter patience: for each answer of the other side.
  static func setPatience(_ patience: Milliseconds, on descriptor: CInt) {
    var span = timeval(
      tv_sec: Int(patience.count / 1_000), tv_usec: Int(patience.count % 1_000 * 1_000))
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &span, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &span, size)
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
  }

  static func send(
    _ message: Message, passing descriptors: [CInt] = [], to socket: CInt
  ) throws(HandoverFailure) {
    guard var line = try? JSONEncoder().encode(message) else { throw .notUnderstood }
    line.append(UInt8(ascii: "\n"))
    let count = line.withUnsafeBytes { bytes -> Int in
      guard let start = bytes.baseAddress else { return -1 }
      return segue_send_fds(socket, start, bytes.count, descriptors, descriptors.count)
    }
    guard count == line.count else { throw .silent }
  }

  /// - Returns: the message, and the descriptors that came with it, ours to close.
  static func receive(
    _ step: Step, from socket: CInt
  ) throws(HandoverFailure) -> (Message, descriptors: [CInt]) {
    var line = Data()
    var passed: [CInt] = []
    while line.last != UInt8(ascii: "\n") {
      var chunk = [UInt8](repeating: 0, count: lineLimit)
      var descriptors = [CInt](repeating: -1, count: descriptorLimit)
      var descriptorCount = 0
      let count = segue_receive_fds(
        socket, &chunk, chunk.count, &descriptors, descriptorLimit, &descriptorCount)
      passed += descriptors.prefix(descriptorCount)
      line.append(contentsOf: chunk[..<max(count, 0)])
      guard count > 0, line.count <= lineLimit else {
        for descriptor in passed { close(descriptor) }
        throw .silent
      }
    }
    guard let message = try? JSONDecoder().decode(Message.self, from: line), message.step == step,
      message.version == ControlWire.version
    else {
      for descriptor in passed { close(descriptor) }
      throw .notUnderstood
    }
    return (message, passed)
  }
}

/// Why a takeover came to nothing.
enum HandoverFailure: Error, CustomStringConvertible {
  case silent
  case notUnderstood
  case system(String)

  var description: String {
    switch self {
    case .silent: "the other proxy ended, or did not answer in time"
    case .notUnderstood: "the other proxy speaks another version of the protocol"
    case .system(let reason): reason
    }
  }
}

/// Where a running proxy waits for the one that will take over. Blocks on a thread of its own.
final class HandoverDesk: Sendable {
  private let path: String
  private let listener: CInt
  private let logger: Logger
  private let patience: Milliseconds
  private let isClosed = Mutex(false)

  /// What a takeover needs of the proxy that is taken over.
  struct Estate: Sendable {
    /// The listening sockets, that of TLS last; none once they are closed.
    let listeners: @Sendable () -> [CInt]
    /// The keys of TLS sessions.
    let tickets: @Sendable () -> [UInt8]?
    /// Takes no new tables, or takes them again.
    let freeze: @Sendable (Bool) -> Void
    /// Gives everything up, and says where it can still be asked.
    let yield: @Sendable () throws(HandoverFailure) -> String
  }

  /// - Throws: `PortError` when the socket cannot be made.
  init(beside controlSocket: String, patience: Milliseconds, logger: Logger) throws {
    self.patience = patience
    path = HandoverWire.path(beside: controlSocket)
    self.logger = logger
    listener = try ListeningSocket.unix(path: path)
  }

  func open(_ estate: Estate) {
    let thread = Thread { [self] in
      serve(estate)
      Glibc.close(listener)
    }
    thread.name = "segue-handover"
    thread.start()
  }

  /// Ends the wait. The path stays for whoever took over.
  func close(removesPath: Bool) {
    let isFirst = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return !isClosed
    }
    guard isFirst else { return }
    if removesPath { unlink(path) }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  private func serve(_ estate: Estate) {
    while !isClosed.withLock({ $0 }) {
      let socket = accept(listener, nil, nil)
      guard socket >= 0 else {
        if errno == EINTR || errno == ECONNABORTED || errno == EMFILE { continue }
        return
      }
      defer { Glibc.close(socket) }
      HandoverWire.setPatience(patience, on: socket)
      do {
        try handOver(on: socket, estate)
        return
      } catch {
        estate.freeze(false)
        logger.error("nobody took over; going on", metadata: ["reason": "\(error)"])
      }
    }
  }

  private func handOver(on socket: CInt, _ estate: Estate) throws(HandoverFailure) {
    let (offer, _) = try HandoverWire.receive(.offer, from: socket)
    logger.info("another proxy wants to take over", metadata: ["pid": "\(offer.pid)"])
    let listeners = estate.listeners()
    guard !listeners.isEmpty else { throw .system("the proxy is shutting down") }
    estate.freeze(true)
    try HandoverWire.send(
      HandoverWire.Message(step: .listener, pid: getpid(), tickets: estate.tickets()),
      passing: listeners, to: socket)
    _ = try HandoverWire.receive(.serving, from: socket)
    let control = try estate.yield()
    // The heir serves already, so nothing that happens from here on can bring us back.
    try? HandoverWire.send(
      HandoverWire.Message(step: .yours, pid: getpid(), control: control), to: socket)
    logger.info("another proxy has taken over", metadata: ["pid": "\(offer.pid)"])
  }
}

/// The heir's side of a takeover. Blocks.
struct Inheritance {
  private let socket: CInt
  /// The listening sockets, ours to keep.
  let listener: CInt
  let secureListener: CInt?
  let tickets: TicketKeys?
  /// Of the proxy that goes.
  let pid: Int32

  /// Asks the proxy at `controlSocket` for its listening socket.
  ///
  /// - Throws: `PortError` when there is none, or it refuses.
  static func claim(
    _ controlSocket: String, patience: Milliseconds
  ) throws(PortError) -> Inheritance {
    let path = HandoverWire.path(beside: controlSocket)
    let socket: CInt
    do {
      socket = try UnixAddress.connect(to: path)
    } catch {
      throw PortError(
        "There is no proxy to take over from at \(path)", fault: .user, retry: .never,
        causes: [String(cString: strerror(error.code))], nextStep: "Start one with: segue proxy")
    }
    HandoverWire.setPatience(patience, on: socket)
    do throws(HandoverFailure) {
      try HandoverWire.send(HandoverWire.Message(step: .offer, pid: getpid()), to: socket)
      let (message, descriptors) = try HandoverWire.receive(.listener, from: socket)
      guard let first = descriptors.first else { throw HandoverFailure.notUnderstood }
      return Inheritance(
        socket: socket, listener: first, secureListener: descriptors.dropFirst().first,
        tickets: message.tickets.flatMap { TicketKeys(serialized: $0) }, pid: message.pid)
    } catch {
      close(socket)
      throw refused(error)
    }
  }

  /// Says that we serve, and waits until the older proxy has let go.
  ///
  /// - Returns: where it can still be asked for what it has in flight.
  func confirm() throws(PortError) -> String? {
    defer { close(socket) }
    do {
      try HandoverWire.send(HandoverWire.Message(step: .serving, pid: getpid()), to: socket)
      return try HandoverWire.receive(.yours, from: socket).0.control
    } catch {
      throw Self.refused(error)
    }
  }

  func abandon() {
    close(socket)
    close(listener)
    if let secureListener { close(secureListener) }
  }

  private static func refused(_ error: HandoverFailure) -> PortError {
    PortError(
      "The running proxy was not taken over, and goes on", fault: .traffic, retry: .safe,
      causes: [error.description])
  }
}
