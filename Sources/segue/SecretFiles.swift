import Foundation
import Ports

/// Secrets as files, one each, in a directory that only its owner may read: `secrets/NAME` in the
/// state directory. A final newline does not belong to the value.
struct SecretFiles: SecretSource {
  let directory: String

  func value(of name: String) throws(PortError) -> Secret? {
    let path = directory + "/" + name
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    do {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      let mode = attributes[.posixPermissions] as? Int ?? 0
      guard mode & 0o077 == 0 else {
        throw PortError(
          "the secret \(name) can be read by others", fault: .user, retry: .never,
          nextStep: "Run chmod 600 \(path)")
      }
      var text = try String(contentsOfFile: path, encoding: .utf8)
      if text.hasSuffix("\n") { text.removeLast() }
      return Secret(text)
    } catch let error as PortError {
      throw error
    } catch {
      throw PortError(
        "the secret \(name) cannot be read", fault: .user, retry: .never,
        causes: [error.localizedDescription])
    }
  }
}

extension SecretFiles {
  /// - Throws: fault `user` when there is none.
  func required(_ name: String) throws(PortError) -> Secret {
    guard let value = try value(of: name) else {
      throw PortError(
        "the secret \(name) is not there", fault: .user, retry: .never,
        nextStep: "Write it into \(directory)/\(name), which only its owner may read")
    }
    return value
  }

  /// An error about a secret, or about what it was used for, on one line.
  static func sentence(_ error: any Error) -> String {
    guard let error = error as? PortError else { return "\(error)" }
    return error.what + (error.nextStep.map { ". \($0)" } ?? "")
  }
}
