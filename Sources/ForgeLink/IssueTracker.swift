import Foundation
public import Ports
import SegueModel

extension ForgeClient {
  /// Asks the tracker about one issue, now.
  ///
  /// - Parameters:
  ///   - key: a number, with or without `#`; at Jira a key such as `SHOP-12`.
  ///   - repository: `owner/name`; not looked at for Jira.
  public func issue(_ key: String, in repository: String) async -> IssueAnswer {
    guard let path = IssueKey.path(key, at: account.kind) else { return .missing }
    let url =
      account.kind == .jira
      ? "/rest/api/2/issue/\(path)?fields=summary,status"
      : "\(repositoryPath(repository))/issues/\(path)"
    let answer: Answer
    do {
      answer = try await call("GET", url)
    } catch {
      return .unreachable(error.reason)
    }
    switch answer.status {
    case 200: return Self.found(key, answer.body, account.kind)
    case 404, 410: return .missing
    case 401, 403:
      return .unreachable("it refused the token, or too many questions (\(answer.status))")
    default: return .unreachable("it answered \(answer.status)")
    }
  }

  private struct Fields: Decodable {
    struct Status: Decodable {
      struct Category: Decodable { var key: String }
      var statusCategory: Category
    }
    var summary: String
    var status: Status
  }

  private struct Body: Decodable {
    var title: String?
    var state: String?
    var htmlUrl: String?
    var webUrl: String?
    var fields: Fields?
  }

  private static func found(_ key: String, _ body: Data, _ kind: TrackerKind) -> IssueAnswer {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let body = try? decoder.decode(Body.self, from: body) else {
      return .unreachable("its answer is not that of an issue")
    }
    if kind == .jira, let fields = body.fields {
      return .found(
        Issue(
          key: key, title: fields.summary, isOpen: fields.status.statusCategory.key != "done",
          link: nil))
    }
    guard let title = body.title, let state = body.state else {
      return .unreachable("its answer is not that of an issue")
    }
    // GitLab says `opened`.
    return .found(
      Issue(
        key: key, title: title, isOpen: state == "open" || state == "opened",
        link: body.htmlUrl ?? body.webUrl))
  }
}

/// Remembers a tracker's answers for a short time, so that a push of many commits asks once. Bounded;
/// a machine without a clock.
struct IssueCache {
  static let capacity = 1_000

  private var entries: [String: (answer: IssueAnswer, at: Instant)] = [:]

  /// How long an answer holds. Somebody who was told to open an issue should not wait for long.
  static func lifetime(_ answer: IssueAnswer) -> Milliseconds {
    switch answer {
    case .found(let issue): issue.isOpen ? .seconds(60) : .seconds(10)
    case .missing: .seconds(10)
    case .unreachable: .seconds(5)
    }
  }

  func answer(_ key: String, at now: Instant) -> IssueAnswer? {
    guard let entry = entries[key], now >= entry.at,
      now - entry.at < Self.lifetime(entry.answer)
    else { return nil }
    return entry.answer
  }

  mutating func keep(_ answer: IssueAnswer, for key: String, at now: Instant) {
    if entries.count >= Self.capacity {
      entries = entries.filter { now - $0.value.at < Self.lifetime($0.value.answer) }
      if entries.count >= Self.capacity { entries = [:] }
    }
    entries[key] = (answer, now)
  }
}

/// Answers whether issues exist and are open, from memory where that is fresh.
public actor IssueTracker {
  private let client: ForgeClient
  private let time: any TimeSource
  private var cache = IssueCache()

  public init(_ client: ForgeClient, time: any TimeSource) {
    self.client = client
    self.time = time
  }

  /// See ``ForgeClient/issue(_:in:)``.
  public func issue(_ key: String, in repository: String) async -> IssueAnswer {
    let name = "\(repository) \(key)"
    if let answer = cache.answer(name, at: time.now()) { return answer }
    let answer = await client.issue(key, in: repository)
    cache.keep(answer, for: name, at: time.now())
    return answer
  }
}
