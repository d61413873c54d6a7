import Ports

/// Ids that become names of files.
enum StoredID {
  /// Refuses what could lead out of its directory, hide in it, or be too long for a file's name.
  ///
  /// - Parameter owner: `an instance`, for the message.
  static func check(_ id: String, of owner: String) throws(PortError) {
    let allowed = id.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: "."):
        true
      default: false
      }
    }
    guard allowed, !id.isEmpty, !id.hasPrefix("."), id.utf8.count <= 200 else {
      throw PortError("\"\(id)\" cannot be \(owner)'s id", fault: .segue, retry: .never)
    }
  }
}
