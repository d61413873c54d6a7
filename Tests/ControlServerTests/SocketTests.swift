import ControlClient
import ControlProtocol
import Foundation
import Glibc
import Logging
import Testing

@testable import ControlServer

@Suite struct SocketTests {
  /// `nil` when there is nothing.
  private func mode(_ path: String) -> Int? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    return (attributes?[.posixPermissions] as? NSNumber)?.intValue
  }

  /// Before the rename there is nothing to connect to but in a directory that only the owner can
  /// enter; the rename shows the socket with its final mode. There is no moment in between.
  @Test func theSocketIsItsOwnersFromTheFirstMoment() async throws {
    try await withDirectory { directory in
      let path = directory + "/control.sock"
      let socket = try OwnerOnlySocket(path: path)
      defer { socket.remove() }
      #expect(mode(path + ".new") == 0o700)
      let bound = try RawSocket.listen(socket.provisionalPath)
      #expect(mode(path) == nil)
      try socket.publish()
      #expect(mode(path) == 0o600)
      #expect(mode(path + ".new") == nil)
      _ = try RawSocket.connect(path)
      withExtendedLifetime(bound) {}
    }
  }

  @Test func aRunningServersSocketHasMode0600AndGoesWithIt() async throws {
    let seen = Seen()
    try await withServer(FakeControlAPI()) { path in
      await seen.set(path)
      #expect(mode(path) == 0o600)
    }
    let path = try #require(await seen.path)
    #expect(mode(path) == nil)
  }

  private actor Seen {
    var path: String?
    func set(_ path: String) { self.path = path }
  }

  @Test func aDeadServersSocketIsReplaced() async throws {
    try await withDirectory { directory in
      let path = directory + "/control.sock"
      do { _ = try RawSocket.listen(path) }
      try #require(mode(path) != nil)
      try #require(mkdir(path + ".new", 0o700) == 0)
      _ = try RawSocket.listen(path + ".new/s")
      let socket = try OwnerOnlySocket(path: path)
      defer { socket.remove() }
      let bound = try RawSocket.listen(socket.provisionalPath)
      try socket.publish()
      _ = try RawSocket.connect(path)
      withExtendedLifetime(bound) {}
    }
  }

  @Test func aLiveServersSocketIsNotTaken() async throws {
    try await withServer(FakeControlAPI()) { path in
      let second = ControlServer(
        api: FakeControlAPI(), socketPath: path,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      let error = await #expect(throws: ControlError.self) { try await second.run() }
      #expect(error?.kind == .refused)
      try await ControlClient.with(socketPath: path) { _ = try await $0.status() }
    }
  }

  @Test func somebodyElsesListeningSocketIsNotTaken() async throws {
    try await withDirectory { directory in
      let path = directory + "/control.sock"
      let other = try RawSocket.listen(path)
      let error = #expect(throws: ControlError.self) { try OwnerOnlySocket(path: path) }
      #expect(error?.kind == .refused)
      #expect(mode(path) != nil)
      withExtendedLifetime(other) {}
    }
  }

  @Test func aPathTooLongForASocketIsRefusedOnBothSides() async throws {
    let path = "/tmp/" + String(repeating: "x", count: 120)
    let served = #expect(throws: ControlError.self) { try OwnerOnlySocket(path: path) }
    #expect(served?.kind == .invalid)
    #expect(served?.message.contains("too long") == true)
    await #expect {
      try await ControlClient.with(socketPath: path) { _ = try await $0.status() }
    } throws: {
      ($0 as? ControlError)?.message.contains("too long") == true
    }
  }

  @Test func nobodyThereIsSaidAtOnceWithANextStep() async throws {
    try await withDirectory { directory in
      let path = directory + "/control.sock"
      let missing = await #expect(throws: ControlError.self) {
        try await ControlClient.with(socketPath: path) { _ = try await $0.status() }
      }
      #expect(missing?.kind == .unreachable)
      #expect(missing?.nextStep?.contains("segue up") == true)
      do { _ = try RawSocket.listen(path) }
      let dead = await #expect(throws: ControlError.self) {
        try await ControlClient.with(socketPath: path) { _ = try await $0.status() }
      }
      #expect(dead?.message == missing?.message)
    }
  }
}
