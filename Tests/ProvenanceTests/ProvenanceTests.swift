import Foundation
import Ports
import Provenance
import SegueModel
import Testing

@Suite struct ProvenanceTests {
  static let release = Release(
    id: "r-1", commit: CommitID(String(repeating: "a", count: 40)), pipeline: "p-1",
    subject: "Sell shoes", author: "Ana <ana@example.org>", height: 7, directory: "/srv/r-1",
    digest: String(repeating: "0f", count: 32),
    spec: ProjectSpec(project: "shop", services: []), builtAt: Instant(milliseconds: 0))

  static let build = ReleasePapers.Build(
    repository: "https://example.org/shop.git", ref: "refs/heads/main",
    steps: ["test": "make test"], startedOn: "2026-01-01T00:00:00Z",
    finishedOn: "2026-01-01T00:01:00Z", version: "1.0.0",
    byproducts: [Resource(name: "bom.json", digest: ["sha256": "00"])])

  /// Runs `body` with papers whose key lies in a directory of its own.
  static func withPapers(
    _ body: (ReleasePapers, _ directory: String) throws -> Void
  ) throws {
    let directory = FileManager.default.temporaryDirectory
      .appending(path: "segue-provenance-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(
      ReleasePapers(
        key: try SigningKey.open(directory: directory), builder: "https://deploy.example.org"),
      directory)
  }

  static func failure(_ body: () throws -> Void) throws -> ProvenanceFailure {
    try #require(#expect(throws: ProvenanceFailure.self) { try body() })
  }

  @Test func vouchesForWhatWasBuilt() throws {
    try Self.withPapers { papers, _ in
      let file = try papers.provenance(of: Self.release, build: Self.build)
      let statement = try papers.verify(file, release: Self.release)
      #expect(statement.type == "https://in-toto.io/Statement/v1")
      #expect(statement.predicateType == "https://slsa.dev/provenance/v1")
      #expect(statement.subject.map(\.digest) == [["sha256": Self.release.digest]])
      #expect(statement.predicate.runDetails.metadata.invocationId == "p-1")
      #expect(try Self.failure { try papers.verify(nil, release: Self.release) } == .missing)
    }
  }

