import Ports
import SegueModel

/// Puts a query's facts into a template: `{{version}}`, `{{service}}`, `{{seconds}}`.
enum Placeholders {
  /// `nil`, with the reason, for a template that names something else, or leaves one open.
  static func filled(
    _ template: String, _ query: MetricQuery, escape: (String) -> String = { $0 }
  ) -> Result<String, Fault> {
    let span = query.until.milliseconds.subtractingReportingOverflow(query.from.milliseconds)
    let seconds = span.overflow ? 1 : max(1, span.partialValue / 1_000)
    var result = ""
    var rest = template[...]
    while let open = rest.firstRange(of: "{{") {
      result += rest[..<open.lowerBound]
      guard let close = rest[open.upperBound...].firstRange(of: "}}") else {
        return .failure(Fault(what: "a placeholder is not closed with }}"))
      }
      let name = rest[open.upperBound..<close.lowerBound].filter { $0 != " " }
      switch name {
      case "version": result += escape(query.version.description)
      case "service": result += escape(query.service.description)
      case "seconds": result += String(seconds)
      default:
        return .failure(
          Fault(what: "there is no {{\(name)}}; there are {{version}}, {{service}}, {{seconds}}"))
      }
      rest = rest[close.upperBound...]
    }
    return .success(result + rest)
  }

  struct Fault: Error {
    var what: String
  }

  /// For a query string (RFC 3986 section 2.1): all but the unreserved characters.
  static func percentEncoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
      let scalar = Character(Unicode.Scalar(byte))
      if byte < 0x80, scalar.isLetter || scalar.isNumber || "-._~".contains(scalar) {
        result.append(scalar)
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
  }
}
