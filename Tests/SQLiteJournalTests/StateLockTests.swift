import Foundation
import Glibc
import Ports
import SQLiteJournal
import Testing

struct StateLockTests {
  @Test func `the second one is told who has it`() throws {
    let directory = try TemporaryDirectory()
    let lock = try StateLock.acquire(directory: directory.path)
    let error = #expect(throws: PortError.self) {
      try StateLock.acquire(directory: directory.path)
    }
    #expect(error?.what == "another segue serve (pid \(getpid())) uses \(directory.path)")
    #expect(error?.fault == .user)
    #expect(error?.retry == .never)
    let text = try String(contentsOfFile: directory.file("lock"), encoding: .utf8)
    #expect(text == "\(getpid()) segue serve\n")

    lock.release()
    lock.release()
    let next = try StateLock.acquire(directory: directory.path, command: "segue up")
    #expect(
      try String(contentsOfFile: directory.file("lock"), encoding: .utf8)
        == "\(getpid()) segue up\n")
    next.release()
  }

  @Test func `it goes with its owner`() throws {
    let directory = try TemporaryDirectory()
    do {
      let lock = try StateLock.acquire(directory: directory.path)
      withExtendedLifetime(lock) {}
    }
    try StateLock.acquire(directory: directory.path).release()
  }

  @Test func `a directory that is not there is the platform's fault`() throws {
    let directory = try TemporaryDirectory()
    let error = #expect(throws: PortError.self) {
      try StateLock.acquire(directory: directory.file("none"))
    }
    #expect(error?.fault == .platform)
    #expect(error?.causes == ["No such file or directory"])
  }

  @Test func `a child does not inherit it`() throws {
    let directory = try TemporaryDirectory()
    let lock = try StateLock.acquire(directory: directory.path)
    // `cat` lives until its input ends.
    let (child, input) = try spawn("/bin/cat", [])
    defer { end(child, input) }
    lock.release()
    #expect(child.isRunning)
    try StateLock.acquire(directory: directory.path).release()
  }

  static let flock = "/usr/bin/flock"

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: flock)))
  func `the kernel releases it when its owner is killed`() throws {
    let directory = try TemporaryDirectory()
    // `flock` from util-linux takes the lock, then becomes `sh`, which answers when it has it.
    let output = Pipe()
    let (child, input) = try spawn(
      Self.flock, ["--no-fork", directory.file("lock"), "/bin/sh", "-c", "echo held; read line"],
      output: output)
    defer { end(child, input) }
    let answer = try output.fileHandleForReading.read(upToCount: 5)
    #expect(answer == Data("held\n".utf8))
    let error = #expect(throws: PortError.self) {
      try StateLock.acquire(directory: directory.path)
    }
    #expect(error?.what == "another process uses \(directory.path)")
    kill(child.processIdentifier, SIGKILL)
    child.waitUntilExit()
    try StateLock.acquire(directory: directory.path).release()
  }

  private func spawn(
    _ program: String, _ arguments: [String], output: Pipe? = nil
  ) throws -> (Process, Pipe) {
    let (child, input) = (Process(), Pipe())
    child.executableURL = URL(fileURLWithPath: program)
    child.arguments = arguments
    child.standardInput = input
    if let output { child.standardOutput = output }
    try child.run()
    return (child, input)
  }

  private func end(_ child: Process, _ input: Pipe) {
    try? input.fileHandleForWriting.close()
    child.waitUntilExit()
  }
}
