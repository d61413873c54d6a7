/// An immutable, content-addressed build of one commit.
public struct Release: Hashable, Codable, Sendable {
  public var id: ReleaseID
  public var commit: CommitID
  public var pipeline: PipelineID
  /// The first line of the commit's message.
  public var subject: String
  public var author: String
  /// How many commits lead up to this one (`git rev-list --count`): a later commit of a branch has a
  /// greater one.
  public var height: Int
  /// Absolute path of the built checkout. Builds hold absolute paths, so it is never moved.
  public var directory: String
  /// SHA-256 of the manifest of the files, in hexadecimal.
  public var digest: String
  /// The `segue.yaml` of this very commit.
  public var spec: ProjectSpec
  public var builtAt: Instant

  public init(
    id: ReleaseID, commit: CommitID, pipeline: PipelineID, subject: String, author: String,
    height: Int, directory: String, digest: String, spec: ProjectSpec, builtAt: Instant
  ) {
    self.id = id
    self.commit = commit
    self.pipeline = pipeline
    self.subject = subject
    self.author = author
    self.height = height
    self.directory = directory
    self.digest = digest
    self.spec = spec
    self.builtAt = builtAt
  }
}

/// What is known of a commit before it is built.
public struct Commit: Hashable, Codable, Sendable {
  public var id: CommitID
  public var subject: String
  /// `Name <address>`
  public var author: String
  public var height: Int

  public init(id: CommitID, subject: String, author: String, height: Int) {
    self.id = id
    self.subject = subject
    self.author = author
    self.height = height
  }
}
