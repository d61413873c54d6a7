public import Foundation

extension ProjectFiles {
  /// Files, folders and bytes that are looked at, at most: `segue init` answers at once, also in a
  /// home directory.
  private enum Bounds {
    static let files = 2_000
    static let depth = 4
    static let readFiles = 300
    static let fileBytes = 128 * 1_024
  }

  private static let passedOver: Set<String> = [
    "node_modules", "vendor", "target", "dist", "build", "venv", "__pycache__", "third_party",
    "bin", "obj", "coverage", "tmp",
  ]

  private static let readByName: Set<String> = [
    "package.json", "Package.swift", "pyproject.toml", "requirements.txt", "Pipfile", "go.mod",
    "Cargo.toml", "Dockerfile", "Procfile", "Makefile", "GNUmakefile", "makefile", "tools.go",
  ]

  /// Looks into a directory. Folders whose name begins with `.`, folders of installed packages and
  /// symbolic links are passed over. Blocks: call it where that does no harm.
  ///
  /// - Throws: What the file system says when the directory itself cannot be read.
  public init(directory: URL) throws {
    self.init([:])
    _ = try FileManager.default.contentsOfDirectory(atPath: directory.path)
    var unread = Bounds.readFiles
    collect(directory, prefix: "", depth: 1, unread: &unread)
  }

  private mutating func collect(
    _ directory: URL, prefix: String, depth: Int, unread: inout Int
  ) {
    let keys: Set<URLResourceKey> = [.isDirectoryKey, .isRegularFileKey, .isSymbolicLinkKey]
    let entries =
      (try? FileManager.default.contentsOfDirectory(
        at: directory, includingPropertiesForKeys: Array(keys))) ?? []
    var folders: [URL] = []
    for entry in entries.sorted(by: { $0.lastPathComponent < $1.lastPathComponent }) {
      guard contents.count < Bounds.files,
        let values = try? entry.resourceValues(forKeys: keys), values.isSymbolicLink != true
      else { continue }
      let name = entry.lastPathComponent
      if values.isDirectory == true {
        if !name.hasPrefix("."), !Self.passedOver.contains(name) { folders.append(entry) }
      } else if values.isRegularFile == true {
        contents[prefix + name] = text(of: entry, name: name, unread: &unread)
      }
    }
    guard depth < Bounds.depth else { return }
    for folder in folders {
      collect(
        folder, prefix: prefix + folder.lastPathComponent + "/", depth: depth + 1, unread: &unread)
    }
  }

  private func text(of file: URL, name: String, unread: inout Int) -> String {
    let isWorthReading =
      Self.readByName.contains(name) || Self.sourceSuffixes.contains { name.hasSuffix($0) }
    guard isWorthReading, unread > 0, let handle = try? FileHandle(forReadingFrom: file) else {
      return ""
    }
    defer { try? handle.close() }
    unread -= 1
    let data = (try? handle.read(upToCount: Bounds.fileBytes)) ?? Data()
    return String(decoding: data, as: UTF8.self)
  }
}

extension Initialiser {
  /// ``propose(name:files:)`` for a directory on disk, named after it.
  ///
  /// - Throws: What the file system says when the directory cannot be read.
  public static func propose(directory: URL) throws -> ProposedSpec {
    let name = directory.standardizedFileURL.lastPathComponent
    return propose(name: name, files: try ProjectFiles(directory: directory))
  }
}
