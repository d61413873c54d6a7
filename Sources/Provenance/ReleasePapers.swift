internal import Crypto
public import Ports
public import SegueModel

/// What is signed about a release when it is built, and when it is checked.
public struct ReleasePapers: Sendable {
  private let key: SigningKey
  /// Keys that are believed: the own one first.
  public let trusted: [VerificationKey]
  /// Names this Segue in statements, such as `https://deploy.example.org`.
  public let builder: String

  public init(key: SigningKey, trusting others: [VerificationKey] = [], builder: String) {
    self.key = key
    trusted = [key.publicKey] + others
    self.builder = builder
  }

  /// What the build of a release used.
  public struct Build: Hashable, Sendable {
    public var repository: String
    public var ref: String
    /// Commands by step.
    public var steps: [String: String]
    /// RFC 3339.
    public var startedOn: String
    public var finishedOn: String
    /// Of this program.
    public var version: String
    public var byproducts: [Resource]

    public init(
      repository: String, ref: String, steps: [String: String], startedOn: String,
      finishedOn: String, version: String, byproducts: [Resource] = []
    ) {
      self.repository = repository
      self.ref = ref
      self.steps = steps
      self.startedOn = startedOn
      self.finishedOn = finishedOn
      self.version = version
      self.byproducts = byproducts
    }
  }

  /// The signed provenance of a release: the bytes of a file to keep with it.
  public func provenance(of release: Release, build: Build) throws(PortError) -> [UInt8] {
    let predicate = BuildProvenance(
      buildDefinition: BuildProvenance.Definition(
        buildType: "\(builder)/pipeline/v1",
        externalParameters: BuildProvenance.Parameters(
          repository: build.repository, ref: build.ref, steps: build.steps),
        resolvedDependencies: [
          Resource(
            uri: "git+\(build.repository)@\(build.ref)",
            digest: ["gitCommit": release.commit.rawValue])
        ]),
      runDetails: BuildProvenance.Run(
        builder: BuildProvenance.Run.Builder(id: builder, version: ["segue": build.version]),
        metadata: BuildProvenance.Run.Metadata(
          invocationId: release.pipeline.rawValue, startedOn: build.startedOn,
          finishedOn: build.finishedOn),
        byproducts: build.byproducts))
    return try sign(
      Statement(
        subject: [Self.subject(release)], predicateType: BuildProvenance.type,
        predicate: predicate))
  }

  /// Checks that a trusted key vouches for exactly this release and this commit; to be called before
  /// every rollout, after the files of the release were hashed again.
  ///
  /// - Parameter bytes: of the file; `nil` when there is none.
  /// - Throws: ``ProvenanceFailure``, whose description is a sentence for people.
  @discardableResult
  public func verify(
    _ bytes: [UInt8]?, release: Release
  ) throws(ProvenanceFailure) -> Statement<BuildProvenance> {
    let statement: Statement<BuildProvenance> = try read(bytes, type: BuildProvenance.type)
    try Self.check(statement.subject, release)
    let commit = statement.predicate.buildDefinition.resolvedDependencies
      .compactMap { $0.digest["gitCommit"] }
    guard commit == [release.commit.rawValue] else {
      throw .mismatch(
        what: "commit", expected: release.commit.rawValue, found: commit.joined(separator: ", "))
    }
    return statement
  }

  /// A signed summary of what was decided about a release.
  ///
  /// - Parameters:
  ///   - policy: the `segue.yaml` that was gone by, with its digest.
  ///   - provenance: the file that was verified; `nil` when there was none to verify.
  public func summary(
    of release: Release, passed: Bool, policy: Resource, provenance: [UInt8]?, at time: String
  ) throws(PortError) -> [UInt8] {
    let level =
      !passed ? "FAILED" : provenance == nil ? "SLSA_BUILD_LEVEL_UNEVALUATED" : "SLSA_BUILD_LEVEL_1"
    let inputs = provenance.map {
      [
        Resource(
          uri: "\(builder)/releases/\(release.id)/provenance.json",
          digest: ["sha256": Self.digest($0)])
      ]
    }
    return try sign(
      Statement(
        subject: [Self.subject(release)], predicateType: VerificationSummary.type,
        predicate: VerificationSummary(
          verifier: VerificationSummary.Verifier(id: builder), timeVerified: time,
          resourceUri: "\(builder)/releases/\(release.id)", policy: policy,
          inputAttestations: inputs ?? [], verificationResult: passed ? .passed : .failed,
          verifiedLevels: [level], slsaVersion: "1.0")))
  }

  /// Checks a summary, and that it is about this release.
  public func verifySummary(
    _ bytes: [UInt8]?, release: Release
  ) throws(ProvenanceFailure) -> Statement<VerificationSummary> {
    let statement: Statement<VerificationSummary> = try read(
      bytes, type: VerificationSummary.type)
    try Self.check(statement.subject, release)
    return statement
  }

  private func sign(_ statement: Statement<some Codable>) throws(PortError) -> [UInt8] {
    try Envelope.sign(CanonicalJSON.encode(statement), with: key).bytes()
  }

  private func read<Predicate>(
    _ bytes: [UInt8]?, type: String
  ) throws(ProvenanceFailure) -> Statement<Predicate> {
    guard let bytes else { throw .missing }
    let payload = try Envelope.verified(bytes, by: trusted)
    let statement: Statement<Predicate>
    do throws(PortError) {
      statement = try CanonicalJSON.decode(Statement<Predicate>.self, from: payload)
    } catch {
      throw .malformed(error.causes.first ?? error.what)
    }
    guard statement.type == statementVersion, statement.predicateType == type else {
      throw .mismatch(what: "kind", expected: type, found: statement.predicateType)
    }
    return statement
  }

  private static func check(
    _ subjects: [Resource], _ release: Release
  ) throws(ProvenanceFailure) {
    let found = subjects.map { $0.digest["sha256"] ?? "none" }
    guard found == [release.digest] else {
      throw .mismatch(
        what: "content", expected: release.digest, found: found.joined(separator: ", "))
    }
    guard subjects.first?.name == release.id.rawValue else {
      throw .mismatch(
        what: "name", expected: release.id.rawValue, found: subjects.first?.name ?? "none")
    }
  }

  private static func subject(_ release: Release) -> Resource {
    Resource(name: release.id.rawValue, digest: ["sha256": release.digest])
  }

  /// SHA-256 in hexadecimal, as a ``Resource`` names it.
  public static func digest(_ bytes: [UInt8]) -> String {
    hexadecimal(SHA256.hash(data: bytes))
  }
}
