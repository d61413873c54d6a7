internal import Crypto
internal import Foundation
internal import Glibc
internal import Ports
internal import SegueModel

/// Directories that a step keeps from one run to the next. A cache can only make a step faster:
/// whatever goes wrong with it is a note in the step's log.
struct StepCache: Sendable {
  /// `STATE/cache/STEP`
  let store: String
  let project: ProjectName
  let checkout: String
  let paths: [String]
  let deadline: Duration = .seconds(600)

  private func kept(_ path: String) -> String {
    let digest = SHA256.hash(data: Data("\(project)\0\(path)".utf8)).hexadecimal.prefix(16)
    return "\(store)/\(digest)"
  }

  /// Whether a path stays within the checkout, also by the links it goes through.
  private func isInside(_ path: String) -> Bool {
    guard !path.isEmpty, !path.hasPrefix("/") else { return false }
    var walked: [UInt8] = []
    for name in path.split(separator: "/") where name != "." {
      guard name != "..", name != ".git" else { return false }
      walked += (walked.isEmpty ? [] : [UInt8(ascii: "/")]) + Array(name.utf8)
      let entry = FileTree.look(at: FileTree.path(checkout, walked), relative: walked)
      if let entry, entry.kind != .directory { return false }
    }
    return !walked.isEmpty
  }

  /// Puts what was kept into the checkout; returns what to note.
  func restore() async -> [String] {
    var notes: [String] = []
    for path in paths {
      guard isInside(path) else {
        notes.append("cache \(path): not a directory within the checkout; not kept")
        continue
      }
      let target = "\(checkout)/\(path)"
      guard access(kept(path), F_OK) == 0 else { continue }
      guard access(target, F_OK) != 0 else {
        notes.append("cache \(path): is there already; not restored")
        continue
      }
      let partial = target + ".segue-cache"
      do throws(PortError) {
        try await BlockingWork.run { () throws(PortError) in
          try FileTree.remove(partial)
          try FileTree.makeDirectory(FileTree.parent(of: target))
        }
        try await copy(kept(path), to: partial)
        guard rename(partial, target) == 0 else { throw .system("cannot rename it", errno) }
      } catch {
        try? await BlockingWork.run { () throws(PortError) in try FileTree.remove(partial) }
        notes.append("cache \(path): not restored: \(error)")
      }
    }
    return notes
  }

  /// Keeps what the step left; returns what to note.
  func save() async -> [String] {
    var notes: [String] = []
    for path in paths where isInside(path) {
      let source = "\(checkout)/\(path)"
      guard access(source, F_OK) == 0 else { continue }
      let kept = kept(path)
      let unique = UUID().uuidString.prefix(8)
      let (new, old) = ("\(kept).new-\(unique)", "\(kept).old-\(unique)")
      do throws(PortError) {
        try await BlockingWork.run { [store] () throws(PortError) in
          try FileTree.makeDirectory(store)
        }
        try await copy(source, to: new)
        try await BlockingWork.run { () throws(PortError) in
          guard rename(kept, old) == 0 || errno == ENOENT, rename(new, kept) == 0 else {
            throw .system("cannot replace what was kept before", errno)
          }
          try FileTree.remove(old)
        }
      } catch {
        for path in [new, old] {
          try? await BlockingWork.run { () throws(PortError) in try FileTree.remove(path) }
        }
        notes.append("cache \(path): not kept: \(error)")
      }
    }
    return notes
  }

  private func copy(_ from: String, to target: String) async throws(PortError) {
    let ending = try await ChildProcess.run(
      ChildRequest(
        executable: "/bin/cp", arguments: ["-a", "--reflink=auto", "--", from, target],
        environment: ["LC_ALL": "C", "PATH": "/usr/bin:/bin"], mergesError: true,
        deadline: deadline)
    ) { _, _ in }
    guard ending.status == .exited(0), ending.stop == nil else {
      throw PortError("cp did not succeed", fault: .platform, retry: .safe)
    }
  }
}
