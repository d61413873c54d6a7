public import Evidence
internal import Foundation
public import Ports
internal import Synchronization

/// Advisories in the OSV format, one to a file, anywhere below a directory of the machine. What was read
/// is kept until something in the directory changes.
public final class AdvisoryFolder: AdvisorySource {
  private struct Kept: Sendable {
    var stamp: String
    var index: AdvisoryIndex
  }

  private let kept = Mutex<[String: Kept]>([:])
  private static let fileLimit = 4 << 20

  public init() {}

  public func stamp(of directory: String) async throws(PortError) -> String {
    try await BlockingWork.run { () throws(PortError) in
      Self.stamp(of: try Self.files(in: directory))
    }
  }

  public func advisories(in directory: String) async throws(PortError) -> AdvisoryIndex {
    try await BlockingWork.run { () throws(PortError) in
      let files = try Self.files(in: directory)
      let stamp = Self.stamp(of: files)
      if let known = self.kept.withLock({ $0[directory] }), known.stamp == stamp {
        return known.index
      }
      var index = AdvisoryIndex()
      for file in files { index.add(try Self.advisory(file, in: directory)) }
      let made = Kept(stamp: stamp, index: index)
      self.kept.withLock { $0[directory] = made }
      return index
    }
  }

  /// Half a database would be an all-clear for what is in the other half.
  private static func advisory(
    _ file: FileTree.Entry, in directory: String
  ) throws(PortError) -> Advisory {
    let path = FileTree.shown(directory, file.path)
    guard file.size <= fileLimit, let bytes = SmallFile.read(path, limit: fileLimit) else {
      throw PortError(
        "the advisory \(path) cannot be read, or is larger than \(fileLimit) bytes",
        fault: .user, retry: .safe,
        nextStep: "Remove it, or fetch the advisories anew")
    }
    do throws(ReportFailure) {
      return try Advisory.read(bytes)
    } catch {
      throw PortError(
        "the advisory \(path) \(error)", fault: .user, retry: .safe,
        nextStep: "Remove it, or fetch the advisories anew")
    }
  }

  private static func files(in directory: String) throws(PortError) -> [FileTree.Entry] {
    guard FileTree.look(at: FileTree.path(directory + "/.", []), relative: [])?.kind == .directory
    else {
      throw PortError(
        "there is no directory \(directory) with advisories", fault: .user, retry: .safe,
        nextStep: "Fetch them there, or correct `advisories` in segue.yaml")
    }
    return try Glob("**/*.json").files(under: directory, limit: 2_000_000)
  }

  private static func stamp(of files: [FileTree.Entry]) -> String {
    var newest: Int64 = 0
    var bytes: Int64 = 0
    var inodes: UInt64 = 0
    for file in files {
      newest = max(newest, file.modified)
      bytes = bytes &+ file.size
      inodes ^= file.inode
    }
    return "\(files.count) \(bytes) \(newest) \(inodes)"
  }
}
