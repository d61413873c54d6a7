import Dispatch
import Foundation
import Logging
import Ports
import Testing
import TrafficRouting

@testable import Proxy

/// A directory with an access log in it.
private struct LogBench {
  let directory: String
  var path: String { directory + "/access.log" }

  init() throws { directory = try Fixture.temporaryDirectory() }

  func open(_ path: String? = nil, lanes: Int = 1, laneLimit: Int = 262_144) throws -> AccessLog {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try AccessLog.open(
      path: path ?? self.path, lanes: lanes, laneLimit: laneLimit, logger: logger)
  }

  func lines(_ path: String? = nil) throws -> [Substring] {
    try String(contentsOfFile: path ?? self.path, encoding: .utf8).split(separator: "\n")
  }

  func end() { try? FileManager.default.removeItem(atPath: directory) }
}

extension AccessLane {
  fileprivate func note(path: String) {
    let head = Array(path.utf8)
    var entry = AccessEntry(id: .made(0, 1), client: Array("192.0.2.1".utf8))
    entry.path = 0..<head.count
    note(entry, head: head.span)
  }
}

@Suite struct AccessLogTests {
  @Test func everyLaneIsWrittenByTheEnd() async throws {
    let bench = try LogBench()
    defer { bench.end() }
    let log = try bench.open(lanes: 3)
    for (index, lane) in log.lanes.enumerated() {
      for number in 0..<100 { lane.note(path: "/\(index)/\(number)") }
    }
    await log.close()
    let lines = try bench.lines()
    #expect(lines.count == 300)
    #expect(lines.allSatisfy { (try? JSONSerialization.jsonObject(with: Data($0.utf8))) != nil })
    for index in 0..<3 {
      let own = lines.filter { $0.contains("\"path\":\"/\(index)/") }
      #expect(own.count == 100)
      #expect(own.last?.contains("\"/\(index)/99\"") ?? false)
    }
    #expect(log.dropped == 0)
  }

  @Test func linesComeWithoutBeingAskedFor() async throws {
    let bench = try LogBench()
    defer { bench.end() }
    let log = try bench.open()
    log.lanes[0].note(path: "/a")
    try await eventually("the line is in the file") { try bench.lines().count == 1 }
    await log.close()
  }

  @Test func aFullLaneDropsAndTheFileSaysSo() async throws {
    let wake = DispatchSemaphore(value: 0)
    let lane = AccessLane(limit: 1_000, wake: wake)
    for _ in 0..<10 { lane.note(path: "/") }
    var bytes: [UInt8] = []
    let dropped = lane.take(into: &bytes)
    let kept = bytes.count { $0 == 10 }
    #expect(bytes.count <= 1_000)
    #expect(bytes.last == 10)
    #expect(kept > 0)
    #expect(dropped == UInt64(10 - kept))
    #expect(wake.wait(timeout: .now()) == .success)
    #expect(wake.wait(timeout: .now()) == .timedOut)
    var rest: [UInt8] = []
    #expect(lane.take(into: &rest) == 0)
    #expect(rest.isEmpty)
  }

  @Test func theCountOfDroppedLinesIsInTheFile() async throws {
    let bench = try LogBench()
    defer { bench.end() }
    // No line fits.
    let log = try bench.open(laneLimit: 10)
    for _ in 0..<7 { log.lanes[0].note(path: "/") }
    await log.close()
    #expect(log.dropped == 7)
    let told = try bench.lines().compactMap { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return object?["dropped"] as? Int
    }
    #expect(told.reduce(0, +) == 7)
  }

  @Test func aMovedFileIsLeftBehindWhenAsked() async throws {
    let bench = try LogBench()
    defer { bench.end() }
    let log = try bench.open()
    log.lanes[0].note(path: "/before")
    try await eventually("the line is in the file") { try bench.lines().count == 1 }
    try FileManager.default.moveItem(atPath: bench.path, toPath: bench.path + ".1")
    log.reopen()
    try await eventually("there is a new file") {
      FileManager.default.fileExists(atPath: bench.path)
    }
    log.lanes[0].note(path: "/after")
    await log.close()
    #expect(try bench.lines(bench.path + ".1").count == 1)
    #expect(try bench.lines().count == 1)
    #expect(try bench.lines()[0].contains("/after"))
  }

  @Test func aFileThatCannotBeOpenedAnewLeavesTheOldOne() async throws {
    let bench = try LogBench()
    defer { bench.end() }
    let log = try bench.open()
    try FileManager.default.moveItem(atPath: bench.path, toPath: bench.directory + "/old")
    try FileManager.default.createDirectory(
      atPath: bench.path, withIntermediateDirectories: false)
    log.reopen()
    log.lanes[0].note(path: "/still")
    await log.close()
    #expect(try bench.lines(bench.directory + "/old").count == 1)
  }

  @Test func aFullDiskIsSurvivedAndCounted() async throws {
    let bench = try LogBench()
    defer { bench.end() }
    try FileManager.default.createSymbolicLink(
      atPath: bench.path, withDestinationPath: "/dev/full")
    let log = try bench.open()
    for _ in 0..<5 { log.lanes[0].note(path: "/lost") }
    try await eventually("the loss is counted") { log.dropped == 5 }
    try FileManager.default.removeItem(atPath: bench.path)
    log.reopen()
    log.lanes[0].note(path: "/kept")
    await log.close()
    #expect(log.dropped == 5)
    let lines = try bench.lines()
    #expect(lines.contains { $0.contains("/kept") })
    #expect(lines.contains { $0.hasSuffix("\"dropped\":5}") })
  }

  @Test func aTornLineIsEndedBeforeTheNext() async throws {
    let bench = try LogBench()
    defer { bench.end() }
    mkfifo(bench.path, 0o600)
    let reader = open(bench.path, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    let file = try AccessLogFile(
      path: bench.path,
      logger: Logger(label: "test") { _ in
        SwiftLogNoOpLogHandler()
      })
    defer { file.close() }
    // More than a pipe takes: the write ends in the middle of the only line.
    let long = [UInt8](repeating: 97, count: 1_000_000) + [10]
    #expect(file.append(long) == 1)
    var taken: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    func drain() {
      while case let count = read(reader, &piece, piece.count), count > 0 {
        taken += piece[..<count]
      }
    }
    drain()
    #expect(file.append([98, 10]) == 0)
    drain()
    #expect(taken.suffix(4) == [97, 10, 98, 10])
  }

  @Test func aPathThatIsNoFileIsRefused() throws {
    let bench = try LogBench()
    defer { bench.end() }
    #expect(throws: PortError.self) { try bench.open(bench.directory + "/none/access.log") }
    #expect(throws: PortError.self) { try bench.open(bench.directory) }
  }
}
