internal import Foundation
internal import Glibc
internal import Ports
internal import SegueModel

/// Writes the exact files of a commit.
///
/// The checkout has a `.git` of its own, because builds ask `git describe` and `git rev-parse`; it
/// borrows the objects of the repository it comes from, and so is made in the time that writing the
/// files takes. It appears under its name only when it is complete.
struct GitCheckout: Sendable {
  let repository: GitRepository
  /// What `origin` is in the checkout, and what relative addresses of submodules are relative to.
  let origin: String
  /// Whether a submodule may come from a path of this machine. Only where the repository itself does:
  /// otherwise whoever can push could read any repository here by naming it in `.gitmodules`.
  let allowsLocalSubmodules: Bool

  private static let submoduleDepth = 8
  private static let deadline = Duration.seconds(600)
  private var tool: GitTool { repository.tool }

  func checkOut(_ commit: CommitID, into directory: String) async throws(PortError) {
    guard try await repository.commitID(commit.rawValue) != nil else {
      throw try await repository.unknown(commit.rawValue)
    }
    let partial = directory + ".partial"
    try await BlockingWork.run { () throws(PortError) in
      if access(directory, F_OK) == 0 {
        throw PortError("\(directory) is there already", fault: .segue, retry: .never)
      }
      try FileTree.remove(partial)
      try FileTree.makeDirectory(FileTree.parent(of: directory))
    }
    do throws(PortError) {
      try await write(commit, into: partial)
    } catch {
      try? await BlockingWork.run { () throws(PortError) in try FileTree.remove(partial) }
      throw error.wrapped("cannot check out commit \(commit.short)")
    }
    guard rename(partial, directory) == 0 else {
      throw PortError.system("cannot put the checkout in place at \(directory)", errno)
    }
  }

  private func write(_ commit: CommitID, into directory: String) async throws(PortError) {
    try await must(
      tool.run(
        [
          "clone", "--quiet", "--shared", "--no-checkout", "--", repository.directory, directory,
        ], deadline: Self.deadline))
    try await must(
      tool.run(["-C", directory, "config", "remote.origin.url", GitError.redacted(origin)]))
    try await must(
      tool.run(
        ["-C", directory, "checkout", "--quiet", "--force", "--detach", commit.rawValue],
        deadline: Self.deadline))
    try await fill(directory, depth: 0)
  }

  private func must(_ output: GitOutput) throws(PortError) {
    guard output.status == 0 else {
      throw GitError.explain(output, doing: "git failed", at: repository.name)
    }
  }

  /// Fetches what a checkout only names: large files and submodules, those of submodules included.
  private func fill(_ directory: String, depth: Int) async throws(PortError) {
    try await fetchLargeFiles(directory)
    let listed = try await tool.run(
      ["-C", directory, "ls-files", "--stage", "-z"], limit: 256 << 20)
    try must(listed)
    // mode SP id SP stage TAB path
    let submodules = listed.bytes.split(separator: 0)
      .filter { $0.starts(with: "160000 ".utf8) }
      .map { String(decoding: $0.drop { $0 != 9 }.dropFirst(), as: UTF8.self) }
    guard !submodules.isEmpty else { return }
    guard depth < Self.submoduleDepth else {
      throw PortError(
        "submodules nest deeper than \(Self.submoduleDepth)", fault: .user, retry: .never)
    }
    let output = try await tool.run(
      ["-C", directory, "submodule", "--quiet", "update", "--init", "--checkout", "--force"],
      deadline: Self.deadline,
      settings: allowsLocalSubmodules ? ["protocol.file.allow=always"] : [])
    guard output.status == 0 else { throw submoduleFailure(output, submodules) }
    for path in submodules { try await fill("\(directory)/\(path)", depth: depth + 1) }
  }

  private func submoduleFailure(_ output: GitOutput, _ paths: [String]) -> PortError {
    let names = paths.prefix(3).joined(separator: ", ")
    if output.error.contains("transport 'file' not allowed") {
      return PortError(
        "a submodule (\(names)) comes from a path of this machine, which is refused for a "
          + "repository that does not", fault: .user, retry: .never,
        causes: Array(GitError.lines(output.error).suffix(2)),
        nextStep: "Give the submodule an https or ssh address in .gitmodules.")
    }
    if output.error.contains("No url found") {
      return PortError(
        "a submodule (\(names)) is committed, but .gitmodules does not name it", fault: .user,
        retry: .never, causes: Array(GitError.lines(output.error).suffix(2)),
        nextStep: "Add it to .gitmodules, or remove it: git rm --cached PATH")
    }
    return GitError.explain(output, doing: "cannot fetch the submodules \(names)", at: origin)
  }

  private func fetchLargeFiles(_ directory: String) async throws(PortError) {
    var pointers = try await largeFilePointers(directory)
    guard !pointers.isEmpty else { return }
    if tool.find("git-lfs") != nil {
      let pulled = try await tool.run(
        ["-C", directory, "lfs", "pull"], deadline: Self.deadline, lfs: true)
      guard pulled.status == 0 else {
        throw GitError.explain(pulled, doing: "git lfs pull failed", at: origin)
      }
      pointers = try await largeFilePointers(directory)
      if pointers.isEmpty { return }
      throw PortError(
        "git lfs pull left \(Self.named(pointers)) as pointers", fault: .user, retry: .safe,
        nextStep: "Were the objects pushed? Try: git lfs push --all origin")
    }
    throw PortError(
      "\(Self.named(pointers)) \(pointers.count == 1 ? "is" : "are") kept in Git LFS, "
        + "and git-lfs is not installed", fault: .platform, retry: .never,
      nextStep: "Install git-lfs for the user that runs Segue (Debian: apt install git-lfs).")
  }

  private static func named(_ paths: [String]) -> String {
    let more = paths.count > 5 ? " and \(paths.count - 5) more" : ""
    return paths.prefix(5).joined(separator: ", ") + more
  }

  /// Files that Git LFS should have filled and did not.
  private func largeFilePointers(_ directory: String) async throws(PortError) -> [String] {
    let listed = try await tool.run(
      ["-C", directory, "ls-files", "-z", "--", ":(attr:filter=lfs)"], limit: 256 << 20)
    try must(listed)
    let paths = listed.fields
    return try await BlockingWork.run {
      let opening = Array("version https://git-lfs.github.com/spec/".utf8)
      return paths.filter { path in
        SmallFile.read("\(directory)/\(path)", limit: opening.count) == opening
      }
    }
  }
}
