internal import Foundation
internal import Glibc
public import Ports
public import SegueModel

/// A repository on this machine, with or without a working copy. It is only ever read.
public struct LocalSource: Source {
  private let path: String
  private let cacheDirectory: String
  private let tool: GitTool
  private let opened = Once<Opened>()

  private struct Opened: Sendable {
    var mirror: GitMirror
    /// What relative addresses of submodules are relative to.
    var origin: String
  }

  /// - Parameters:
  ///   - path: any directory of a working copy, or a bare repository.
  ///   - cacheDirectory: where Segue's own copy of it is kept.
  ///   - environment: of which `PATH`, `HOME` and what remotes need reach git.
  public init(path: String, cacheDirectory: String, environment: [String: String]) {
    self.path = path
    self.cacheDirectory = cacheDirectory
    tool = GitTool(environment: environment)
  }

  private func open() async throws(PortError) -> Opened {
    try await opened.value { () async throws(PortError) -> Opened in
      let found = try await tool.run(
        ["-C", path, "rev-parse", "--path-format=absolute", "--git-common-dir"])
      guard found.status == 0 else {
        throw GitError.explain(found, doing: "cannot open \(path)", at: path)
      }
      let directory = found.text.hasSuffix("\n") ? String(found.text.dropLast()) : found.text
      let remote = try await tool.run(
        ["--git-dir=\(directory)", "config", "--get", "remote.origin.url"])
      let home = directory.hasSuffix("/.git") ? String(directory.dropLast(5)) : directory
      return Opened(
        mirror: GitMirror(
          address: directory, name: path, cacheDirectory: cacheDirectory, tool: tool,
          networkDeadline: .seconds(600), progress: nil),
        origin: remote.status == 0 ? remote.line : home)
    }
  }

  private func mirrored() async throws(PortError) -> GitRepository {
    let mirror = try await open().mirror
    try await mirror.prepare()
    return mirror.repository
  }

  public func refresh() async throws(PortError) { try await open().mirror.refresh() }

  public func head(of branch: String) async throws(PortError) -> Commit? {
    try await mirrored().head(of: branch)
  }

  public func resolve(_ revision: String) async throws(PortError) -> Commit {
    try await mirrored().resolve(revision)
  }

  public func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String] {
    try await mirrored().authors(after: earlier, upTo: commit, limit: limit)
  }

  public func file(
    _ path: String, at commit: CommitID, limit: Int
  ) async throws(PortError) -> [UInt8]? {
    try await mirrored().file(path, at: commit, limit: limit)
  }

  public func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin] {
    try await mirrored().origins(of: question)
  }

  public func checkOut(_ commit: CommitID, into directory: String) async throws(PortError) {
    try await GitCheckout(
      repository: mirrored(), origin: open().origin, allowsLocalSubmodules: true
    ).checkOut(commit, into: directory)
  }
}

/// A repository at an address (`https`, `ssh`, or a path), kept as a mirror.
public struct RemoteSource: Source {
  private let mirror: GitMirror
  private let address: String

  /// - Parameters:
  ///   - cacheDirectory: where the mirror is kept.
  ///   - environment: of which `PATH`, `HOME` and what remotes need reach git.
  ///   - networkDeadline: for one clone or fetch.
  ///   - progress: gets the lines that git writes about a running transfer.
  public init(
    address: String, cacheDirectory: String, environment: [String: String],
    networkDeadline: Duration = .seconds(600), progress: (@Sendable (String) -> Void)? = nil
  ) {
    self.address = address
    mirror = GitMirror(
      address: address, name: GitError.redacted(address), cacheDirectory: cacheDirectory,
      tool: GitTool(environment: environment), networkDeadline: networkDeadline,
      progress: progress)
  }

  private func mirrored() async throws(PortError) -> GitRepository {
    try await mirror.prepare()
    return mirror.repository
  }

  public func refresh() async throws(PortError) { try await mirror.refresh() }

  public func head(of branch: String) async throws(PortError) -> Commit? {
    try await mirrored().head(of: branch)
  }

  public func resolve(_ revision: String) async throws(PortError) -> Commit {
    try await mirrored().resolve(revision)
  }

