import Glibc
import Logging
public import Ports
import SegueModel

/// Sockets that Segue opens for instances: those that they share, and those on which each says that it
/// is ready.
extension ProcessPlatform {
  // MARK: Shared listeners

  /// `shared production/web 127.0.0.1:8080`
  private static func name(of key: ServiceKey, at address: SharedAddress) -> String {
    "shared \(key) \(address)"
  }

  /// The socket that the instances of a service accept from: the one that is open, wherever it is to
  /// be found, or a new one. The vault's; blocks.
  func sharedListener(
    _ key: ServiceKey, at address: SharedAddress
  ) throws(PortError) -> Int32 {
    let name = Self.name(of: key, at: address)
    if let fd = vault.find(name), SharedListener.isOpen(fd, at: address) { return fd }
    let fd: Int32
    if let found = inherited(key, at: address) {
      fd = found
    } else {
      fd = try SharedListener.open(address)
    }
    vault.keep(name, fd)
    return fd
  }

  /// Out of an instance that has it, when the keeper died together with the control plane.
  private func inherited(_ key: ServiceKey, at address: SharedAddress) -> Int32? {
    for instance in store.instances() {
      guard let record = store.record(of: instance), record.start.key == key,
        record.start.listen == .inherit(address), let process = record.process,
        ProcessTable.isRunning(process),
        let fd = SharedListener.copy(from: process.pid, at: address)
      else { continue }
      logger.notice("a shared socket was found again", metadata: ["instance": "\(instance)"])
      return fd
    }
    return nil
  }

  /// Closes what no instance uses and the latest one of its service did not use either: another
  /// address, or none. While instances are being replaced one by one, connections wait in the socket.
  func closeUnusedListeners() {
    let names = vault.names().filter { $0.hasPrefix("shared ") }
    guard !names.isEmpty else { return }
    var wanted: Set<String> = []
    var latest: [ServiceKey: InstanceRecord] = [:]
    for record in store.instances().compactMap({ store.record(of: $0) }) {
      let key = record.start.key
      if (latest[key].map { $0.at < record.at }) ?? true { latest[key] = record }
      if record.process.map(ProcessTable.isRunning) ?? true { note(record, in: &wanted) }
    }
    for record in latest.values { note(record, in: &wanted) }
    for name in names.subtracting(wanted) {
      logger.info("a shared socket that nobody uses is closed", metadata: ["socket": "\(name)"])
      vault.drop(name)
    }
  }

  private func note(_ record: InstanceRecord, in names: inout Set<String>) {
    guard case .inherit(let address) = record.start.listen else { return }
    names.insert(Self.name(of: record.start.key, at: address))
  }

  // MARK: Readiness by notice

  /// Opens the socket on which an instance says that it is ready; blocks.
  ///
  /// - Returns: its path.
  func openNotice(of instance: InstanceID) throws(PortError) -> String {
    let path = try store.noticePath(of: instance)
    vault.keep(Self.noticeName(instance), try UnixSocket.datagrams(at: path))
    return path
  }

  /// From now on nothing that the instance says can wait for a reader that never comes.
  func closeNotice(of instance: InstanceID) {
    if let path = try? store.noticePath(of: instance) { unlink(path) }
    vault.drop(Self.noticeName(instance))
  }

  private static func noticeName(_ instance: InstanceID) -> String { "notice \(instance)" }

  public func hasNotified(_ instance: RunningInstance) async throws(PortError) -> Bool {
    let id = instance.instance
    return try await changes.run { () throws(PortError) in
      if self.store.hasNotified(id) { return true }
      guard let fd = self.vault.find(Self.noticeName(id)) else { return false }
      while let message = Self.peek(fd) {
        if message.split(separator: "\n").contains("READY=1") {
          // Written down before the message goes, so that a crash in between forgets nothing.
          try self.store.noteNotified(id)
          self.closeNotice(of: id)
          return true
        }
        var octet: UInt8 = 0
        _ = recv(fd, &octet, 1, Int32(MSG_DONTWAIT))
      }
      return false
    }
  }

  /// The next message, which stays; `nil`: there is none.
  private static func peek(_ fd: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let flags = Int32(MSG_DONTWAIT) | Int32(MSG_PEEK)
    let count = recv(fd, &bytes, bytes.count, flags)
    return count >= 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