  @Test func noByteOfTheFileCanBeChanged() throws {
    try Self.withPapers { papers, _ in
      let file = try papers.provenance(of: Self.release, build: Self.build)
      for place in file.indices {
        for bit in [0, 1, 5] as [UInt8] {
          var changed = file
          changed[place] ^= 1 << bit
          #expect(throws: ProvenanceFailure.self, "byte \(place)") {
            try papers.verify(changed, release: Self.release)
          }
        }
      }
      for length in file.indices {
        #expect(throws: ProvenanceFailure.self, "length \(length)") {
          try papers.verify(Array(file[..<length]), release: Self.release)
        }
      }
      let spaced = Array(" ".utf8) + file
      #expect(throws: ProvenanceFailure.self) { try papers.verify(spaced, release: Self.release) }
    }
  }

  @Test func tellsWhichRegionWasTamperedWith() throws {
    try Self.withPapers { papers, _ in
      let file = try papers.provenance(of: Self.release, build: Self.build)
      var envelope = try CanonicalJSON.decode(Envelope.self, from: file)
      let original = envelope
      func fails(_ change: (inout Envelope) -> Void) throws -> ProvenanceFailure {
        envelope = original
        change(&envelope)
        let bytes = try envelope.bytes()
        return try Self.failure { try papers.verify(bytes, release: Self.release) }
      }
      let id = original.signatures[0].keyid
      #expect(try fails { $0.signatures = [] } == .unsigned)
      #expect(try fails { $0.signatures[0].keyid = "other" } == .unknownKey("other"))
      #expect(try fails { $0.signatures[0].sig = "AAAA" } == .wrongSignature(key: id))
      let other = Data("{}".utf8).base64EncodedString()
      #expect(try fails { $0.payload = other } == .wrongSignature(key: id))
      #expect(try fails { $0.payload += "\n" } == .malformed("its text is not Base64"))
      #expect(try fails { $0.payloadType = "text/plain" } == .malformed("its type is text/plain"))
    }
  }

  @Test func aFileOfAnotherReleaseIsRefused() throws {
    try Self.withPapers { papers, _ in
      let file = try papers.provenance(of: Self.release, build: Self.build)
      var other = Self.release
      other.digest = String(repeating: "1f", count: 32)
      let failure = try Self.failure { try papers.verify(file, release: other) }
      #expect(failure.description.contains("its content is \(Self.release.digest), not 1f"))
      other = Self.release
      other.commit = "b"
      #expect(throws: ProvenanceFailure.self) { try papers.verify(file, release: other) }
      other = Self.release
      other.id = "r-2"
      #expect(throws: ProvenanceFailure.self) { try papers.verify(file, release: other) }
    }
  }

  @Test func onlyTrustedKeysCount() throws {
    try Self.withPapers { papers, _ in
      try Self.withPapers { others, _ in
        let file = try others.provenance(of: Self.release, build: Self.build)
        #expect(
          try Self.failure { try papers.verify(file, release: Self.release) }
            == .unknownKey(others.trusted[0].id))
      }
    }
  }

  @Test func summariesSayWhatWasDecidedAndAreNoProvenance() throws {
    try Self.withPapers { papers, _ in
      let file = try papers.provenance(of: Self.release, build: Self.build)
      let policy = Resource(uri: "segue.yaml", digest: ["sha256": "00"])
      let summary = try papers.summary(
        of: Self.release, passed: true, policy: policy, provenance: file,
        at: "2026-01-01T00:02:00Z")
      let statement = try papers.verifySummary(summary, release: Self.release)
      #expect(statement.predicate.verificationResult == .passed)
      #expect(statement.predicate.verifiedLevels == ["SLSA_BUILD_LEVEL_1"])
      #expect(
        statement.predicate.inputAttestations.map(\.digest) == [
          ["sha256": ReleasePapers.digest(file)]
        ])
      #expect(throws: ProvenanceFailure.self) { try papers.verify(summary, release: Self.release) }
      #expect(throws: ProvenanceFailure.self) {
        _ = try papers.verifySummary(file, release: Self.release)
      }
      let refused = try papers.summary(
        of: Self.release, passed: false, policy: policy, provenance: nil,
        at: "2026-01-01T00:02:00Z")
      let failed = try papers.verifySummary(refused, release: Self.release).predicate
      #expect(failed.verificationResult == .failed)
      #expect(failed.verifiedLevels == ["FAILED"])
    }
  }
}

@Suite struct ReleaseNotaryTests {
  /// Reads papers by another's library (PyPI `in-toto-attestation`), which refuses fields that the formats
  /// do not have, and prints the kind of each.
  private static let reader = """
    import base64, json, sys
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    kinds = {"https://slsa.dev/provenance/v1": Provenance,
             "https://slsa.dev/verification_summary/v1": VerificationSummary}
    for path in sys.argv[1:]:
        envelope = json.load(open(path))
        assert envelope["payloadType"] == "application/vnd.in-toto+json", envelope["payloadType"]
        payload = base64.b64decode(envelope["payload"])
        statement = json_format.Parse(payload, statement_pb2.Statement())
        Statement.copy_from_pb(statement).validate()
        kind = kinds[statement.predicate_type]
        predicate = json.loads(payload)["predicate"]
        # The library takes one level only, where the format has a list of them.
        levels = predicate.pop("verifiedLevels", ["none"])
        assert levels and all(isinstance(level, str) for level in levels), levels
        json_format.ParseDict(predicate, kind())
        print(kind.__name__)
    """

