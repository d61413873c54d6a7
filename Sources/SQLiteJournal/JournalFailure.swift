internal import GRDB
internal import Ports
internal import SegueModel

/// Says in Segue's words what SQLite reports.
struct JournalFailure: Sendable {
  /// The journal file.
  let path: String

  /// - Parameter doing: what was attempted, as a noun phrase: `appending to service/production/web`.
  func portError(_ error: any Error, doing: String) -> PortError {
    switch error {
    case let error as PortError: error
    case let error as DatabaseError: portError(error, doing: doing)
    case is RowDecodingError:
      damaged("a row is not of the journal's format", intact: nil, cause: "\(error)")
    default:
      PortError(
        "\(doing) failed", fault: .segue, retry: .never, causes: [String(describing: error)],
        nextStep: "Report this as a defect of Segue")
    }
  }

  private func portError(_ error: DatabaseError, doing: String) -> PortError {
    let cause =
      "SQLite: \(error.message ?? "no message") (code \(error.extendedResultCode.rawValue))"
    // SHMSIZE is how SQLite tells that the WAL's index file found no room.
    if error.extendedResultCode == .SQLITE_IOERR_SHMSIZE { return full(doing, cause) }
    switch error.resultCode {
    case .SQLITE_FULL:
      return full(doing, cause)
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      return PortError(
        "the journal is busy: \(doing) had to be given up", fault: .platform,
        retry: .after(.seconds(1)), causes: [cause],
        nextStep: "End the other program that has \(path) open")
    case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_FORMAT:
      return damaged("SQLite cannot read all of it", intact: nil, cause: cause)
    case .SQLITE_PERM, .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_AUTH:
      return PortError(
        "\(doing) is not permitted", fault: .platform, retry: .never, causes: [cause],
        nextStep: "Give the user that runs Segue the right to write \(path) and its directory")
    case .SQLITE_IOERR:
      // After a failed fsync the kernel may have dropped the pages: trying again could "succeed"
      // with a hole. Only a restart, which reads what is really there, is safe.
      return PortError(
        "the disk failed: \(doing) cannot be trusted", fault: .platform, retry: .never,
        causes: [cause], nextStep: "Check the disk that holds \(path), then start Segue again")
    case .SQLITE_NOMEM:
      return PortError(
        "there is no memory for \(doing)", fault: .platform, retry: .after(.seconds(5)),
        causes: [cause])
    default:
      return PortError(
        "\(doing) failed", fault: .segue, retry: .never, causes: [cause],
        nextStep: "Report this as a defect of Segue")
    }
  }

  private func full(_ doing: String, _ cause: String) -> PortError {
    PortError(
      "the disk is full: \(doing) wrote nothing", fault: .platform, retry: .after(.seconds(5)),
      causes: [cause], nextStep: "Free space on the file system that holds \(path)")
  }

  /// - Parameter intact: the last event up to which the hash chain holds; `nil` when it is not known.
  func damaged(_ how: String, intact: Int64?, cause: String? = nil) -> PortError {
    var causes = [how]
    if let cause { causes.append(cause) }
    switch intact {
    case nil: break
    case 0?: causes.append("no event could be read")
    case let last?: causes.append("events 1 to \(last) are intact by their hash chain")
    }
    return PortError(
      "the journal \(path) is damaged", fault: .platform, retry: .never, causes: causes,
      nextStep:
        "Nothing in it was changed. Copy it and its -wal file to a safe place, then put back "
        + "a backup, or read what is left with: sqlite3 \(path) .recover")
  }

  func foreign(_ how: String) -> PortError {
    PortError(
      "\(path) \(how)", fault: .user, retry: .never,
      nextStep: "Nothing in it was changed. Move it away, or let Segue use another state directory")
  }

  func newer(_ version: Int32) -> PortError {
    PortError(
      "the journal \(path) was written by a newer version of Segue: its format is \(version), and "
        + "this version knows \(JournalFormat.version)",
      fault: .user, retry: .never,
      nextStep: "Run the newer version of Segue again, or put back a backup from before the upgrade"
    )
  }
}
