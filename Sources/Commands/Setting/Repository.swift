internal import ControlProtocol
internal import Foundation
internal import SpecFile

/// The Git repository that a command stands in.
enum Repository {
  /// The nearest folder upwards that holds `.git`, with symbolic links resolved; `nil`: there is
  /// none.
  static func root(from directory: String) -> String? {
    var folder = URL(filePath: directory).resolvingSymlinksInPath()
      .path(percentEncoded: false).trimmingSlashes
    while true {
      // A worktree's `.git` is a file.
      if FileManager.default.fileExists(atPath: folder + "/.git") { return folder }
      guard let slash = folder.lastIndex(of: "/"), folder != "/" else { return nil }
      folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
    }
  }

  static func requiredRoot(from directory: String) throws(ControlError) -> String {
    guard let root = root(from: directory) else {
      throw ControlError(
        .invalid, "\(directory) is not in a Git repository",
        nextStep: "Go to your project, or begin one with `git init`")
    }
    return root
  }

  /// Reads and checks the project's `segue.yaml`.
  ///
  /// - Throws: ``SpecReport``, or ``ControlError`` when the file cannot be read.
  static func spec(in root: String) throws -> SpecReading {
    let path = root + "/segue.yaml"
    guard FileManager.default.fileExists(atPath: path) else {
      throw ControlError(
        .invalid, "there is no segue.yaml in \(root)",
        nextStep: "Let `segue init` propose one")
    }
    let data: Data
    do {
      data = try Data(contentsOf: URL(filePath: path))
    } catch {
      throw ControlError(.failed, "cannot read \(path)", causes: [error.localizedDescription])
    }
    return try SpecReader.reading(bytes: Array(data), file: "segue.yaml")
  }
}
