import Evidence
import ForgeLink
import Ports
import SegueModel

/// Asks forges whether commits were reviewed.
actor ReviewDesk {
  private let secrets: SecretFiles
  private let time: any TimeSource
  private let deadline: Milliseconds
  private var forge: (spec: ForgeSpec, token: Secret, client: ForgeClient)?
  private var memory: [CommitID: (state: ReviewState, at: Instant)] = [:]

  /// Answers that are remembered.
  private static let capacity = 2_000

  /// - Parameter deadline: for one answer.
  init(_ secrets: SecretFiles, time: any TimeSource, deadline: Milliseconds = .seconds(10)) {
    self.secrets = secrets
    self.time = time
    self.deadline = deadline
  }

  /// That a forge cannot be asked is an answer of its own.
  func state(of commit: CommitID, on branch: String, at spec: ForgeSpec) async -> ReviewState {
    let now = time.now()
    if let known = memory[commit], now >= known.at, now - known.at < Self.lifetime(known.state) {
      return known.state
    }
    let client: ForgeClient
    do throws(PortError) {
      client = try await self.client(spec)
    } catch {
      return .unreachable(SecretFiles.sentence(error))
    }
    let answer = await client.mergedRequest(of: commit, into: branch, in: spec.repository)
    let state: ReviewState =
      switch answer {
      case .merged(let request) where request.isApproved:
        .approved(request: request.name, branch: request.branch)
      case .merged(let request): .unapproved(request: request.name, branch: request.branch)
      case .none: .none
      case .unreachable(let why): .unreachable(why)
      }
    if memory.count >= Self.capacity { memory = [:] }
    memory[commit] = (state, now)
    return state
  }

  /// What was approved stays so; somebody who has just merged or approved should not wait for long.
  private static func lifetime(_ state: ReviewState) -> Milliseconds {
    switch state {
    case .approved: .minutes(24 * 60)
    case .unapproved, .none, .unreachable: .seconds(3)
    }
  }

  /// A token that was changed counts from the next question on.
  private func client(_ spec: ForgeSpec) async throws(PortError) -> ForgeClient {
    guard let name = spec.token else {
      throw PortError("`forge` in segue.yaml names no `token`", fault: .user, retry: .never)
    }
    let token = try secrets.required(name)
    if let forge, forge.spec == spec, forge.token == token { return forge.client }
    let old = forge?.client
    let kind = TrackerKind(rawValue: spec.kind.rawValue) ?? .gitea
    let account = try ForgeAccount(kind: kind, base: spec.url, login: .token(token))
    let client = ForgeClient(account, time: time, deadline: deadline)
    forge = (spec, token, client)
    memory = [:]
    await old?.shutdown()
    return client
  }

  /// Closes every connection. Required before the last reference goes.
  func shutdown() async {
    await forge?.client.shutdown()
    forge = nil
  }
}
