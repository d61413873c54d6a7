/// A name or id that travels as plain text: in the journal, on the wire, in file names.
///
/// Identifiers encode as a bare JSON string, and a `Dictionary` keyed by one encodes as an object
/// (not as an array in random order), so both are safe in canonical JSON.
public protocol Identifier: RawRepresentable<String>, Hashable, Comparable, Codable, Sendable,
  CodingKeyRepresentable, CustomStringConvertible, ExpressibleByStringLiteral
{
  init(rawValue: String)
}

extension Identifier {
  public init(_ text: String) { self.init(rawValue: text) }
  public init(stringLiteral value: String) { self.init(rawValue: value) }
  public var description: String { rawValue }
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  public var codingKey: any CodingKey { IdentifierKey(stringValue: rawValue) }
  public init?<Key: CodingKey>(codingKey: Key) { self.init(rawValue: codingKey.stringValue) }

  public init(from decoder: any Decoder) throws {
    self.init(rawValue: try decoder.singleValueContainer().decode(String.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(rawValue)
  }
}

private struct IdentifierKey: CodingKey {
  var stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// The name of a project: one Git repository with a `segue.yaml`.
public struct ProjectName: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// The name of a service within a project.
public struct ServiceName: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// The name of an environment, such as `production`.
public struct EnvironmentName: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// The name of a pipeline step.
public struct StepName: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// A full Git object id of a commit, in lower-case hexadecimal (40 digits, or 64 with SHA-256).
public struct CommitID: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }

  /// The first twelve digits: enough for people to tell commits of one repository apart.
  public var short: String { String(rawValue.prefix(12)) }
}

/// The content address of a release: `r-` and the first 16 hexadecimal digits of the SHA-256 over its
/// commit, its parsed `segue.yaml` and the manifest of its files.
public struct ReleaseID: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// One run of the pipeline for one commit.
public struct PipelineID: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// One rollout of one service in one environment.
public struct RolloutID: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// One running copy of one release of one service. Unique for ever: never used again after a stop.
public struct InstanceID: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// Who did or may do something, by the name that Segue knows them by: `ana`.
public struct PersonName: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// The name of a team in `segue.yaml`.
public struct TeamName: Identifier {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
}

/// A service in an environment: the unit that a rollout moves and that an actor owns.
public struct ServiceKey: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
  public var environment: EnvironmentName
  public var service: ServiceName

  public init(environment: EnvironmentName, service: ServiceName) {
    self.environment = environment
    self.service = service
  }

  /// `production/web`
  public var description: String { "\(environment)/\(service)" }

  public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}
