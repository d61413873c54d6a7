internal import Crypto
internal import Foundation
internal import Glibc
internal import Ports
internal import SegueModel

/// A private bare copy of a repository, which everything is read and checked out from, so that nobody
/// else's repository is ever written to.
///
/// Objects are never pruned from it: checkouts borrow them. One daemon owns it.
actor GitMirror {
  nonisolated let repository: GitRepository
  private let tool: GitTool
  /// Where to fetch from: a path or an address.
  private let address: String
  private let progress: (@Sendable (String) -> Void)?
  private let networkDeadline: Duration

  private var prepared = false
  private var isBusy = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(
    address: String, name: String, cacheDirectory: String, tool: GitTool,
    networkDeadline: Duration, progress: (@Sendable (String) -> Void)?
  ) {
    let digest = SHA256.hash(data: Data(address.utf8)).hexadecimal.prefix(16)
    repository = GitRepository(
      tool: tool, directory: "\(cacheDirectory)/\(digest).git", name: name)
    self.address = address
    self.tool = tool
    self.networkDeadline = networkDeadline
    self.progress = progress
  }

  private var directory: String { repository.directory }

  /// Makes the copy if there is none yet.
  func prepare() async throws(PortError) {
    await enter()
    defer { leave() }
    try await prepareAlone()
  }

  /// Brings the copy up to date; one at a time, in the order they were asked for.
  func refresh() async throws(PortError) {
    await enter()
    defer { leave() }
    if try await prepareAlone() { return }
    let output = try await tool.run(
      ["--git-dir=\(directory)", "fetch", "--prune", "--force", "--no-write-fetch-head"]
        + (progress == nil ? ["--quiet"] : ["--progress"])
        + ["--update-shallow", "origin"],
      deadline: networkDeadline, progress: progress)
    guard output.status == 0 else {
      throw GitError.explain(output, doing: "cannot fetch", at: repository.name)
    }
  }

  /// Says whether the copy was made just now, and so is up to date.
  @discardableResult
  private func prepareAlone() async throws(PortError) -> Bool {
    if prepared { return false }
    if access("\(directory)/HEAD", F_OK) == 0 {
      // A fetch that was killed leaves locks behind, and as the only writer we know them dead.
      try await BlockingWork.run { [directory] in FileTree.removeLocks(under: directory) }
      prepared = true
      return false
    }
    let partial = directory + ".partial"
    try await BlockingWork.run { [directory] () throws(PortError) in
      try FileTree.remove(partial)
      try FileTree.makeDirectory(FileTree.parent(of: directory))
    }
    // A local repository is cloned by hard links: fast, and objects never change.
    let output = try await tool.run(
      ["clone", "--mirror"] + (progress == nil ? ["--quiet"] : ["--progress"])
        + ["--", address, partial],
      deadline: networkDeadline, progress: progress)
    guard output.status == 0 else {
      try await BlockingWork.run { () throws(PortError) in try FileTree.remove(partial) }
      throw GitError.explain(output, doing: "cannot clone", at: repository.name)
    }
    guard rename(partial, directory) == 0 else {
      throw PortError.system("cannot put the mirror in place at \(directory)", errno)
    }
    prepared = true
    return true
  }

  private func enter() async {
    guard isBusy else {
      isBusy = true
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  private func leave() {
    if waiting.isEmpty {
      isBusy = false
    } else {
      waiting.removeFirst().resume()
    }
  }
}

extension Digest {
  var hexadecimal: String {
    var text = ""
    for byte in self {
      if byte < 16 { text += "0" }
      text += String(byte, radix: 16)
    }
    return text
  }
}
