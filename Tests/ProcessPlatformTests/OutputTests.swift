import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

@Suite struct OutputTests {
  /// Everything that is kept, in order: rotated files, then the part of the file not yet rotated.
  private func everything(in folder: String) throws -> String {
    let rotated = BlockingFile.names(in: folder)
      .filter { $0.hasPrefix("output.") && $0 != "output.log" }
      .map { name in (name: name, parts: name.split(separator: ".").compactMap { Int($0) }) }
      .sorted { $0.parts[0] < $1.parts[0] }
    var bytes: [UInt8] = []
    for file in rotated {
      bytes += try #require(BlockingFile.read(folder + "/" + file.name, limit: 1 << 30))
    }
    let current = try #require(BlockingFile.read(folder + "/output.log", limit: 1 << 30))
    bytes += current.dropFirst(rotated.last?.parts[1] ?? 0)
    return String(decoding: bytes, as: UTF8.self)
  }

  private func diskBytes(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_blocks) * 512 : 0
  }

  @Test func rotationLosesNoLineUnderAWriter() async throws {
    let limit: Int64 = 65_536
    let count = 200_000
    try await Fixture.with(retention: .init(outputBytes: limit, rotatedFiles: 1_000)) { fixture in
      let instance = try await fixture.start(
        "i=0; while [ $i -lt \(count) ]; do echo \"line $i\"; i=$((i+1)); done; sleep 600")
      let folder = fixture.directory + "/state/instances/\(instance.instance)"
      try await eventually("the last line was written") {
        try await fixture.platform.maintain()
        return try await fixture.lines(of: instance, count: 1) == ["line \(count - 1)"] ? () : nil
      }
      try await fixture.platform.maintain()
      #expect(diskBytes(folder + "/output.log") <= Int(limit) + 8_192)
      #expect(BlockingFile.names(in: folder).count > 10)
      let lines = try everything(in: folder).split(separator: "\n")
      #expect(lines.count == count)
      #expect(lines.enumerated().allSatisfy { $1 == "line \($0)" })
      // Across files.
      let tail = try await fixture.lines(of: instance, count: 20_000)
      #expect(tail.first == "line \(count - 20_000)")
      #expect(tail.count == 20_000)
    }
  }

  @Test func oldFilesGo() async throws {
    try await Fixture.with(retention: .init(outputBytes: 4_096, rotatedFiles: 2)) { fixture in
      let instance = try await fixture.start("seq 1 20000")
      _ = try await fixture.platform.waitForExit(of: instance)
      try await fixture.platform.maintain()
      let folder = fixture.directory + "/state/instances/\(instance.instance)"
      #expect(BlockingFile.names(in: folder).filter { $0.hasPrefix("output.") }.count == 3)
      #expect(try await fixture.lines(of: instance, count: 3) == ["19998", "19999", "20000"])
      #expect(try await fixture.lines(of: instance, count: 100_000).count > 1_000)
    }
  }

  /// A crash after the copy was named and before the hole was punched.
  @Test func aCrashBetweenCopyAndHoleRepeatsNothing() async throws {
    try await Fixture.with { fixture in
      let folder = fixture.directory
      try "one\ntwo\nthree\n".write(
        toFile: folder + "/output.log", atomically: false, encoding: .utf8)
      try "one\n".write(toFile: folder + "/output.1.4.log", atomically: false, encoding: .utf8)
      let log = OutputLog(path: folder + "/output.log", limit: 8)
      #expect(log.tail(10) == ["one", "two", "three"])
      try log.rotate()
      #expect(try everything(in: folder) == "one\ntwo\nthree\n")
      #expect(log.tail(10) == ["one", "two", "three"])
    }
  }

  @Test func aFileCutByAHandIsReadFromItsStart() async throws {
    try await Fixture.with { fixture in
      let folder = fixture.directory
      try "new\n".write(toFile: folder + "/output.log", atomically: false, encoding: .utf8)
      try "old\n".write(toFile: folder + "/output.3.900.log", atomically: false, encoding: .utf8)
      let log = OutputLog(path: folder + "/output.log")
      #expect(log.tail(10) == ["old", "new"])
      #expect(log.tail(1) == ["new"])
      #expect(log.tail(0) == [])
    }
  }
}
