internal import Foundation
internal import Ports
internal import SegueModel

/// Questions to a repository on this machine. Nothing here writes to it.
struct GitRepository: Sendable {
  let tool: GitTool
  /// The bare repository, or the `.git` directory.
  let directory: String
  /// What people call it: an address or a path.
  let name: String

  func git(
    _ arguments: [String], deadline: Duration = .seconds(60), limit: Int = 16 << 20
  ) async throws(PortError) -> GitOutput {
    // With an explicit GIT_DIR git does not look any further up the tree for another repository.
    try await tool.run(["--git-dir=\(directory)"] + arguments, deadline: deadline, limit: limit)
  }

  /// The id of the commit that a revision names; `nil` when there is none.
  func commitID(_ revision: String) async throws(PortError) -> CommitID? {
    let output = try await git(["rev-parse", "--verify", "--quiet", "\(revision)^{commit}"])
    if output.status == 0 { return CommitID(output.line) }
    if output.error.contains("ambiguous") {
      throw PortError(
        "\(revision) is short for more than one commit of \(name)", fault: .user, retry: .never,
        nextStep: "Write more digits of it.")
    }
    if output.error.contains("not a git repository") || output.error.contains("ownership") {
      throw GitError.explain(output, doing: "cannot read \(name)", at: name)
    }
    return nil
  }

  func head(of branch: String) async throws(PortError) -> Commit? {
    try Self.checkRevision(branch)
    guard let id = try await commitID("refs/heads/\(branch)") else { return nil }
    return try await commit(id)
  }

  func resolve(_ revision: String) async throws(PortError) -> Commit {
    try Self.checkRevision(revision)
    guard let id = try await commitID(revision) else { throw try await unknown(revision) }
    return try await commit(id)
  }

  /// A revision that could be taken for an option, or for a range, never reaches git.
  private static func checkRevision(_ revision: String) throws(PortError) {
    let isSafe =
      !revision.isEmpty && !revision.hasPrefix("-") && !revision.contains("..")
      && revision.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    guard isSafe else {
      throw PortError(
        "\"\(revision)\" cannot be the name of a branch, tag or commit", fault: .user,
        retry: .never)
    }
  }

  func commit(_ id: CommitID) async throws(PortError) -> Commit {
    let shown = try await git(
      ["log", "-1", "--no-show-signature", "--format=%H%x00%an <%ae>%x00%s", id.rawValue, "--"])
    let fields = shown.bytes.split(separator: 0, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .newlines) }
    guard shown.status == 0, fields.count == 3 else {
      throw GitError.explain(shown, doing: "cannot read commit \(id.short)", at: name)
    }
    let counted = try await git(["rev-list", "--count", id.rawValue, "--"])
    guard counted.status == 0, let height = Int(counted.line) else {
      throw GitError.explain(counted, doing: "cannot count the commits of \(id.short)", at: name)
    }
    return Commit(id: CommitID(fields[0]), subject: fields[2], author: fields[1], height: height)
  }

  func authors(
    after earlier: CommitID, upTo commit: CommitID, limit: Int
  ) async throws(PortError) -> [String] {
    let format = "%an <%ae>%n%(trailers:key=Co-authored-by,valueonly,unfold)"
    let listed = try await git([
      "log", "--no-show-signature", "--max-count=\(limit)", "--format=\(format)", commit.rawValue,
      "^\(earlier.rawValue)", "--",
    ])
    guard listed.status == 0 else {
      throw GitError.explain(
        listed, doing: "cannot tell who wrote what leads up to \(commit.short)", at: name)
    }
    var seen: Set<String> = []
    return listed.text.split(separator: "\n").map(String.init).filter { seen.insert($0).inserted }
  }

  func file(
    _ path: String, at commit: CommitID, limit: Int
  ) async throws(PortError) -> [UInt8]? {
    let listed = try await git(
      ["--literal-pathspecs", "ls-tree", "-z", "--long", commit.rawValue, "--", path])
    guard listed.status == 0 else {
      if try await commitID(commit.rawValue) == nil { throw try await unknown(commit.rawValue) }
      throw GitError.explain(listed, doing: "cannot list \(path) of \(commit.short)", at: name)
    }
    // mode SP type SP id SP size TAB path
    guard let entry = listed.fields.first else { return nil }
    let parts = entry.prefix { $0 != "\t" }.split(separator: " ")
    guard parts.count == 4, parts[1] == "blob" else { return nil }
    guard parts[0] != "120000" else {
      throw PortError(
        "\(path) of commit \(commit.short) is a symbolic link", fault: .user, retry: .never,
        nextStep: "Commit the file itself.")
    }
    guard let size = Int(parts[3]), size <= limit else {
      throw PortError(
        "\(path) of commit \(commit.short) has \(parts[3]) bytes, more than \(limit)",
        fault: .user, retry: .never)
    }
    let content = try await git(["cat-file", "blob", String(parts[2])], limit: limit)
    guard content.status == 0 else {
      throw GitError.explain(content, doing: "cannot read \(path) of \(commit.short)", at: name)
    }
    return content.bytes
  }

  /// The error for a revision that is not there, with branches and tags that are spelled like it.
  func unknown(_ revision: String) async throws(PortError) -> PortError {
    let refs = try await git(
      ["for-each-ref", "--count=5000", "--format=%(refname:strip=2)", "refs/heads", "refs/tags"])
    let near = refs.text.split(separator: "\n").map(String.init)
      .map { (name: $0, distance: Spelling.distance($0, revision)) }
      .filter { $0.distance <= max(2, revision.count / 3) }
      .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
      .prefix(3).map(\.name)
    let next =
      near.isEmpty
      ? "Has it been pushed? Try: git ls-remote '\(GitError.redacted(name))'"
      : "Did you mean \(near.joined(separator: ", or "))?"
    return PortError(
      "there is no branch, tag or commit \(revision) in \(GitError.redacted(name))",
      fault: .user, retry: .never, nextStep: next)
  }
}

/// How far apart two names are.
enum Spelling {
  /// Insertions, deletions and replacements from one to the other (Levenshtein).
  static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.lowercased().unicodeScalars.prefix(128))
    let right = Array(right.lowercased().unicodeScalars.prefix(128))
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let replaced = diagonal + (a == b ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}
