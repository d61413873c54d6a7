import Foundation
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

/// Where commits come from, in a real repository.
@Suite struct OriginTests {
  let root: TemporaryDirectory
  var repository: String { "\(root.path)/shop" }

  init() async throws {
    root = try TemporaryDirectory()
    try await shell(
      """
      git init -q -b main shop; cd shop
      git commit -q --allow-empty -m Begin; git tag begin
      git checkout -q -b fix/1-typo; git commit -q --allow-empty -m Fix
      git checkout -q main; git merge -q --no-ff --no-edit fix/1-typo; git tag merged
      git commit -q --allow-empty -m Directly
      """, in: root.path)
  }

  private func origins(
    since: String? = nil, verified: Bool = false, environment: [String: String] = [:]
  ) async throws -> [CommitOrigin] {
    let source = LocalSource(
      path: repository, cacheDirectory: "\(root.path)/cache",
      environment: testEnvironment.merging(environment) { $1 })
    try await source.refresh()
    let head = try #require(try await source.head(of: "main"))
    var earlier: CommitID?
    if let since { earlier = try await source.resolve(since).id }
    return try await source.origins(
      of: OriginQuestion(
        head.id, since: earlier, deployBranch: "main", verifiesSignatures: verified))
  }

  @Test func allSinceAnEarlierOneAreTold() async throws {
    let found = try await origins(since: "begin")
    #expect(found.map(\.subject) == ["Directly", "Merge branch 'fix/1-typo'"])
    #expect(found.map(\.parents.count) == [1, 2])
    #expect(found.map(\.branches) == [[], ["fix/1-typo"]])
    #expect(found.allSatisfy { $0.signature == nil })
    #expect(try await origins(since: "merged").map(\.subject) == ["Directly"])
  }

  @Test func withoutAnEarlierOneOnlyTheCommitIsTold() async throws {
    #expect(try await origins().map(\.subject) == ["Directly"])
    #expect(try await origins(since: "fix/1-typo").count == 2)
    try await shell(
      "git checkout -q --orphan other; git commit -q --allow-empty -m X; git checkout -q main",
      in: repository)
    #expect(try await origins(since: "other").map(\.subject) == ["Directly"])
  }

  /// By keys that the user's own configuration trusts.
  @Test func signaturesAreVerified() async throws {
    try await shell(
      """
      ssh-keygen -q -t ed25519 -N '' -f key
      ssh-keygen -q -t ed25519 -N '' -f other
      echo "ana@example.com $(cat key.pub)" > signers
      git config -f config gpg.format ssh
      git config -f config gpg.ssh.allowedSignersFile "$PWD/signers"
      """, in: root.path)
    let environment = ["GIT_CONFIG_GLOBAL": root.path + "/config"]
    try await shell(
      """
      git commit -q --allow-empty -S"\(root.path)/key" -m Signed
      git commit -q --allow-empty -S"\(root.path)/other" -m Stranger
      """, in: repository, environment: environment)
    let found = try await origins(since: "merged", verified: true, environment: environment)
    #expect(found.map(\.subject) == ["Stranger", "Signed", "Directly"])
    #expect(found[1].signature == .good)
    #expect(found[2].signature == .missing)
    guard case .bad = found[0].signature else {
      Issue.record("a stranger's signature: \(String(describing: found[0].signature))")
      return
    }
  }
}
