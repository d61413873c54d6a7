import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import ProcessPlatform

/// A Python program that listens on `$PORT`, after `preamble`.
func pythonServer(_ preamble: String = "") -> String {
  """
  import os, socket, time
  \(preamble)
  server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
  print("listening", flush=True)
  while True:
      connection, _ = server.accept()
      connection.close()
  """
}

@Suite struct StartTests {
  @Test func servesOnThePortItWasGiven() async throws {
    try await Fixture.with { fixture in
      try fixture.write(pythonServer(), to: "server.py")
      let instance = try await fixture.start("python3 server.py")
      try await fixture.waitForLine("listening", of: instance)
      #expect(canConnect(to: instance.endpoint.port))
      let report = try await fixture.platform.stop(instance, deadline: .seconds(60))
      #expect(!report.killed)
      #expect(!canConnect(to: instance.endpoint.port))
      #expect(!isAlive(instance.process.pid))
    }
  }

  @Test func inheritsNothingOfSegue() async throws {
    setenv("SEGUE_TEST_MARKER", "must not be seen", 1)
    // Not close-on-exec, on purpose.
    let leak = open("/dev/null", O_RDONLY)
    let high = fcntl(leak, F_DUPFD, 200)
    defer {
      close(leak)
      close(high)
    }
    try await Fixture.with { fixture in
      let instance = try await fixture.start(
        fixture.request("sleep 600", environment: ["COLOUR": "blue", "PORT": "1", "HOST": "db"]))
      let pid = instance.process.pid
      try await eventually("it runs sleep") {
        ProcessTable.status(of: pid)?.command == "sleep" ? () : nil
      }
      let environment = try #require(ProcessTable.environment(of: pid))
      #expect(
        environment.keys.filter { $0 != "PWD" }.sorted() == [
          "COLOUR", "HOME", "HOST", "LANG", "PATH", "PORT", "SEGUE_ENVIRONMENT", "SEGUE_HOME_ID",
          "SEGUE_INSTANCE", "SEGUE_RELEASE", "SEGUE_SERVICE", "TMPDIR",
        ])
      #expect(environment["PORT"] == "\(instance.endpoint.port)")
      #expect(environment["HOST"] == "db")
      #expect(environment["SEGUE_SERVICE"] == "web")
      #expect(BlockingFile.names(in: "/proc/\(pid)/fd").sorted() == ["0", "1", "2"])
      #expect(ProcessTable.descriptor("0", of: pid) == "/dev/null")
      #expect(BlockingFile.link("/proc/\(pid)/cwd") == fixture.release)
      #expect(ProcessTable.status(of: pid)?.session == pid)
      // Ignored or blocked signals would be inherited through exec.
      let status = try #require(BlockingFile.read("/proc/\(pid)/status", limit: 65_536))
      let text = String(decoding: status, as: UTF8.self)
      #expect(text.contains("SigBlk:\t0000000000000000"))
      #expect(text.contains("SigIgn:\t0000000000000000"))
    }
  }

  @Test func startingTwiceStartsOnce() async throws {
    try await Fixture.with { fixture in
      let request = fixture.request("sleep 600")
      async let first = fixture.start(request)
      async let second = fixture.start(request)
      let (one, two) = try await (first, second)
      #expect(one == two)
      #expect(try await fixture.successor().start(request) == one)
      #expect(try await fixture.platform.observe() == [one])
    }
  }

  @Test func portsAreNotGivenTwice() throws {
    let book = PortBook()
    var ports: Set<Int> = []
    for _ in 0..<200 { #expect(ports.insert(try book.reserve()).inserted) }
  }

  @Test func secretsAreNeverWrittenDown() async throws {
    try await Fixture.with(secrets: ["TOKEN": "hush-5f2b"]) { fixture in
      let instance = try await fixture.start(fixture.request("sleep 600", secrets: ["TOKEN"]))
      #expect(ProcessTable.environment(of: instance.process.pid)?["TOKEN"] == "hush-5f2b")
      let folder = fixture.directory + "/state/instances/\(instance.instance)"
      for file in BlockingFile.names(in: folder) {
        let bytes = try #require(BlockingFile.read(folder + "/" + file, limit: 1 << 20))
        #expect(!String(decoding: bytes, as: UTF8.self).contains("hush-5f2b"))
      }
    }
  }

  @Test func limitsAreApplied() async throws {
    try await Fixture.with { fixture in
      let limits = LimitSpec(memory: 256 << 20, files: 64, processes: 5_000)
      let instance = try await fixture.start(fixture.request("sleep 600", limits: limits))
      let bytes = BlockingFile.read("/proc/\(instance.process.pid)/limits", limit: 65_536)
      let rows = String(decoding: try #require(bytes), as: UTF8.self).split(separator: "\n")
        .map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
      #expect(rows.contains { $0.hasPrefix("Max open files 64 64") })
      if fixture.platform.capabilities().memory == .resourceLimit {
        #expect(rows.contains { $0.hasPrefix("Max data size 268435456 268435456") })
        #expect(rows.contains { $0.hasPrefix("Max processes 5000 5000") })
      }
    }
  }

  @Test func saysWhyItCannotStart() async throws {
    try await Fixture.with { fixture in
      var request = fixture.request("sleep 600")
      request.directory = fixture.directory + "/gone"
      let missing = await fixture.refusal(of: request)
      #expect(missing?.description.contains("/gone does not exist") == true)
      let secret = await fixture.refusal(of: fixture.request("sleep 600", secrets: ["ABSENT"]))
      #expect(secret?.fault == .user)
      #expect(secret?.description.contains("the secret ABSENT has no value") == true)
      let name = await fixture.refusal(of: fixture.request("true", environment: ["A=B": "c"]))
      #expect(name?.fault == .user)
      var escape = fixture.request("true")
      escape.instance = "../web"
      #expect(await fixture.refusal(of: escape)?.fault == .segue)
    }
  }

  @Test(arguments: [
    ("./web --port $PORT", "exec ./web --port $PORT", true),
    ("  ./web  ", "exec ./web", true),
    ("./web > log 2>&1", "exec ./web > log 2>&1", true),
    ("./web --name 'a; b' --other \"c & d\"", "exec ./web --name 'a; b' --other \"c & d\"", true),
    ("./web ${FLAGS}", "exec ./web ${FLAGS}", true),
    ("A=1 B=2 ./web", "exec env A=1 B=2 ./web", true),
    ("exec ./web", "exec ./web", true),
    ("A='x y' ./web", "A='x y' ./web", false),
    ("A=1 cd x", "A=1 cd x", false),
    ("cd build && ./web", "cd build && ./web", false),
    ("./migrate; ./web", "./migrate; ./web", false),
    ("./web | tee log", "./web | tee log", false),
    ("./web &", "./web &", false),
    ("while ./web; do :; done", "while ./web; do :; done", false),
    ("ulimit -n 10", "ulimit -n 10", false),
    ("./web --host $(hostname)", "./web --host $(hostname)", false),
    ("./web 'unfinished", "./web 'unfinished", false),
  ])
  func commandsTakeTheShellsPlaceWhenTheyCan(
    run: String, script: String, replacesShell: Bool
  ) {
    let command = ShellCommand(run)
    #expect(command.script == script)
    #expect(command.replacesShell == replacesShell)
  }
}
