import Foundation
import Glibc
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
    var stamps: [String: FileStamp]
    /// What the files looked like when something in them could not be read; nil: all could.
    var doubted: [String: FileStamp]?
  }

  /// - Parameter tickets: of the proxy that was taken over from, so that sessions are resumed across
  ///   the upgrade; `nil`: new ones.
  /// - Throws: `TLSFault` when there is no memory.
  init(_ sources: [CertificateSource], tickets: TicketKeys?, logger: Logger) throws(TLSFault) {
    self.sources = sources
    self.logger = logger
    let keys: TicketKeys
    if let tickets { keys = tickets } else { keys = try TicketKeys() }
    let files = CertificateListing(sources)
    let store = try files.store(tickets: keys)
    state = Mutex(State(store: store, tickets: keys, stamps: files.stamps))
    tell(store)
  }

  /// What new connections go by.
  var store: CertificateStore { state.withLock(\.store) }

  /// For the proxy that takes over.
  var tickets: TicketKeys { state.withLock(\.tickets) }

  /// Reads everything anew if a file was changed, added or removed.
  ///
  /// If something cannot be read then, it may be in the middle of being replaced, a certificate already
  /// and its key not yet. So what is in use stays until the files have been the same at two looks.
  ///
  /// - Returns: the store to go by from now on, if it is another one.
  func refresh() -> CertificateStore? {
    let files = CertificateListing(sources)
    let (before, doubted, keys) = state.withLock { ($0.stamps, $0.doubted, $0.tickets) }
    guard files.stamps != before, let store = try? files.store(tickets: keys) else { return nil }
    guard store.faults.isEmpty || doubted == files.stamps else {
      state.withLock { $0.doubted = files.stamps }
      return nil
    }
    state.withLock { state in
      state.store = store
      state.stamps = files.stamps
      state.doubted = nil
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
}

/// The files of all sources, as they are at one moment.
private struct CertificateListing {
  /// What is served.
  let served: [CertificateFile]
  /// What a certificate authority is shown.
  let validations: [CertificateFile]
  let stamps: [String: FileStamp]

  init(_ sources: [CertificateSource]) {
    served = sources.flatMap(\.files)
    validations = sources.flatMap(\.validations)
    var stamps: [String: FileStamp] = [:]
    for path in (served + validations).flatMap({ [$0.certificate, $0.key] }) {
      stamps[path] = FileStamp(path)
    }
    self.stamps = stamps
  }

  func store(tickets: TicketKeys) throws(TLSFault) -> CertificateStore {
    try CertificateStore(
      served.map(\.pair), tickets: tickets, validations: validations.map(\.pair))
  }
}

/// Tells one state of a file from another, also when it is reached by another symbolic link now.
private struct FileStamp: Hashable {
  private let inode: UInt64
  private let size: Int64
  private let seconds: Int64
  private let nanoseconds: Int64

  /// All zero for a file that is not there.
  init(_ path: String) {
    var status = stat()
    let isThere = stat(path, &status) == 0
    inode = isThere ? UInt64(status.st_ino) : 0
    size = isThere ? Int64(status.st_size) : 0
    seconds = isThere ? Int64(status.st_mtim.tv_sec) : 0
    nanoseconds = isThere ? Int64(status.st_mtim.tv_nsec) : 0
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
  /// Every `NAME.crt` or `NAME.pem` with a `NAME.key` beside it. Those in its `challenges/tls` are
  /// shown to nobody but a certificate authority that validates a host (RFC 8737).
  case directory(String)

  /// In the order of their names.
  var files: [CertificateFile] {
    switch self {
    case .pair(let certificate, let key):
      [CertificateFile(certificate: certificate, key: key)]
    case .directory(let path): Self.pairs(in: path)
    }
  }

  /// What a certificate authority is shown, in the order of their names.
  var validations: [CertificateFile] {
    switch self {
    case .pair: []
    case .directory(let path): Self.pairs(in: ChallengeFolder(certificates: path).tls)
    }
  }

  /// Whether certificates may come later where there are none now: a folder that is there.
  var canGrow: Bool {
    switch self {
    case .pair: return false
    case .directory(let path):
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        && isFolder.boolValue
    }
  }

  private static func pairs(in path: String) -> [CertificateFile] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.sorted().compactMap { name in
      guard name.hasSuffix(".crt") || name.hasSuffix(".pem") else { return nil }
      let key = "\(path)/\(name.dropLast(4)).key"
      guard FileManager.default.fileExists(atPath: key) else { return nil }
      return CertificateFile(certificate: "\(path)/\(name)", key: key)
    }
  }
}
