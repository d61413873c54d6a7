public import Evidence
import Logging
public import Ports
import SegueModel

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

  /// Reads a file of statements in OpenVEX.
  static func statements(
    _ bytes: [UInt8], _ path: String
  ) throws(PortError) -> [VulnerabilityStatement] {
    do throws(ReportFailure) {
      return try VulnerabilityStatement.openVEX(bytes)
    } catch {
      throw PortError("\(path) \(error)", fault: .user, retry: .never)
    }
  }
}

extension Dependencies {
  /// Why a release must not be rolled out: its files, or the paper that says how it came to be, are not
  /// what they were. `nil` when nothing is wrong with it.
  func objection(
    to release: Release, _ catalogue: ReleaseCatalogue
  ) async throws(PortError) -> String? {
    guard try await releases.verify(release) else {
      return "the files of \(release.id) are not those that were built"
    }
    // A release of a time before there were papers has none.
    guard catalogue.record(of: release.id)?.signedBy != nil, let papers else { return nil }
    return await papers.objection(to: release)
  }

  /// Has it signed that a release was verified before its rollout, and what came of it.
  func attest(
    _ release: Release, objection: String? = nil, _ catalogue: ReleaseCatalogue
  ) async throws(PortError) {
    guard catalogue.record(of: release.id)?.signedBy != nil, let papers else { return }
    try await papers.attest(release, objection: objection, at: time.now())
  }

  /// The same where nothing may wait for it: on the way back, and of a release whose place is gone.
  func attestIfPossible(
    _ release: Release, objection: String? = nil, _ catalogue: ReleaseCatalogue
  ) async {
    do throws(PortError) {
      try await attest(release, objection: objection, catalogue)
    } catch {
      logger.warning(
        "a verification could not be signed",
        metadata: ["release": "\(release.id)", "error": "\(error)"])
    }
  }
}
