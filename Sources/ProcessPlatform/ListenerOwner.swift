import Ports
import SegueModel

/// Finds out whose socket it is that listens at an instance's address.
enum ListenerOwner {
  /// Blocks. A shared port (`SO_REUSEPORT`) is the instance's only when every socket is.
  static func find(_ endpoint: Endpoint, marks: InstanceMarks) -> ListenerProof {
    let listeners = sockets(at: endpoint)
    guard !listeners.isEmpty else { return .nobody }
    // Mostly the leader itself listens, and the whole table need not be read.
    var foreign = listeners
    if let leader = marks.leader, ProcessTable.isRunning(leader) {
      foreign.subtract(ProcessTable.socketInodes(of: leader.pid))
    }
    if foreign.isEmpty { return .own }
    for member in marks.members() {
      foreign.subtract(ProcessTable.socketInodes(of: member.pid))
      if foreign.isEmpty { return .own }
    }
    if let holder = holder(of: foreign) { return .stranger(holder) }
    // It may have been closed while we looked; only what still listens is somebody's.
    let still = sockets(at: endpoint)
    guard !still.isDisjoint(with: foreign) else {
      return still.isEmpty ? .nobody : find(endpoint, marks: marks)
    }
    return .stranger("a process that Segue may not see")
  }

  /// A process that has one of these sockets, as a person would name it; `nil`: none that we may see.
  static func holder(of inodes: Set<UInt64>) -> String? {
    ProcessTable.all().first { process in
      !ProcessTable.socketInodes(of: process.pid).isDisjoint(with: inodes)
    }.map { "process \($0.pid) (\($0.command))" }
  }

  /// Inodes of what listens there.
  private static func sockets(at endpoint: Endpoint) -> Set<UInt64> {
    endpoint.socket.map { Listener.at(path: $0) }
      ?? Set(Listener.atLoopback(port: endpoint.port).map(\.inode))
  }
}