  private static func run(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["timeout", "400"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private static func python() throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().path
    return try run([
      root + "/Scripts/python-environment", root + "/.build/in-toto",
      "in-toto-attestation==0.9.3", "protobuf==7.36.2",
    ]) + "/python"
  }

  /// A verification before a rollout leaves a summary beside the provenance, which names it by its digest.
  @Test func whatCameOfAVerificationLiesBesideTheProvenance() async throws {
    let directory = FileManager.default.temporaryDirectory
      .appending(path: "segue-notary-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: directory + "/checkout", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let key = try SigningKey.open(directory: directory)
    let builder = "https://deploy.example.org"
    let notary = ReleaseNotary(key: key, builder: builder, version: "1.0.0")
    let papers = ReleasePapers(key: key, builder: builder)
    var release = ProvenanceTests.release
    release.directory = directory + "/checkout"
    #expect(await notary.papers(of: release) == [])
    let run = PipelineRun(
      id: "p-1",
      commit: Commit(id: release.commit, subject: "", author: release.author, height: 7),
      spec: release.spec, directory: release.directory, logDirectory: directory)
    let moment = Instant(milliseconds: 1_795_521_600_000)
    _ = try await notary.sign(
      release, of: run, from: "https://example.org/shop.git", began: moment, ended: moment)
    for (objection, result) in [
      ("its files were changed", VerificationSummary.Result.failed), (nil, .passed),
    ] {
      try await notary.attest(release, objection: objection, at: moment)
      let bytes = Array(
        try Data(contentsOf: URL(filePath: ReleaseNotary.summaryPath(of: release))))
      let predicate = try papers.verifySummary(bytes, release: release).predicate
      #expect(predicate.verificationResult == result)
      #expect(predicate.timeVerified == "2026-11-24T12:00:00Z")
      #expect(predicate.policy.digest == ["gitCommit": release.commit.rawValue])
      let provenance = Array(try Data(contentsOf: URL(filePath: ReleaseNotary.path(of: release))))
      #expect(
        predicate.inputAttestations.map(\.digest) == [
          ["sha256": ReleasePapers.digest(provenance)]
        ])
    }
    let paths = await notary.papers(of: release)
    #expect(
      paths.map { ($0 as NSString).lastPathComponent } == ["provenance.json", "verification.json"])
    #expect(
      try Self.run([try Self.python(), "-c", Self.reader] + paths)
        == "Provenance\nVerificationSummary")
  }
}

@Suite struct SigningKeyTests {
  @Test func isMadeOnceAndOnlyItsOwnerMayReadIt() throws {
    try ProvenanceTests.withPapers { papers, directory in
      let path = directory + "/" + SigningKey.fileName
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
      #expect(mode as? Int == 0o600)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 1)
      let again = try SigningKey.open(directory: directory)
      #expect(again.publicKey == papers.trusted[0])
      let secret = try String(contentsOfFile: path, encoding: .utf8).prefix(16)
      #expect(!"\(again)".contains(secret))
    }
  }

  @Test(arguments: [0o640, 0o604, 0o660])
  func aKeyThatOthersMayReadIsRefused(mode: Int) throws {
    try ProvenanceTests.withPapers { _, directory in
      let path = directory + "/" + SigningKey.fileName
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
      let error = try #require(
        #expect(throws: PortError.self) { try SigningKey.open(directory: directory) })
      #expect(error.fault == .user)
      #expect(error.nextStep?.contains("chmod 600") == true)
    }
  }

  @Test func aDamagedKeyIsNeverReplaced() throws {
    try ProvenanceTests.withPapers { _, directory in
      let path = directory + "/" + SigningKey.fileName
      for text in ["", "AAAA\n", "not base64\n"] {
        try Data(text.utf8).write(to: URL(filePath: path))
        #expect(throws: PortError.self) { try SigningKey.open(directory: directory) }
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(text.utf8))
      }
    }
  }

  /// Another implementation of Ed25519 and of the envelope's encoding agrees.
  @Test func opensslAcceptsTheSignature() throws {
    try ProvenanceTests.withPapers { papers, directory in
      let file = try papers.provenance(
        of: ProvenanceTests.release, build: ProvenanceTests.build)
      let envelope = try CanonicalJSON.decode(Envelope.self, from: file)
      let payload = try #require(Data(base64Encoded: envelope.payload))
      let type = "application/vnd.in-toto+json"
      let signed = Data("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
      try signed.write(to: URL(filePath: directory + "/signed"))
      let signature = try #require(Data(base64Encoded: envelope.signatures[0].sig))
      try signature.write(to: URL(filePath: directory + "/signature"))
      try Data(papers.trusted[0].pem.utf8).write(to: URL(filePath: directory + "/key.pem"))
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/openssl")
      process.currentDirectoryURL = URL(filePath: directory)
      process.arguments = [
        "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "signed", "-sigfile",
        "signature",
      ]
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
  }
}
