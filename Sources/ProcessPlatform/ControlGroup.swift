import CLinux
import Foundation
import Glibc
import Ports
import SegueModel

/// A version 2 cgroup that Segue was given, under which each instance gets one of its own
/// (Documentation/admin-guide/cgroup-v2.rst of the kernel, "Delegation").
struct ControlGroupRoot: Hashable, Sendable {
  var path: String
  /// Of `cpu`, `memory` and `pids`: those that can be limited there.
  var controllers: Set<String>

  /// What was found: a root, or one sentence that says why there is none.
  enum Finding: Hashable, Sendable {
    case usable(ControlGroupRoot)
    case none(String)
  }

  static func detect() -> Finding {
    let mounts = BlockingFile.read("/proc/self/mountinfo", limit: 4 << 20) ?? []
    let own = BlockingFile.read("/proc/self/cgroup", limit: 65_536) ?? []
    guard
      let path = ownPath(
        mounts: String(decoding: mounts, as: UTF8.self),
        membership: String(decoding: own, as: UTF8.self))
    else { return .none("no version 2 cgroup file system is mounted") }
    let here = probe(path)
    if case .usable = here { return here }
    // With systemd's DelegateSubgroup=, Segue sits in a leaf and may rule the group above it.
    let parent = (path as NSString).deletingLastPathComponent
    guard isDelegated(parent) else { return here }
    return probe(parent)
  }

  /// Where our own cgroup is in the file system (proc_pid_mountinfo(5), cgroups(7)).
  static func ownPath(mounts: String, membership: String) -> String? {
    let own = membership.split(separator: "\n").first { $0.hasPrefix("0::") }?.dropFirst(3)
    guard let own else { return nil }
    for line in mounts.split(separator: "\n") {
      let halves = line.components(separatedBy: " - ")
      let fields = halves[0].split(separator: " ")
      guard halves.count == 2, halves[1].hasPrefix("cgroup2 "), fields.count >= 5 else { continue }
      let root = fields[3] == "/" ? "" : fields[3]
      guard own.hasPrefix(root) else { continue }
      let below = own.dropFirst(root.count)
      return below == "/" || below.isEmpty ? String(fields[4]) : String(fields[4]) + below
    }
    return nil
  }

  /// systemd marks a group that its owner may divide further.
  private static func isDelegated(_ path: String) -> Bool {
    segue_has_attribute(path, "user.delegate", "1")
      || segue_has_attribute(path, "trusted.delegate", "1")
  }

  private static func probe(_ path: String) -> Finding {
    guard access(path, W_OK) == 0, access(path + "/cgroup.subtree_control", W_OK) == 0 else {
      return .none("Segue may not write to its cgroup \(path)")
    }
    let wanted = words(path + "/cgroup.controllers").intersection(["cpu", "memory", "pids"])
    guard !wanted.isEmpty else {
      return .none("the cgroup \(path) has no cpu, memory or pids controller")
    }
    for controller in wanted.subtracting(words(path + "/cgroup.subtree_control")).sorted() {
      // A group with processes of its own cannot be divided: then this fails with EBUSY.
      _ = ControlGroup.write("+" + controller, to: path + "/cgroup.subtree_control")
    }
    let enabled = words(path + "/cgroup.subtree_control").intersection(wanted)
    guard !enabled.isEmpty else {
      return .none(
        "the cgroup \(path) is not Segue's to divide (systemd: Delegate=yes and DelegateSubgroup=)")
    }
    return .usable(ControlGroupRoot(path: path, controllers: enabled))
  }

  private static func words(_ file: String) -> Set<String> {
    let text = String(decoding: BlockingFile.read(file, limit: 4_096) ?? [], as: UTF8.self)
    return Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
  }
}

/// One instance's cgroup.
struct ControlGroup: Hashable, Sendable {
  var path: String

  /// Makes the group, with its limits in force.
  static func make(
    at path: String, limits: LimitSpec, controllers: Set<String>
  ) throws(PortError) -> ControlGroup {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw BlockingFile.failure("cannot make the cgroup \(path)", errno)
    }
    let group = ControlGroup(path: path)
    try group.set("memory.max", limits.memory.map { "\($0)" }, controllers.contains("memory"))
    try group.set("pids.max", limits.processes.map { "\($0)" }, controllers.contains("pids"))
    // Microseconds of processor time in each tenth of a second.
    let share = limits.cpu.map { "\($0 * 100) 100000" }
    try group.set("cpu.max", share, controllers.contains("cpu"))
    return group
  }

  private func set(_ file: String, _ value: String?, _ possible: Bool) throws(PortError) {
    guard let value, possible else { return }
    let problem = Self.write(value, to: path + "/" + file)
    guard problem == 0 else {
      throw BlockingFile.failure("cannot set \(file) to \(value)", problem)
    }
  }

  func openProcs() throws(PortError) -> Int32 {
    let fd = open(path + "/cgroup.procs", O_WRONLY | O_CLOEXEC)
    guard fd >= 0 else { throw BlockingFile.failure("cannot join the cgroup \(path)", errno) }
    return fd
  }

  func processes() -> Set<Int32> {
    let text = String(
      decoding: BlockingFile.read(path + "/cgroup.procs", limit: 1 << 20) ?? [], as: UTF8.self)
    return Set(text.split(separator: "\n").compactMap { Int32($0) })
  }

  /// Succeeds only when nothing runs in it; otherwise it stays for a later try.
  func remove() { rmdir(path) }

  static func write(_ text: String, to file: String) -> Int32 {
    let fd = open(file, O_WRONLY | O_CLOEXEC)
    guard fd >= 0 else { return errno }
    defer { close(fd) }
    return BlockingFile.write(Array(text.utf8), to: fd)
  }
}
