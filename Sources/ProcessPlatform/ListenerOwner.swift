import Ports

/// Finds out whose socket it is that listens on an instance's port.
enum ListenerOwner {
  /// Blocks. A shared port (`SO_REUSEPORT`) is the instance's only when every socket is.
  static func find(port: Int, marks: InstanceMarks) -> ListenerProof {
    let listeners = Set(Listener.atLoopback(port: port).map(\.inode))
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
    let holder = ProcessTable.all().first { process in
      !ProcessTable.socketInodes(of: process.pid).isDisjoint(with: foreign)
    }
    if let holder { return .stranger("process \(holder.pid) (\(holder.command))") }
    // It may have been closed while we looked; only what still listens is somebody's.
    let still = Set(Listener.atLoopback(port: port).map(\.inode))
    guard !still.isDisjoint(with: foreign) else {
      return still.isEmpty ? .nobody : find(port: port, marks: marks)
    }
    return .stranger("a process that Segue may not see")
  }
}
