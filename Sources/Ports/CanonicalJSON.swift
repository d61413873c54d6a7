private import Foundation

/// The one JSON text of a value: what the journal keeps, and what hashes are computed over.
///
/// Object keys are sorted by their UTF-8 bytes, there is no white space, only `"`, `\` and control
/// characters are escaped (as RFC 8785 section 3.2.2.2 does), and numbers are integers. So equal
/// values give equal bytes in every process, on every machine and with every version of Foundation.
///
/// Refused, because its text is not the same twice: floating point, a `Set`, and a `Dictionary` that
/// would be written as an array (one whose key is neither a string, an integer nor
/// `CodingKeyRepresentable`). Foundation's own types (`Data`, `URL`, `Date`) have no place here.
public enum CanonicalJSON {
  /// The canonical text of `value`, as UTF-8.
  ///
  /// - Throws: fault `segue`, `retry: never`, naming the place, when the value has no canonical text.
  public static func encode(_ value: some Encodable) throws(PortError) -> [UInt8] {
    do {
      let faults = CanonicalFaults()
      let root = CanonicalNode()
      try CanonicalEncoder(node: root, path: [], faults: faults).write(value, into: root, path: [])
      if let fault = faults.first { throw fault }
      var bytes: [UInt8] = []
      root.append(to: &bytes)
      return bytes
    } catch {
      let cause = (error as? CanonicalFault)?.sentence ?? String(describing: error)
      throw PortError(
        "a \(type(of: value)) cannot be written as canonical JSON", fault: .segue, retry: .never,
        causes: [cause], nextStep: "Report this as a defect of Segue")
    }
  }

  /// The value that `bytes` describe. Any JSON is accepted: the check for canonical text is the hash.
  ///
  /// - Throws: fault `segue`, `retry: never`, when the bytes are not JSON or not of this shape.
  public static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: [UInt8]
  ) throws(PortError) -> Value {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw PortError(
        "a record cannot be read as a \(type)", fault: .segue, retry: .never,
        causes: [sentence(about: error)],
        nextStep: "Run the version of Segue that wrote it, and report this as a defect")
    }
  }

  private static func sentence(about error: any Error) -> String {
    guard let error = error as? DecodingError else { return String(describing: error) }
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      return "at \(place(context.codingPath)): \(context.debugDescription)"
    case .keyNotFound(let key, let context):
      return "at \(place(context.codingPath)): there is no \"\(key.stringValue)\""
    @unknown default:
      return String(describing: error)
    }
  }

  static func place(_ path: [any CodingKey]) -> String {
    path.isEmpty ? "the top" : path.map(\.stringValue).joined(separator: ".")
  }
}
