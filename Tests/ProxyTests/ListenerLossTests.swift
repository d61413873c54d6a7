import Foundation
import Glibc
import NIOCore
import Ports
import SegueModel
import Synchronization
import Testing
import TrafficRouting

@testable import Proxy

/// Rows 1, 3 and 46 of the catalogue of losses: what the kernel and the disk hold for the router.
@Suite struct ListenerLossTests {
  /// Takes connections until it is dropped.
  private final class Taker: Sendable {
    let taken = Mutex<[Socket]>([])
    private let loop = SocketLoop()
    private nonisolated(unsafe) var acceptor: Acceptor?

    init(_ listener: CInt) {
      loop.start(name: "test")
      loop.execute { [self] in
        acceptor = Acceptor(listener, on: loop) { [self] descriptor, _ in
          taken.withLock { $0.append(Socket(descriptor: descriptor)) }
        }
        acceptor?.open()
      }
    }

    /// Stops as a router does that hands its listener over.
    func stop() async {
      loop.execute { [self] in
        acceptor?.close()
        acceptor = nil
      }
      loop.stop()
      await loop.waitUntilEnded()
    }
  }

  @Test func whatIsQueuedOutlivesTheFirstOwnerOfTheSocket() async throws {
    let listener = try ListeningSocket.tcp(host: "127.0.0.1", port: 0)
    let port = try #require(ListeningSocket.address(of: listener)?.port)
    _ = fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK)
    let copy = dup(listener)
    let first = Taker(listener)
    let served = try Socket.connect(port: port)
    try await eventually("the first owner accepts") { first.taken.withLock { $0.count == 1 } }
    await first.stop()
    let queued = try (0..<200).map { _ in try Socket.connect(port: port) }
    close(listener)
    // Row 3: a shutdown of the first owner's descriptor would refuse these.
    let late = try (0..<20).map { _ in try Socket.connect(port: port) }
    for socket in queued + late { try socket.write("x") }
    let second = Taker(copy)
    try await eventually("the second owner finds all of them") {
      second.taken.withLock { $0.count == 220 }
    }
    try await onThread {
      for socket in second.taken.withLock({ $0 }) { _ = try socket.readExactly(1) }
    }
    await second.stop()
    served.close()
    close(copy)
  }

  /// A proxy may be killed at each of these moments of a write; the next one finds one whole table.
  @Test func everyMomentOfAStateWriteLeavesOneTable() throws {
    let directory = try Fixture.temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let files = FileManager.default
    let file = StateFile(directory: directory)
    let (current, previous) = (directory + "/tables.json", directory + "/tables.json.previous")
    func tables(_ generation: UInt64) throws -> TableSet {
      var tables = TableSet.empty
      _ = try tables.apply(Fixture.table([80], generation: generation))
      return tables
    }
    func contents(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }
    for generation in 1...3 as ClosedRange<UInt64> {
      try file.save(tables(generation), keepsPrevious: true)
    }
    let (third, second) = (try contents(current), try contents(previous))
    try file.save(tables(4), keepsPrevious: true)
    let fourth = try contents(current)
    #expect(try contents(previous) == third, "the old file was not written into")
    try files.removeItem(atPath: previous)

    // While the new file is written: any beginning of it, with the old ones beside it.
    try third.write(to: URL(filePath: current))
    try second.write(to: URL(filePath: previous))
    for count in 0...fourth.count {
      try fourth.prefix(count).write(to: URL(filePath: current + ".new"))
      #expect(file.load() == .tables(try tables(3)))
    }
    // The copy of the old one is taken away, and made anew.
    try files.removeItem(atPath: previous)
    #expect(file.load() == .tables(try tables(3)))
    try files.linkItem(atPath: current, toPath: previous)
    #expect(file.load() == .tables(try tables(3)))
    // The new one takes its place.
    #expect(rename(current + ".new", current) == 0)
    #expect(file.load() == .tables(try tables(4)))
    // What a disk made of it after all: the one before still counts.
    for count in 0..<fourth.count {
      try fourth.prefix(count).write(to: URL(filePath: current))
      guard case .previous(let found, _) = file.load() else {
        Issue.record("torn at \(count)")
        continue
      }
      #expect(found == (try tables(3)))
    }
  }
}
