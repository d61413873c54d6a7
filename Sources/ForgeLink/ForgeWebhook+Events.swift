import Foundation
import SegueModel

extension ForgeWebhook {
  func event(
    _ fields: [String: String], _ body: [UInt8]
  ) throws(WebhookRefusal) -> ForgeEvent {
    let payload: Payload
    do {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      payload = try decoder.decode(Payload.self, from: Data(body))
    } catch {
      throw WebhookRefusal(400, "the body is not the JSON of a \(forge.rawValue) webhook")
    }
    switch forge {
    case .gitHub: return try hubEvent(fields["x-github-event"] ?? "", payload)
    case .gitea:
      return try hubEvent(fields["x-forgejo-event"] ?? fields["x-gitea-event"] ?? "", payload)
    case .gitLab: return try labEvent(payload)
    }
  }

  private func hubEvent(
    _ name: String, _ payload: Payload
  ) throws(WebhookRefusal) -> ForgeEvent {
    let repository = payload.repository?.fullName
    switch name {
    case "ping": return .ping
    case "push":
      let pusher = payload.pusher
      return try push(
        repository, payload.ref, payload.before, payload.after,
        pusher?.login ?? pusher?.username ?? pusher?.name)
    case "delete" where forge == .gitea:
      // GitHub says the same by a push; Gitea names the branch without refs/heads.
      guard payload.refType == "branch" else { return .ignored("delete of a tag") }
      return try push(
        repository, payload.ref.map { "refs/heads/" + $0 }, nil, nil, payload.sender?.login)
    case "pull_request":
      guard let request = payload.pullRequest, payload.action == "closed", request.merged == true
      else { return .ignored(name) }
      guard let commit = request.mergeCommitSha else { return .ignored("merge without a commit") }
      return try push(
        repository, request.base?.ref.map { "refs/heads/" + $0 }, nil, commit,
        payload.sender?.login, cause: .merge)
    default: return .ignored(Self.shown(name))
    }
  }

  private func labEvent(_ payload: Payload) throws(WebhookRefusal) -> ForgeEvent {
    let repository = payload.project?.pathWithNamespace
    switch payload.objectKind ?? payload.eventName ?? "" {
    case "push", "tag_push":
      return try push(
        repository, payload.ref, payload.before, payload.after,
        payload.userUsername ?? payload.userName)
    case "merge_request":
      guard let request = payload.objectAttributes, request.action == "merge" else {
        return .ignored("merge_request")
      }
      // A merge that only moved the branch ahead has no commit of its own.
      guard let commit = request.mergeCommitSha ?? request.lastCommit?.id else {
        return .ignored("merge without a commit")
      }
      return try push(
        repository, request.targetBranch.map { "refs/heads/" + $0 }, nil, commit,
        payload.user?.username, cause: .merge)
    case let kind: return .ignored(Self.shown(kind))
    }
  }

  /// - Parameter after: `nil` when it was deleted.
  private func push(
    _ repository: String?, _ ref: String?, _ before: String?, _ after: String?, _ pusher: String?,
    cause: PushNotice.Cause = .push
  ) throws(WebhookRefusal) -> ForgeEvent {
    guard let repository, Self.isPath(repository) else {
      throw WebhookRefusal(400, "the body names no repository")
    }
    guard let ref, Self.isRef(ref) else {
      throw WebhookRefusal(400, "the body names no branch or tag (refs/...)")
    }
    return .push(
      PushNotice(
        repository: repository, ref: ref, old: try commit(before), new: try commit(after),
        pusher: pusher.map(Self.shown), cause: cause))
  }

  /// A commit's id; `nil` for the one of zeros, by which Git says that there is none.
  private func commit(_ text: String?) throws(WebhookRefusal) -> CommitID? {
    guard let text else { return nil }
    let isID =
      [40, 64].contains(text.utf8.count)
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    guard isID else { throw WebhookRefusal(400, "the body holds a commit id that is none") }
    return text.utf8.allSatisfy { $0 == UInt8(ascii: "0") } ? nil : CommitID(text)
  }

  private static func isPath(_ text: String) -> Bool {
    (1...512).contains(text.utf8.count) && text.contains("/")
      && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
      && !text.split(separator: "/", omittingEmptySubsequences: false).contains {
        $0.isEmpty || $0 == "." || $0 == ".."
      }
  }

  private static func isRef(_ text: String) -> Bool {
    text.hasPrefix("refs/") && isPath(text) && !text.contains("..")
  }

  private static func shown(_ text: String) -> String {
    String(
      text.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint && $0.value > 31 }
        .prefix(100).map(Character.init))
  }
}

/// The fields of all forges' webhooks that are looked at, by the forges' own names in
/// camel case.
private struct Payload: Decodable {
  struct Person: Decodable {
    var login: String?
    var username: String?
    var name: String?
  }
  struct Repository: Decodable { var fullName: String? }
  struct Project: Decodable { var pathWithNamespace: String? }
  struct Request: Decodable {
    struct Base: Decodable { var ref: String? }
    var merged: Bool?
    var mergeCommitSha: String?
    var base: Base?
  }
  struct Attributes: Decodable {
    struct Commit: Decodable { var id: String? }
    var action: String?
    var targetBranch: String?
    var mergeCommitSha: String?
    var lastCommit: Commit?
  }

  var ref: String?
  var refType: String?
  var before: String?
  var after: String?
  var action: String?
  var repository: Repository?
  var pusher: Person?
  var sender: Person?
  var pullRequest: Request?
  var objectKind: String?
  var eventName: String?
  var userUsername: String?
  var userName: String?
  var user: Person?
  var project: Project?
  var objectAttributes: Attributes?
}
