import Glibc
import Ports
import SegueModel

/// How the processes of one instance are told from all others.
///
/// A process belongs to it when any of these holds, or when its parent belongs:
/// - it is in the session of the leader, and the leader is known to be alive (or at least not yet
///   reaped), so that the session's number cannot have been given away;
/// - it was started with the instance's name in its environment, which a daemon that leaves the
///   session keeps;
/// - its standard output or error is the instance's own log, which a program that writes over its
///   environment (setproctitle) keeps;
/// - it is in the instance's cgroup.
struct InstanceMarks: Sendable {
  var leader: ProcessIdentity?
  /// Variables that must all have these values.
  var environment: [String: String]
  var outputPath: String?
  var cgroup: ControlGroup?

  static let instanceVariable = "SEGUE_INSTANCE"
  static let homeVariable = "SEGUE_HOME_ID"

  /// Every living process of the instance, by ascending pid. Never Segue itself.
  func members() -> [ProcessStatus] {
    let all = ProcessTable.all()
    let leaderHolds = all.contains { $0.identity == leader }
    let inGroup = cgroup?.processes() ?? []
    var members: Set<Int32> = []
    for process in all where belongs(process, leaderHolds: leaderHolds, inGroup: inGroup) {
      members.insert(process.pid)
    }
    var grown = true
    while grown {
      grown = false
      for process in all where members.contains(process.parent) {
        if members.insert(process.pid).inserted { grown = true }
      }
    }
    let own = getpid()
    return all.filter { members.contains($0.pid) && !$0.hasEnded && $0.pid != own && $0.pid != 1 }
  }

  private func belongs(
    _ process: ProcessStatus, leaderHolds: Bool, inGroup: Set<Int32>
  ) -> Bool {
    if leaderHolds && process.session == leader?.pid { return true }
    if inGroup.contains(process.pid) { return true }
    return isTagged(process.pid) || writesOutput(process.pid)
  }

  func isTagged(_ pid: Int32) -> Bool {
    guard !environment.isEmpty, let actual = ProcessTable.environment(of: pid) else { return false }
    return environment.allSatisfy { actual[$0.key] == $0.value }
  }

  func writesOutput(_ pid: Int32) -> Bool {
    guard let outputPath else { return false }
    return ["1", "2"].contains { ProcessTable.descriptor($0, of: pid) == outputPath }
  }
}