  public func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String] {
    try await mirrored().authors(after: earlier, upTo: commit, limit: limit)
  }

  public func file(
    _ path: String, at commit: CommitID, limit: Int
  ) async throws(PortError) -> [UInt8]? {
    try await mirrored().file(path, at: commit, limit: limit)
  }

  public func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin] {
    try await mirrored().origins(of: question)
  }

  public func checkOut(_ commit: CommitID, into directory: String) async throws(PortError) {
    try await GitCheckout(
      repository: mirrored(), origin: address,
      allowsLocalSubmodules: address.hasPrefix("/") || address.hasPrefix("file:")
    ).checkOut(commit, into: directory)
  }
}

/// A bare repository that Segue keeps itself, for people to push to. Its hooks ask the daemon before a
/// push is taken, and tell it afterwards.
public struct EmbeddedRemote: Source {
  public let directory: String
  private let repository: GitRepository

  /// - Parameter inHook: This process is a hook of the repository, and sees what is being pushed.
  public init(directory: String, environment: [String: String], inHook: Bool = false) {
    self.directory = directory
    repository = GitRepository(
      tool: GitTool(environment: environment, inHook: inHook), directory: directory, name: directory
    )
  }

  /// Makes the repository, or brings its settings and hooks up to date; may be repeated.
  ///
  /// - Parameters:
  ///   - binary: absolute path of `segue`; the hooks run `segue hook NAME --state DIRECTORY`.
  ///   - stateDirectory: where the daemon is found.
  ///   - branch: the deploy branch, which a clone checks out.
  public func install(
    binary: String, stateDirectory: String, branch: String
  ) async throws(PortError) {
    let tool = repository.tool
    try await BlockingWork.run { [directory] () throws(PortError) in
      try FileTree.makeDirectory(directory)
    }
    try await must(
      tool.run(["init", "--bare", "--quiet", "--initial-branch=\(branch)", "--", directory]))
    let settings = [
      ("receive.denyDeleteCurrent", "refuse"), ("receive.fsckObjects", "true"),
      ("receive.autogc", "false"), ("gc.auto", "0"), ("core.logAllRefUpdates", "true"),
      // Against a core.hooksPath in the pusher's own configuration, which would go round the hooks.
      ("core.hooksPath", "\(directory)/hooks"),
    ]
    for (name, value) in settings { try await must(repository.git(["config", name, value])) }
    try await must(repository.git(["symbolic-ref", "HEAD", "refs/heads/\(branch)"]))
    for hook in ["pre-receive", "post-receive"] {
      let script = """
        #!/bin/sh
        exec \(Shell.quoted(binary)) hook \(hook) --state \(Shell.quoted(stateDirectory))

        """
      try await BlockingWork.run { [directory] () throws(PortError) in
        try FileTree.makeDirectory("\(directory)/hooks")
        try FileTree.replace("\(directory)/hooks/\(hook)", with: Array(script.utf8), mode: 0o755)
      }
    }
  }

  private func must(_ output: GitOutput) throws(PortError) {
    guard output.status == 0 else {
      throw GitError.explain(output, doing: "cannot set up \(directory)", at: directory)
    }
  }

  /// Nothing to do: pushes arrive here.
  public func refresh() async throws(PortError) {}

  public func head(of branch: String) async throws(PortError) -> Commit? {
    try await repository.head(of: branch)
  }

  public func resolve(_ revision: String) async throws(PortError) -> Commit {
    try await repository.resolve(revision)
  }

  public func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String] {
    try await repository.authors(after: earlier, upTo: commit, limit: limit)
  }

  public func file(
    _ path: String, at commit: CommitID, limit: Int
  ) async throws(PortError) -> [UInt8]? {
    try await repository.file(path, at: commit, limit: limit)
  }

  public func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin] {
    try await repository.origins(of: question)
  }

  public func checkOut(_ commit: CommitID, into directory: String) async throws(PortError) {
    try await GitCheckout(
      repository: repository, origin: self.directory, allowsLocalSubmodules: false
    ).checkOut(commit, into: directory)
  }
}

enum Shell {
  /// A word that the shell takes as it is.
  static func quoted(_ word: String) -> String {
    "'" + word.replacing("'", with: "'\\''") + "'"
  }
}

/// A value that is made when it is first asked for, and again after a failure.
actor Once<Value: Sendable> {
  private var known: Value?

  func value(
    _ make: @Sendable () async throws(PortError) -> Value
  ) async throws(PortError) -> Value {
    if let known { return known }
    let made = try await make()
    // Somebody else may have been faster, and theirs may be in use.
    if let known { return known }
    known = made
    return made
  }
}
