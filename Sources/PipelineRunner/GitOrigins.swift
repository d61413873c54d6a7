internal import Ports
internal import SegueModel

/// Where commits come from, as far as the repository can tell.
extension GitRepository {
  func origins(of question: OriginQuestion) async throws(PortError) -> [CommitOrigin] {
    let limit = OriginQuestion.limit
    var range = ["-1", question.commit.rawValue]
    if let since = question.since, since != question.commit,
      try await isAncestor(since, of: question.commit)
    {
      range = ["-\(limit)", "--first-parent", question.commit.rawValue, "^\(since.rawValue)"]
    }
    let shown = try await git(
      ["log", "--no-show-signature", "--format=%H%x00%P%x00%s%x00"] + range + ["--"])
    guard shown.status == 0 else {
      throw GitError.explain(
        shown, doing: "cannot read the history of \(question.commit.short)", at: name)
    }
    let heads = try await heads(besides: question.deployBranch)
    var origins: [CommitOrigin] = []
    let fields = shown.bytes.split(separator: 0, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    for start in stride(from: 0, to: fields.count - 2, by: 3) {
      let id = CommitID(fields[start].trimmingPrefix("\n").description)
      let parents = fields[start + 1].split(separator: " ").map { CommitID(String($0)) }
      let merged = parents.count > 1 ? Array(parents.dropFirst()) : [id]
      var origin = CommitOrigin(
        commit: id, parents: parents, subject: fields[start + 2],
        branches: heads.filter { merged.contains($0.commit) }.map(\.branch))
      if question.verifiesSignatures { origin.signature = try await signature(of: id) }
      origins.append(origin)
    }
    return origins
  }

  private func isAncestor(
    _ earlier: CommitID, of later: CommitID
  ) async throws(PortError) -> Bool {
    try await git(["merge-base", "--is-ancestor", earlier.rawValue, later.rawValue]).status == 0
  }

  private func heads(
    besides deployBranch: String
  ) async throws(PortError) -> [(branch: String, commit: CommitID)] {
    let refs = try await git(
      [
        "for-each-ref", "--count=10000", "--format=%(objectname) %(refname:strip=2)", "refs/heads",
      ])
    return refs.text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, parts[1] != deployBranch else { return nil }
      return (String(parts[1]), CommitID(String(parts[0])))
    }
  }

  /// By the keys that the user's own Git knows (`gpg.*` of its configuration).
  private func signature(of commit: CommitID) async throws(PortError) -> CommitOrigin.Signature {
    let verified = try await git(["verify-commit", "--raw", commit.rawValue])
    if verified.status == 0 { return .good }
    let kind = try await git(["log", "-1", "--format=%G?", commit.rawValue, "--"])
    guard kind.line != "N" else { return .missing }
    let last = verified.error.split(separator: "\n").last.map(String.init)
    return .bad(last ?? "Git does not hold it for good")
  }
}
