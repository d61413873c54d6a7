import Foundation
import Glibc
import Logging
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

/// A keeper in a thread of this program, instead of in a process; it ends with ``stop()``.
final class ThreadKeeper: Sendable {
  private let listener: Int32

  init(stateDirectory: String) throws {
    try FileManager.default.createDirectory(
      atPath: stateDirectory, withIntermediateDirectories: true)
    listener = try UnixSocket.listen(at: stateDirectory + "/keeper.sock")
    let listener = listener
    Thread.detachNewThread {
      SocketKeeper.serve(listener)
      close(listener)
    }
  }

  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
}

/// An address of this machine where nobody listens.
private func freeAddress() throws -> SharedAddress {
  let port = try PortBook.shared.reserve()
  PortBook.shared.release(port)
  return SharedAddress(port: port)
}

@Suite struct SharedSocketTests {
  // MARK: The keeper

  @Test func aKeeperGivesWhatItWasGiven() async throws {
    try await Fixture.with { fixture in
      let state = fixture.directory + "/state"
      let keeper = try ThreadKeeper(stateDirectory: state)
      defer { keeper.stop() }
      let address = try freeAddress()
      do {
        let vault = vault(state)
        vault.keep("shared web", try SharedListener.open(address))
        #expect(vault.names() == ["shared web"])
      }
      // The first one is gone, and has closed all it had.
      let next = vault(state)
      let found = try #require(next.find("shared web"))
      #expect(SharedListener.isOpen(found, at: address))
      #expect(!SharedListener.isOpen(found, at: SharedAddress(host: "0.0.0.0", port: address.port)))
      #expect(next.find("shared other") == nil)
      next.drop("shared web")
      #expect(next.names().isEmpty)
      #expect(!canConnect(to: address.port))
    }
  }

  @Test func nonsenseDoesNotStopAKeeper() async throws {
    try await Fixture.with { fixture in
      let state = fixture.directory + "/state"
      let keeper = try ThreadKeeper(stateDirectory: state)
      defer { keeper.stop() }
      for text in ["", "keep", "keep ", "give", "list list", "\u{0}\u{1}", "keep shared web"] {
        let connection = try #require(UnixSocket.connect(to: state + "/keeper.sock"))
        defer { close(connection) }
        #expect(KeeperMessage(text).send(to: connection))
        let answer = try #require(KeeperMessage.receive(from: connection))
        #expect(answer.descriptor == nil)
      }
      #expect(vault(state).names().isEmpty)
    }
  }

