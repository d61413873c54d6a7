import Foundation
public import Ports
public import SegueModel

extension ForgeClient {
  private struct Status: Encodable {
    var state: String
    var context: String?
    var name: String?
    var description: String
    var targetURL: String?

    enum CodingKeys: String, CodingKey {
      case state, context, name, description
      case targetURL = "target_url"
    }
  }

  private struct Text: Encodable {
    var body: String?
    var note: String?
  }

  /// Shows beside a commit how it fares. Setting the same status again is harmless.
  ///
  /// - Parameter repository: `owner/name`.
  public func set(
    _ status: CommitStatus, on commit: CommitID, in repository: String
  ) async throws(PortError) {
    let what = "the status of \(commit.short) could not be set"
    let root = repositoryPath(repository)
    let isLab = account.kind == .gitLab
    // GitHub takes 140 characters of a description, the others 255 and more.
    let body = Status(
      state: Self.word(status.state, at: account.kind),
      context: isLab ? nil : status.context, name: isLab ? status.context : nil,
      description: String(status.text.prefix(140)), targetURL: status.link)
    guard account.kind != .jira else { throw unsupported(what, "Jira knows no commits") }
    let answer = try await write(
      "\(root)/statuses/\(Self.segment(commit.rawValue))", body, what)
    // GitLab refuses a status that it has already.
    if isLab, answer.status == 400,
      String(decoding: answer.body, as: UTF8.self).contains("Cannot transition status")
    {
      return
    }
    guard (200...299).contains(answer.status) else { throw failure(answer.status, what) }
  }

  /// Writes beneath a commit. Gitea and Jira have no such comments; use an issue's there.
  public func comment(
    _ text: String, on commit: CommitID, in repository: String
  ) async throws(PortError) {
    let what = "a comment on \(commit.short) could not be written"
    let root = repositoryPath(repository)
    let id = Self.segment(commit.rawValue)
    switch account.kind {
    case .gitHub: try await post("\(root)/commits/\(id)/comments", Text(body: text), what)
    case .gitLab:
      try await post("\(root)/repository/commits/\(id)/comments", Text(note: text), what)
    case .gitea: throw unsupported(what, "Gitea and Forgejo have no comments on commits")
    case .jira: throw unsupported(what, "Jira knows no commits")
    }
  }

  /// Writes beneath an issue, such as that its commit is live.
  ///
  /// - Parameters:
  ///   - issue: a number, or at Jira a key such as `SHOP-12`.
  ///   - repository: `owner/name`; not looked at for Jira.
  public func comment(
    _ text: String, onIssue issue: String, in repository: String
  ) async throws(PortError) {
    let what = "a comment on issue \(issue) could not be written"
    guard let key = IssueKey.path(issue, at: account.kind) else {
      throw unsupported(what, "that is no key of an issue")
    }
    let root = repositoryPath(repository)
    let path =
      switch account.kind {
      case .gitHub, .gitea: "\(root)/issues/\(key)/comments"
      case .gitLab: "\(root)/issues/\(key)/notes"
      case .jira: "/rest/api/2/issue/\(key)/comment"
      }
    try await post(path, Text(body: text), what)
  }

  private func post(_ path: String, _ body: some Encodable, _ what: String) async throws(PortError)
  {
    let answer = try await write(path, body, what)
    guard (200...299).contains(answer.status) else { throw failure(answer.status, what) }
  }

  private func write(
    _ path: String, _ body: some Encodable, _ what: String
  ) async throws(PortError) -> Answer {
    let octets = try CanonicalJSON.encode(body)
    do {
      return try await call("POST", path, body: octets)
    } catch {
      throw PortError(what, fault: .network, retry: .after(.seconds(30)), causes: [error.reason])
    }
  }

  private func unsupported(_ what: String, _ why: String) -> PortError {
    PortError(what, fault: .user, retry: .never, causes: [why])
  }

  private static func word(_ state: CommitStatus.State, at kind: TrackerKind) -> String {
    switch (state, kind) {
    case (.pending, .gitLab): "running"
    case (.pending, _): "pending"
    case (.success, _): "success"
    case (.failure, .gitLab), (.error, .gitLab): "failed"
    case (.failure, _): "failure"
    case (.error, _): "error"
    }
  }
}

/// The keys of issues.
enum IssueKey {
  /// The key as it stands in a path; `nil` when it is none, so that nobody needs to be asked.
  static func path(_ text: String, at kind: TrackerKind) -> String? {
    switch kind {
    case .gitHub, .gitLab, .gitea:
      let digits = text.hasPrefix("#") ? text.dropFirst() : text[...]
      guard let number = Int32(digits), number > 0 else { return nil }
      return "\(number)"
    case .jira:
      let key = text.uppercased()
      let parts = key.split(separator: "-", omittingEmptySubsequences: false)
      guard parts.count == 2, let project = parts.first, let number = parts.last,
        (2...32).contains(project.utf8.count), (1...10).contains(number.utf8.count),
        let first = project.utf8.first, isLetter(first),
        project.utf8.allSatisfy({ isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") }),
        number.utf8.allSatisfy(isDigit)
      else { return nil }
      return key
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) }
  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
