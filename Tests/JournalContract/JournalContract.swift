public import Ports
import SegueModel

/// What every ``Ports/Journal`` promises, as checks that each implementation's tests run.
///
///     @Test(arguments: JournalContract.all)
///     func contract(_ check: JournalCheck) async throws {
///       try await check.run(JournalHarness { ... })
///     }
///
/// What only one implementation can show (a changed byte, a full disk) is for its own tests.
public enum JournalContract {
  public static let all: [JournalCheck] =
    appendingChecks + outboxChecks + timerChecks + readingChecks + durabilityChecks
}

/// One promise.
public struct JournalCheck: Sendable, CustomStringConvertible {
  /// A sentence.
  public let name: String
  let body: @Sendable (JournalHarness) async throws -> Void

  public var description: String { name }

  /// - Throws: ``ContractFailure`` when the promise is broken, or what the journal threw.
  public func run(_ harness: JournalHarness) async throws { try await body(harness) }
}

/// Where a check gets its journal from.
public struct JournalHarness: Sendable {
  let open: @Sendable () async throws -> any Journal

  /// - Parameter open: the first call makes an empty journal; a later one closes it and opens the same
  ///   storage again, as a restart does.
  public init(open: @escaping @Sendable () async throws -> any Journal) { self.open = open }
}

/// A broken promise.
public struct ContractFailure: Error, CustomStringConvertible {
  public let description: String
}

// MARK: For the checks

func expect(_ holds: Bool, _ what: @autoclosure () -> String) throws(ContractFailure) {
  guard holds else { throw ContractFailure(description: what()) }
}

func expect<Value: Equatable>(
  _ found: Value, is expected: Value, _ what: String
) throws(ContractFailure) {
  guard found == expected else {
    throw ContractFailure(description: "\(what): found \(found), expected \(expected)")
  }
}

/// Appends what must be refused, and gives the reason.
func refusal(
  _ journal: any Journal, _ transaction: JournalTransaction
) async throws(ContractFailure) -> PortError {
  do {
    _ = try await journal.append(transaction)
  } catch {
    return error
  }
  throw ContractFailure(description: "this should have been refused: \(transaction)")
}

func event(_ text: String, kind: String = "happened") -> NewEvent {
  NewEvent(kind: kind, payload: Array(#"{"text":"\#(text)"}"#.utf8))
}

func transaction(
  _ stream: StreamID, _ expectedVersion: Int64, _ events: [NewEvent], at milliseconds: Int64 = 1_000
) -> JournalTransaction {
  JournalTransaction(
    stream: stream, expectedVersion: expectedVersion, at: Instant(milliseconds: milliseconds),
    events: events)
}

func outboxRow(_ id: String, stream: StreamID = "a") -> OutboxRow {
  OutboxRow(id: id, stream: stream, kind: "startInstance", payload: Array(#"{"id":1}"#.utf8))
}

/// Everything a journal holds, to be compared before and after.
struct Contents: Equatable {
  var events: [RecordedEvent]
  var outbox: [OutboxRow]
  var timers: [JournalTimer]
  var verification: JournalVerification

  init(_ journal: any Journal) async throws {
    events = try await journal.events(after: 0, limit: 100_000)
    outbox = try await journal.pendingOutbox()
    timers = try await journal.timers()
    verification = try await journal.verify()
  }
}
