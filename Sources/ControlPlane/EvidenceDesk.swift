public import Evidence
public import Ports

/// Where the control plane has evidence from, and where it keeps it.
public struct EvidenceDesk: Sendable {
  public var reader: any EvidenceReader
  public var history: any EvidenceHistory
  public var advisories: any AdvisorySource
  /// Read the files of the repository that excuse something for a time; given their bytes and name.
  public var readWaivers: @Sendable ([UInt8], String) throws(PortError) -> [Waiver]
  public var readQuarantines: @Sendable ([UInt8], String) throws(PortError) -> [Quarantine]

  public init(
    reader: any EvidenceReader, history: any EvidenceHistory, advisories: any AdvisorySource,
    readWaivers: @escaping @Sendable ([UInt8], String) throws(PortError) -> [Waiver],
    readQuarantines: @escaping @Sendable ([UInt8], String) throws(PortError) -> [Quarantine]
  ) {
    self.reader = reader
    self.history = history
    self.advisories = advisories
    self.readWaivers = readWaivers
    self.readQuarantines = readQuarantines
  }
}
