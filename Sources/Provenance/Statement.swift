/// A claim about files (in-toto attestation framework, Statement version 1).
public struct Statement<Predicate: Codable & Hashable & Sendable>: Hashable, Codable, Sendable {
  public var type: String
  /// What the claim is about, by its content.
  public var subject: [Resource]
  public var predicateType: String
  public var predicate: Predicate

  enum CodingKeys: String, CodingKey {
    case type = "_type"
    case subject, predicateType, predicate
  }

  init(subject: [Resource], predicateType: String, predicate: Predicate) {
    type = statementVersion
    self.subject = subject
    self.predicateType = predicateType
    self.predicate = predicate
  }
}

let statementVersion = "https://in-toto.io/Statement/v1"

/// Something that a build used or made (in-toto `ResourceDescriptor`).
public struct Resource: Hashable, Codable, Sendable {
  public var uri: String?
  public var name: String?
  public var digest: [String: String]

  public init(uri: String? = nil, name: String? = nil, digest: [String: String]) {
    self.uri = uri
    self.name = name
    self.digest = digest
  }
}

/// How a release came to be (SLSA provenance version 1, https://slsa.dev/spec/v1.0/provenance).
public struct BuildProvenance: Hashable, Codable, Sendable {
  public static let type = "https://slsa.dev/provenance/v1"

  public struct Definition: Hashable, Codable, Sendable {
    public var buildType: String
    public var externalParameters: Parameters
    /// The commit, and what else is known to have gone in.
    public var resolvedDependencies: [Resource]
  }

  /// What whoever asked for the build could choose.
  public struct Parameters: Hashable, Codable, Sendable {
    public var repository: String
    public var ref: String
    /// The commands of the pipeline by step, as `segue.yaml` of the commit has them.
    public var steps: [String: String]
  }

  public struct Run: Hashable, Codable, Sendable {
    public struct Builder: Hashable, Codable, Sendable {
      public var id: String
      public var version: [String: String]
    }

    public struct Metadata: Hashable, Codable, Sendable {
      public var invocationId: String
      public var startedOn: String
      public var finishedOn: String
    }

    public var builder: Builder
    public var metadata: Metadata
    /// Reports and lists of components that the build left.
    public var byproducts: [Resource]
  }

  public var buildDefinition: Definition
  public var runDetails: Run
}

/// That somebody has checked a release (SLSA verification summary version 1,
/// https://slsa.dev/spec/v1.0/verification_summary).
public struct VerificationSummary: Hashable, Codable, Sendable {
  public static let type = "https://slsa.dev/verification_summary/v1"

  public struct Verifier: Hashable, Codable, Sendable {
    public var id: String
  }

  public enum Result: String, Hashable, Codable, Sendable {
    case passed = "PASSED"
    case failed = "FAILED"
  }

  public var verifier: Verifier
  public var timeVerified: String
  public var resourceUri: String
  public var policy: Resource
  public var inputAttestations: [Resource]
  public var verificationResult: Result
  public var verifiedLevels: [String]
  public var slsaVersion: String
}
