import Foundation
import Glibc
import Testing

/// What a service manager sees of the daemon (sd_notify(3), and the exit status).
@Suite(.serialized) struct ServiceManagerTests {
  @Test func theDaemonSaysWhenItIsReadyAndEndsWellWhenToldTo() async throws {
    try await withInstallation { segue in
      try await segue.makeRepository(CommitToLiveTests.app(version: "1"))
      let notices = try Notices(path: segue.root + "/notify")
      try await segue.start(variables: ["NOTIFY_SOCKET": notices.path])
      try await until("the daemon is ready", deadline: .seconds(30)) {
        notices.received().contains("READY=1")
      }
      _ = try await segue.push()
      #expect(try await segue.stopDaemon() == 0)
      #expect(notices.received().contains("STOPPING=1"))
      let answer = try await segue.run(["curl", "-sS", "-m", "5", segue.url])
      #expect(answer.standardOutput == "hello", "the service goes on without it")
    }
  }

  /// The receiving end of `NOTIFY_SOCKET`.
  private final class Notices {
    let path: String
    private let descriptor: Int32
    private var texts: [String] = []

    init(path: String) throws {
      self.path = path
      descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
      let bound = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      guard bound == 0 else { throw Failure("cannot bind \(path)") }
    }

    deinit { close(descriptor) }

    /// Everything that came so far.
    func received() -> [String] {
      var buffer = [UInt8](repeating: 0, count: 256)
      while case let count = recv(descriptor, &buffer, buffer.count, 0), count > 0 {
        texts.append(String(decoding: buffer[..<count], as: UTF8.self))
      }
      return texts
    }
  }
}