  private func vault(_ state: String) -> SocketVault {
    SocketVault(
      stateDirectory: state, command: ["/bin/false"],
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  // MARK: Instances that share a socket

  /// Accepts from descriptor 3 and says which instance answered, and what it was told.
  private static let server = """
    import os, signal, socket
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    print(os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"], flush=True)
    server = socket.socket(fileno=3)
    print("blocking" if server.getblocking() else "ready", flush=True)
    server.settimeout(None)
    while True:
        connection, _ = server.accept()
        connection.sendall(os.environ["SEGUE_INSTANCE"].encode())
        connection.close()
    """

  private func request(_ fixture: Fixture, _ address: SharedAddress) throws -> InstanceStart {
    try fixture.write(Self.server, to: "server.py")
    var request = fixture.request("python3 server.py")
    request.listen = .inherit(address)
    return request
  }

  @Test func instancesAcceptFromOneSocketAndTheQueueOutlivesThem() async throws {
    try await Fixture.with { fixture in
      let address = try freeAddress()
      let first = try await fixture.start(request(fixture, address))
      try await fixture.waitForLine("1 web", of: first)
      #expect(try ask(address) == "web-1")
      _ = try await fixture.platform.stop(first, deadline: .seconds(60))
      // Nobody runs; whoever connects waits.
      let waiting = try #require(connection(to: address))
      defer { close(waiting) }
      let second = try await fixture.start(request(fixture, address))
      try await fixture.waitForLine("1 web", of: second)
      #expect(answer(on: waiting) == "web-2")
    }
  }

  @Test func aSocketThatIsTakenIsNamed() async throws {
    try await Fixture.with { fixture in
      let address = try freeAddress()
      let other = try listen(on: address.port)
      defer { close(other) }
      let error = try await fixture.refusal(of: request(fixture, address))
      #expect(error?.fault == .user)
      #expect(
        error?.description.contains("\(address): it is taken by process \(getpid())") == true,
        "\(error.map { "\($0)" } ?? "")")
    }
  }

  /// The control plane and the keeper have died; the instances have not.
  @Test func theSocketIsFoundInAnInstance() async throws {
    try await Fixture.with { fixture in
      let address = try freeAddress()
      let first = try await fixture.start(request(fixture, address))
      try await fixture.waitForLine("1 web", of: first)
      let successor = try fixture.successor()
      var next = try request(fixture, address)
      next.instance = "web-next"
      let second = try await successor.start(next)
      try await eventually("both have it") {
        try ask(address) == "web-next" ? () : nil
      }
      _ = try await successor.stop(second, deadline: .seconds(60))
    }
  }

  @Test func aSocketOfAnotherAddressIsClosed() async throws {
    try await Fixture.with { fixture in
      let old = try freeAddress()
      let first = try await fixture.start(request(fixture, old))
      try await fixture.waitForLine("1 web", of: first)
      _ = try await fixture.platform.stop(first, deadline: .seconds(60))
      try await fixture.platform.maintain()
      #expect(canConnect(to: old.port), "it is the latest one, and the next instance wants it")
      let new = try freeAddress()
      let second = try await fixture.start(request(fixture, new))
      try await fixture.waitForLine("1 web", of: second)
      try await fixture.platform.maintain()
      #expect(!canConnect(to: old.port))
      #expect(canConnect(to: new.port))
    }
  }

  // MARK: Readiness by notice

  private static let notifier = """
    import os, socket, time
    notice = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    def say(text):
        try:
            notice.sendto(text, os.environ["NOTIFY_SOCKET"])
            print("said", flush=True)
        except OSError as error:
            print("unheard", flush=True)
    say(b"STATUS=starting")
    while not os.path.exists("go"): time.sleep(0.01)
    say(b"STATUS=up\\nREADY=1\\n")
    while not os.path.exists("again"): time.sleep(0.01)
    say(b"STATUS=idle")
    time.sleep(600)
    """

  @Test func anInstanceSaysThatItIsReady() async throws {
    try await Fixture.with { fixture in
      try fixture.write(Self.notifier, to: "notify.py")
      var request = fixture.request("python3 notify.py")
      request.notifies = true
      let instance = try await fixture.start(request)
      try await fixture.waitForLine("said", of: instance)
      #expect(try await !fixture.platform.hasNotified(instance))
      try fixture.write("", to: "go")
      try await eventually("it has said so") {
        try await fixture.platform.hasNotified(instance) ? () : nil
      }
      // It is remembered, and nobody waits for more: a full queue would block the instance.
      #expect(try await fixture.successor().hasNotified(instance))
      try fixture.write("", to: "again")
      try await fixture.waitForLine("unheard", of: instance)
    }
  }

  // MARK: Instances on Unix sockets

  private static let unixServer = """
    import os, socket
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(os.environ["SOCKET"])
    server.listen()
    print("listening", "PORT" in os.environ, flush=True)
    while True: server.accept()[0].close()
    """

  @Test func anInstanceListensOnItsOwnSocket() async throws {
    try await Fixture.with { fixture in
      try fixture.write(Self.unixServer, to: "server.py")
      var request = fixture.request("python3 server.py")
      request.listen = .unix
      let instance = try await fixture.start(request)
      try await fixture.waitForLine("listening False", of: instance)
      let path = try #require(instance.endpoint.socket)
      #expect(path == fixture.directory + "/state/sockets/web-1.sock")
      #expect(try await fixture.platform.ownsListener(instance) == .own)
      #expect(try await fixture.successor().observe().first?.endpoint == instance.endpoint)
      _ = try await fixture.platform.stop(instance, deadline: .seconds(60))
      #expect(!FileManager.default.fileExists(atPath: path))
      #expect(try await fixture.platform.ownsListener(instance) == .nobody)
    }
  }

  @Test func aPathThatIsTooLongIsRefused() async throws {
    try await Fixture.with { fixture in
      var request = fixture.request("sleep 600")
      request.instance = InstanceID(String(repeating: "w", count: 100))
      request.listen = .unix
      let error = await fixture.refusal(of: request)
      #expect(error?.description.contains("Choose a shorter state directory") == true)
    }
  }

  @Test func onlyWhatListensCounts() {
    let table = """
      Num       RefCount Protocol Flags    Type St Inode Path
      0000000000000000: 00000002 00000000 00010000 0001 01 11 /run/a b.sock
      0000000000000000: 00000003 00000000 00000000 0001 03 22 /run/a b.sock
      0000000000000000: 00000002 00000000 00010000 0001 01 33 /run/other.sock
      0000000000000000: 00000002 00000000 00000000 0002 01 44
      """
    #expect(Listener.parseUnix(Array(table.utf8), path: "/run/a b.sock") == [11])
  }

  // MARK: A client

  private func connection(to address: SharedAddress) -> Int32? {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var limit = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = UInt16(address.port).bigEndian
    name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let result = withUnsafePointer(to: &name) { typed in
      typed.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result == 0 { return fd }
    close(fd)
    return nil
  }

  private func ask(_ address: SharedAddress) throws -> String {
    let fd = try #require(connection(to: address))
    defer { close(fd) }
    return answer(on: fd)
  }

  private func answer(on fd: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = recv(fd, &bytes, bytes.count, 0)
    return String(decoding: bytes[..<max(count, 0)], as: UTF8.self)
  }
}
