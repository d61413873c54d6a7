import Foundation
public import Ports

/// Where issues live.
public enum TrackerKind: String, Hashable, Codable, Sendable, CaseIterable {
  case gitHub = "github"
  case gitLab = "gitlab"
  case gitea
  case jira
}

/// How Segue reaches a forge or a tracker.
public struct ForgeAccount: Sendable {
  /// Who is asking.
  public enum Login: Hashable, Sendable {
    case none
    /// A personal or application token; at Jira a personal access token.
    case token(Secret)
    /// At Jira: a user's name and API token or password.
    case basic(user: String, Secret)
  }

  public let kind: TrackerKind
  /// Without a slash at the end.
  let base: String
  let login: Login

  /// - Parameter base: the API's address: `https://api.github.com`, `https://HOST/api/v3`,
  ///   `https://HOST/api/v4` (GitLab), `https://HOST/api/v1` (Gitea, Forgejo), or `https://HOST`
  ///   (Jira).
  /// - Throws: fault `user` when it is no such address, or could show the token to others.
  public init(kind: TrackerKind, base: String, login: Login) throws(PortError) {
    guard base.utf8.count <= 1_000, let parts = URLComponents(string: base),
      let host = parts.host, !host.isEmpty, parts.user == nil, parts.password == nil,
      parts.query == nil, parts.fragment == nil
    else { throw Self.fault("is not a complete URL; write https://HOST/PATH") }
    let isLocal = ["127.0.0.1", "localhost", "::1", "[::1]"].contains(host)
    guard parts.scheme == "https" || (parts.scheme == "http" && isLocal) else {
      throw Self.fault("does not begin with https://; the token would be sent in the open")
    }
    self.kind = kind
    self.base = base.hasSuffix("/") ? String(base.dropLast()) : base
    self.login = login
  }

  private static func fault(_ what: String) -> PortError {
    PortError(
      "the address of the forge's API \(what)", fault: .user, retry: .never,
      nextStep: "Correct the forge's address in the settings")
  }

  var authorization: (name: String, value: String)? {
    switch (login, kind) {
    case (.none, _): nil
    case (.token(let token), .gitLab): ("private-token", token.reveal())
    case (.token(let token), .gitea): ("authorization", "token " + token.reveal())
    case (.token(let token), .gitHub), (.token(let token), .jira):
      ("authorization", "Bearer " + token.reveal())
    case (.basic(let user, let password), _):
      (
        "authorization",
        "Basic " + Data("\(user):\(password.reveal())".utf8).base64EncodedString()
      )
    }
  }
}

/// What a forge shows beside a commit.
public struct CommitStatus: Hashable, Sendable {
  public enum State: Hashable, Sendable {
    case pending
    case success
    case failure
    /// Something broke that is not the commit's fault.
    case error
  }

  public var state: State
  /// Which of a commit's statuses this is, such as `segue/production`; a later one of the same name
  /// replaces it.
  public var context: String
  /// One sentence; what is longer than the forge takes is cut.
  public var text: String
  /// Where to read more.
  public var link: String?

  public init(state: State, context: String, text: String, link: String? = nil) {
    self.state = state
    self.context = context
    self.text = text
    self.link = link
  }
}

/// An issue as its tracker knows it.
public struct Issue: Hashable, Sendable {
  public var key: String
  public var title: String
  public var isOpen: Bool
  public var link: String?
}

/// What a tracker says about an issue. That it could not be asked is an answer of its own: it says
/// nothing about the issue.
public enum IssueAnswer: Hashable, Sendable {
  case found(Issue)
  /// The tracker knows no such issue, or the token may not see it.
  case missing
  /// The tracker is down, too slow, or does not accept the token: a phrase.
  case unreachable(String)
}
