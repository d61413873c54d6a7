import JournalContract
import Ports
import SQLiteJournal
import SegueModel
import Testing

struct SQLiteJournalContractTests {
  @Test(arguments: JournalContract.all)
  func `keeps every promise of a journal`(_ check: JournalCheck) async throws {
    let directory = try TemporaryDirectory()
    let current = CurrentJournal()
    try await check.run(
      JournalHarness { try await current.reopen(in: directory.path) })
    try await current.close()
  }

  private actor CurrentJournal {
    private var journal: SQLiteJournal?

    func reopen(in directory: String) async throws -> SQLiteJournal {
      try await close()
      let opened = try await SQLiteJournal.open(directory: directory)
      journal = opened
      return opened
    }

    func close() async throws {
      try await journal?.close()
      journal = nil
    }
  }
}
