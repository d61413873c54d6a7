internal import Foundation
internal import Glibc
public import Ports
public import SegueModel

/// Signs how each release came to be, and keeps the paper beside the files of the release.
public struct ReleaseNotary: ReleaseSigner {
  private let papers: ReleasePapers
  private let key: SigningKey
  private let version: String

  /// Bytes of a signed paper.
  private static let limit = 8 << 20

  /// - Parameters:
  ///   - builder: names this Segue in statements, such as `https://deploy.example.org`.
  ///   - version: of this program.
  public init(key: SigningKey, builder: String, version: String) {
    self.key = key
    self.version = version
    papers = ReleasePapers(key: key, builder: builder)
  }

  /// Where the paper of a release lies: beside its directory, since nothing is added to its files.
  public static func path(of release: Release) -> String { path(of: release, "provenance") }

  /// Where the summary of its last verification lies.
  public static func summaryPath(of release: Release) -> String {
    path(of: release, "verification")
  }

  private static func path(of release: Release, _ paper: String) -> String {
    (release.directory as NSString).deletingLastPathComponent + "/\(paper).json"
  }

  public func sign(
    _ release: Release, of run: PipelineRun, from source: String, began: Instant, ended: Instant
  ) async throws(PortError) -> String {
    let steps = Dictionary(
      run.spec.pipeline.map { ($0.name.rawValue, $0.run) }, uniquingKeysWith: { first, _ in first })
    let bytes = try papers.provenance(
      of: release,
      build: ReleasePapers.Build(
        repository: source, ref: "refs/heads/\(run.spec.deployBranch)", steps: steps,
        startedOn: Self.text(began), finishedOn: Self.text(ended), version: version))
    let path = Self.path(of: release)
    try await Self.blocking { () throws(PortError) in try Self.write(bytes, to: path) }
    return key.publicKey.id
  }

  public func objection(to release: Release) async -> String? {
    let path = Self.path(of: release)
    do throws(PortError) {
      let bytes = try await Self.blocking { () throws(PortError) in try Self.read(path) }
      do throws(ProvenanceFailure) {
        try papers.verify(bytes, release: release)
        return nil
      } catch {
        return error.description
      }
    } catch {
      return error.what
    }
  }

  public func attest(
    _ release: Release, objection: String?, at now: Instant
  ) async throws(PortError) {
    let (papers, at) = (papers, Self.text(now))
    let policy = Resource(
      uri: "\(papers.builder)/releases/\(release.id)/segue.yaml",
      digest: ["gitCommit": release.commit.rawValue])
    try await Self.blocking { () throws(PortError) in
      let bytes = try papers.summary(
        of: release, passed: objection == nil, policy: policy,
        provenance: try Self.read(Self.path(of: release)), at: at)
      try Self.write(bytes, to: Self.summaryPath(of: release))
    }
  }

  public func papers(of release: Release) async -> [String] {
    let paths = [Self.path(of: release), Self.summaryPath(of: release)]
    let found = try? await Self.blocking { () throws(PortError) in
      paths.filter { access($0, F_OK) == 0 }
    }
    return found ?? []
  }

  private static func text(_ instant: Instant) -> String {
    Date(timeIntervalSince1970: TimeInterval(instant.milliseconds / 1_000)).ISO8601Format()
  }

  private static func blocking<Value: Sendable>(
    _ work: @escaping @Sendable () throws(PortError) -> Value
  ) async throws(PortError) -> Value {
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        do throws(PortError) {
          continuation.resume(returning: .success(try work()))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }

  private static func read(_ path: String) throws(PortError) -> [UInt8]? {
    guard access(path, F_OK) == 0 else { return nil }
    guard let handle = FileHandle(forReadingAtPath: path),
      let data = try? handle.read(upToCount: limit + 1), data.count <= limit
    else {
      throw PortError("\(path) cannot be read", fault: .platform, retry: .safe)
    }
    return Array(data)
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(PortError) {
    do {
      try Data(bytes).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw PortError(
        "\(path) cannot be written", fault: .platform, retry: .safe, causes: ["\(error)"],
        nextStep: "Check the permissions and the free space of the state directory")
    }
  }
}
