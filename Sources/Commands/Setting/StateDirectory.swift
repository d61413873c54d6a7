public import ControlProtocol
internal import Foundation

/// Where a project's control plane keeps what has to survive it, and where commands find it.
public enum StateDirectory {
  /// The control API's socket.
  public static func controlSocket(in state: String) -> String { state + "/control.sock" }
  /// The socket on which the control plane speaks to the proxy.
  public static func proxySocket(in state: String) -> String { state + "/proxy.sock" }
  /// The daemon's output, when `segue up` started it.
  public static func log(in state: String) -> String { state + "/serve.log" }
  /// The bare repository that people may push to.
  public static func remote(in state: String) -> String { state + "/remote.git" }

  /// The state directory: `explicit`, else `$SEGUE_STATE`, else
  /// `$XDG_STATE_HOME/segue/NAME-HASH` of the repository that `directory` lies in, where NAME is its
  /// folder and HASH eight digits that tell it from another folder of the same name.
  ///
  /// - Throws: ``ControlError`` of kind `invalid` outside a repository.
  public static func resolve(
    explicit: String?, environment: [String: String], directory: String
  ) throws(ControlError) -> String {
    if let explicit, !explicit.isEmpty { return absolute(explicit, from: directory) }
    if let named = environment["SEGUE_STATE"], !named.isEmpty {
      return absolute(named, from: directory)
    }
    guard let repository = Repository.root(from: directory) else {
      throw ControlError(
        .invalid, "\(directory) is not in a Git repository, so there is no project to look after",
        nextStep: "Go to your project, or name its state directory with --state")
    }
    return home(environment: environment) + "/segue/" + name(of: repository)
  }

  /// Creates the directory, for its owner only.
  public static func create(_ state: String) throws(ControlError) {
    do {
      try FileManager.default.createDirectory(
        atPath: state, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw ControlError(
        .failed, "cannot create the state directory \(state)", causes: [error.localizedDescription],
        nextStep: "Name another with --state")
    }
  }

  /// `shop-1f3a5c70`
  static func name(of repository: String) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a, folded to 32 bits.
    for byte in repository.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let folded = UInt32(truncatingIfNeeded: hash ^ (hash >> 32))
    let digits = String(folded, radix: 16)
    let folder = repository.split(separator: "/").last.map(String.init) ?? "root"
    return "\(folder)-\(String(repeating: "0", count: 8 - digits.count))\(digits)"
  }

  private static func home(environment: [String: String]) -> String {
    // A relative XDG_STATE_HOME is to be ignored (XDG Base Directory Specification).
    if let named = environment["XDG_STATE_HOME"], named.hasPrefix("/") { return named }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.local/state"
  }

  private static func absolute(_ path: String, from directory: String) -> String {
    URL(filePath: path, directoryHint: .isDirectory, relativeTo: URL(filePath: directory + "/"))
      .standardizedFileURL.path(percentEncoded: false).trimmingSlashes
  }
}

extension String {
  /// `/a/b/` as `/a/b`.
  var trimmingSlashes: String {
    var text = self[...]
    while text.count > 1, text.hasSuffix("/") { text.removeLast() }
    return String(text)
  }
}
