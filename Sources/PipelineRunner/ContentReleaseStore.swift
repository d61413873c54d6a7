internal import Crypto
internal import Foundation
internal import Glibc
public import Ports
public import SegueModel

/// Releases as directories on this machine, each beside its manifest (`DIRECTORY.manifest`) and its
/// description (`DIRECTORY.release`).
///
/// Files are made read-only; directories are not, because instances run in them and may write beside
/// what was built. So ``verify(_:)`` looks at what the manifest lists, and not for what was added.
public struct ContentReleaseStore: ReleaseStore {
  public init() {}

  public func seal(_ run: PipelineRun, at instant: Instant) async throws(PortError) -> Release {
    try await BlockingWork.run { () throws(PortError) in
      if let sealed = Self.sealed(run) { return sealed }
      try Self.makeReadOnly(run.directory)
      let manifest = try ReleaseManifest.read(run.directory)
      let digest = manifest.digest
      let release = Release(
        id: try Self.id(run.commit.id, run.spec, digest), commit: run.commit.id, pipeline: run.id,
        subject: run.commit.subject, author: run.commit.author, height: run.commit.height,
        directory: run.directory, digest: digest, spec: run.spec, builtAt: instant)
      try FileTree.replace(run.directory + ".manifest", with: Array(manifest.text.utf8))
      // Last: whoever finds it finds a whole release.
      try FileTree.replace(
        run.directory + ".release", with: try CanonicalJSON.encode(release))
      return release
    }
  }

  /// The release that an earlier call made of this run.
  private static func sealed(_ run: PipelineRun) -> Release? {
    guard let bytes = SmallFile.read(run.directory + ".release", limit: 16 << 20),
      let release = try? JSONDecoder().decode(Release.self, from: Data(bytes)),
      release.commit == run.commit.id, release.pipeline == run.id, release.spec == run.spec,
      release.directory == run.directory
    else { return nil }
    return release
  }

  private static func makeReadOnly(_ directory: String) throws(PortError) {
    try FileTree.walk(directory) { entry throws(PortError) in
      if entry.path == Array(".git".utf8) { return false }
      if entry.kind == .file, entry.mode & 0o222 != 0 {
        let path = FileTree.path(directory, entry.path)
        guard chmod(path, entry.mode & ~0o222) == 0 else {
          throw .system(
            "cannot make \(FileTree.shown(directory, entry.path)) read-only", errno)
        }
      }
      return true
    }
  }

  /// `r-` and 16 digits of the SHA-256 over commit, spec and manifest.
  private static func id(
    _ commit: CommitID, _ spec: ProjectSpec, _ digest: String
  ) throws(PortError) -> ReleaseID {
    var hash = SHA256()
    hash.update(data: Data("segue-release 1\n\(commit)\n".utf8))
    hash.update(data: Data(try CanonicalJSON.encode(spec)))
    hash.update(data: Data("\n\(digest)\n".utf8))
    return ReleaseID("r-\(hash.finalize().hexadecimal.prefix(16))")
  }

  public func verify(_ release: Release) async throws(PortError) -> Bool {
    try await BlockingWork.run { () throws(PortError) in
      guard access(release.directory, F_OK) == 0,
        let listed = SmallFile.read(release.directory + ".manifest", limit: 1 << 30),
        SHA256.hash(data: Data(listed)).hexadecimal == release.digest
      else { return false }
      return try ReleaseManifest.holds(
        String(decoding: listed, as: UTF8.self), under: release.directory)
    }
  }

  public func remove(_ release: Release) async throws(PortError) {
    try await BlockingWork.run { () throws(PortError) in
      // First the description: a half-removed release must not look whole.
      for path in [".release", ".manifest", ""] {
        try FileTree.remove(release.directory + path)
      }
    }
  }
}
