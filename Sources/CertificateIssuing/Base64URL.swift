import Foundation

/// Base64 for addresses and JSON Web Signatures, without padding (RFC 4648 section 5, RFC 7515
/// section 2).
enum Base64URL {
  static func encode(_ octets: some Sequence<UInt8>) -> String {
    Data(octets).base64EncodedString()
      .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  /// nil for what is not in this form.
  static func decode(_ text: String) -> Data? {
    guard text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "/") }) else {
      return nil
    }
    let standard = text.replacing("-", with: "+").replacing("_", with: "/").replacing("=", with: "")
    let padding = String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
    return Data(base64Encoded: standard + padding)
  }
}
