public import Ports
public import SegueModel

extension ComponentList {
  /// This as a CycloneDX 1.6 document about a release. The same list gives the same bytes.
  ///
  /// - Throws: what ``CanonicalJSON`` throws, which would be a defect.
  public func cycloneDX(
    of release: String, project: String, at: Instant
  ) throws(PortError) -> [UInt8] {
    var seen: Set<String> = []
    let parts = components.compactMap { component -> Bill.Part? in
      let address = component.package?.description
      let reference = address ?? "\(component.name)@\(component.version ?? "")"
      guard seen.insert(reference).inserted else { return nil }
      let group = component.package?.namespace ?? ""
      return Bill.Part(
        type: "library", reference: reference, group: group.isEmpty ? nil : group,
        name: component.package?.name ?? component.name, version: component.version,
        purl: address)
    }
    return try CanonicalJSON.encode(
      Bill(
        metadata: Bill.Metadata(
          timestamp: at.rfc3339,
          component: Bill.Part(
            type: "application", reference: "release:\(release)", name: project, version: release)),
        components: parts))
  }
}

private struct Bill: Encodable {
  var bomFormat = "CycloneDX"
  var specVersion = "1.6"
  var version = 1
  var metadata: Metadata
  var components: [Part]

  struct Metadata: Encodable {
    var timestamp: String
    var component: Part
  }

  struct Part: Encodable {
    var type: String
    var reference: String
    var group: String?
    var name: String
    var version: String?
    var purl: String?

    enum CodingKeys: String, CodingKey {
      case type, group, name, version, purl
      case reference = "bom-ref"
    }
  }
}

extension Instant {
  /// `2026-01-31T12:00:00Z` (RFC 3339), in whole seconds.
  public var rfc3339: String {
    let day = 86_400_000 as Int64
    let seconds = ((milliseconds % day) + day) % day / 1_000
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(self.day)T\(two(seconds / 3_600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))Z"
  }
}
