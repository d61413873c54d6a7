import Foundation
import Ports
public import SegueModel

/// A request to merge a branch (pull request, merge request) that a forge has merged.
public struct MergedRequest: Hashable, Sendable {
  /// `#12`, or `!12` at GitLab.
  public var name: String
  /// The branch that was merged.
  public var branch: String
  /// Whether somebody else than its author had the last word on it, and that was a yes.
  public var isApproved: Bool

  public init(name: String, branch: String, isApproved: Bool) {
    self.name = name
    self.branch = branch
    self.isApproved = isApproved
  }
}

/// What a forge says about how a commit came to be on a branch.
public enum RequestAnswer: Hashable, Sendable {
  case merged(MergedRequest)
  /// It knows no merged request that the commit belongs to.
  case none
  /// It is down, too slow, does not accept the token, or does not have this question: a phrase.
  case unreachable(String)
}

extension ForgeClient {
  /// Requests that are looked at for one commit.
  private static let requestLimit = 10

  /// Asks by which merged request a commit came to `branch`, now: also one that the forge squashed or
  /// rebased, which no merge in the history tells of.
  ///
  /// GitHub: `/commits/SHA/pulls` and `/pulls/N/reviews`. GitLab: `/repository/commits/SHA/merge_requests`
  /// and `/merge_requests/N/approvals`. Gitea and Forgejo: `/commits/SHA/pull`, which knows only the last
  /// commit of a request, and `/pulls/N/reviews`.
  ///
  /// - Parameter repository: `owner/name`.
  public func mergedRequest(
    of commit: CommitID, into branch: String, in repository: String
  ) async -> RequestAnswer {
    do {
      let root = repositoryPath(repository)
      let id = Self.segment(commit.rawValue)
      let candidates: [Candidate]
      switch account.kind {
      case .gitHub: candidates = try await list("\(root)/commits/\(id)/pulls")
      case .gitLab: candidates = try await list("\(root)/repository/commits/\(id)/merge_requests")
      case .gitea:
        let one: Candidate? = try await read("\(root)/commits/\(id)/pull")
        candidates = one.map { [$0] } ?? []
      case .jira: return .unreachable("Jira knows no commits")
      }
      var best: MergedRequest?
      for candidate in candidates.prefix(Self.requestLimit)
      where candidate.isMerged && candidate.target == branch {
        let request = try await merged(candidate, root)
        if request.isApproved { return .merged(request) }
        best = best ?? request
      }
      return best.map { .merged($0) } ?? .none
    } catch let error as Unreachable {
      return .unreachable(error.reason)
    } catch {
      return .unreachable("its answer is not that of a request")
    }
  }

  private func merged(_ candidate: Candidate, _ root: String) async throws -> MergedRequest {
    let number = candidate.number
    let isApproved: Bool
    switch account.kind {
    case .gitLab:
      let approvals: Approvals? = try await read("\(root)/merge_requests/\(number)/approvals")
      isApproved =
        approvals?.approvedBy?.contains { $0.user.username != candidate.writer } ?? false
    case .gitHub, .gitea, .jira:
      let reviews: [Review] = try await list("\(root)/pulls/\(number)/reviews")
      isApproved = Review.isApproved(reviews, by: candidate.writer)
    }
    return MergedRequest(
      name: (account.kind == .gitLab ? "!" : "#") + "\(number)", branch: candidate.source,
      isApproved: isApproved)
  }

  private func list<Element: Decodable>(_ path: String) async throws -> [Element] {
    try await read(path + "?per_page=100") ?? []
  }

  /// - Returns: `nil` when there is nothing there.
  private func read<Value: Decodable>(_ path: String) async throws -> Value? {
    let answer = try await call("GET", path)
    switch answer.status {
    case 200: break
    // GitHub answers 422 about a commit that it does not have.
    case 404, 410, 422: return nil
    case 401, 403:
      throw Unreachable("it refused the token, or too many questions (\(answer.status))")
    default: throw Unreachable("it answered \(answer.status)")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Value.self, from: answer.body)
  }
}

/// A request as the three kinds of forges write it.
private struct Candidate: Decodable {
  struct Branch: Decodable { var ref: String }
  struct User: Decodable {
    var login: String?
    var username: String?
  }

  private var iid: Int?
  private var mergedAt: String?
  private var merged: Bool?
  private var state: String?
  private var head: Branch?
  private var base: Branch?
  private var sourceBranch: String?
  private var targetBranch: String?
  private var user: User?
  private var author: User?
  private var requestNumber: Int?

  private enum CodingKeys: String, CodingKey {
    case iid, mergedAt, merged, state, head, base, sourceBranch, targetBranch, user, author
    case requestNumber = "number"
  }

  /// GitHub says when, Gitea that, and GitLab both in one word.
  var isMerged: Bool { merged ?? (mergedAt != nil || state == "merged") }
  var number: Int { iid ?? requestNumber ?? 0 }
  var source: String { sourceBranch ?? head?.ref ?? "" }
  var target: String { targetBranch ?? base?.ref ?? "" }
  var writer: String? { author?.username ?? user?.login }
}

private struct Approvals: Decodable {
  struct Entry: Decodable {
    struct User: Decodable { var username: String }
    var user: User
  }
  var approvedBy: [Entry]?
}

private struct Review: Decodable {
  var user: Candidate.User?
  var state: String
  var dismissed: Bool?

  /// Whether the last word of somebody else than the author was a yes. What is only a comment is no word.
  static func isApproved(_ reviews: [Review], by author: String?) -> Bool {
    var last: [String: Bool] = [:]
    for review in reviews {
      guard let who = review.user?.login, who != author else { continue }
      switch review.state.uppercased() {
      case "APPROVED": last[who] = review.dismissed != true
      case "CHANGES_REQUESTED", "REQUEST_CHANGES", "DISMISSED": last[who] = false
      default: break
      }
    }
    return last.values.contains(true)
  }
}
