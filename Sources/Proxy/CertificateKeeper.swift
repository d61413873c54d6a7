import Foundation
import Logging
import Synchronization
import TransportSecurity

/// The certificates in use: read at the start, and read again when a file changes. One that cannot be
/// read harms its own hosts alone.
final class CertificateKeeper: Sendable {
  private let sources: [CertificateSource]
  private let logger: Logger
  private let state: Mutex<State>

  private struct State {
    var store: CertificateStore
    var tickets: TicketKeys
    var stamps: [String: Date]
  }

  /// - Parameter tickets: of the proxy that was taken over from, so that sessions are resumed across
  ///   the upgrade; `nil`: new ones.
  /// - Throws: `TLSFault` when there is no memory.
  init(_ sources: [CertificateSource], tickets: TicketKeys?, logger: Logger) throws(TLSFault) {
    self.sources = sources
    self.logger = logger
    let keys: TicketKeys
    if let tickets { keys = tickets } else { keys = try TicketKeys() }
    let files = sources.flatMap(\.files)
    let store = try CertificateStore(files.map(\.pair), tickets: keys)
    state = Mutex(State(store: store, tickets: keys, stamps: Self.stamps(files)))
    tell(store)
  }

  /// What new connections go by.
  var store: CertificateStore { state.withLock(\.store) }

  /// For the proxy that takes over.
  var tickets: TicketKeys { state.withLock(\.tickets) }

  /// Reads everything anew if a file was changed, added or removed.
  ///
  /// - Returns: the store to go by from now on, if it is another one.
  func refresh() -> CertificateStore? {
    let files = sources.flatMap(\.files)
    let stamps = Self.stamps(files)
    let (before, keys) = state.withLock { ($0.stamps, $0.tickets) }
    guard stamps != before, let store = try? CertificateStore(files.map(\.pair), tickets: keys)
    else { return nil }
    state.withLock { state in
      state.store = store
      state.stamps = stamps
    }
    logger.info("certificates were read again", metadata: ["count": "\(store.certificates.count)"])
    tell(store)
    return store
  }

  private func tell(_ store: CertificateStore) {
    for fault in store.faults {
      logger.error("a certificate cannot be used", metadata: ["reason": "\(fault)"])
    }
  }

  private static func stamps(_ files: [CertificateFile]) -> [String: Date] {
    var stamps: [String: Date] = [:]
    for path in files.flatMap({ [$0.certificate, $0.key] }) {
      let attributes = try? FileManager.default.attributesOfItem(atPath: path)
      stamps[path] = attributes?[.modificationDate] as? Date ?? .distantPast
    }
    return stamps
  }
}

/// A certificate and its key, as files.
struct CertificateFile: Hashable, Sendable {
  var certificate: String
  var key: String

  var pair: CertificateFiles {
    CertificateFiles(name: certificate, certificate: certificate, key: key)
  }
}

/// Where certificates come from.
public enum CertificateSource: Hashable, Sendable {
  /// One certificate with its chain, and its key, both PEM.
  case pair(certificate: String, key: String)
  /// Every `NAME.crt` or `NAME.pem` with a `NAME.key` beside it.
  case directory(String)

  /// In the order of their names.
  var files: [CertificateFile] {
    switch self {
    case .pair(let certificate, let key):
      return [CertificateFile(certificate: certificate, key: key)]
    case .directory(let path):
      let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      return names.sorted().compactMap { name in
        guard name.hasSuffix(".crt") || name.hasSuffix(".pem") else { return nil }
        let key = "\(path)/\(name.dropLast(4)).key"
        guard FileManager.default.fileExists(atPath: key) else { return nil }
        return CertificateFile(certificate: "\(path)/\(name)", key: key)
      }
    }
  }
}
