import ControlProtocol
import Foundation
import SegueModel
import Synchronization
import Testing

@testable import Commands

@Suite struct OptionTests {
  @Test(arguments: [
    ("127.0.0.1:8080", "127.0.0.1", 8_080), ("8081", "127.0.0.1", 8_081),
    ("0.0.0.0:80", "0.0.0.0", 80), ("[::1]:9", "::1", 9), ("localhost:0", "localhost", 0),
  ])
  func addresses(text: String, host: String, port: Int) throws {
    let address = try #require(ListenAddress(parsing: text))
    #expect(address == ListenAddress(host: host, port: port))
    #expect(ListenAddress(parsing: "\(address)") == address)
  }

  @Test(arguments: [
    "", ":", ":80", "host", "host:", "host:x", "host:-1", "host:65536", "::1:80", "[]:80", "a/b:1",
    "host:+1",
  ])
  func noAddresses(text: String) { #expect(ListenAddress(parsing: text) == nil) }

  @Test(arguments: [("500ms", Int64(500)), ("2s", 2_000), ("1m", 60_000), ("0s", 0)])
  func times(text: String, count: Int64) throws {
    #expect(try Parse.time(text).count == count)
  }

  @Test(arguments: ["", "2", "s", "-1s", "1h", "1.5s", "99999999m"])
  func noTimes(text: String) { #expect(throws: (any Error).self) { try Parse.time(text) } }

  @Test func serveDefaultsStayOnThisMachine() async throws {
    try await withDirectory { directory in
      let composition = RecordingComposition()
      let outcome = try await segue(
        "serve", "--state", directory + "/state", "--source", "../shop/", composition: composition,
        directory: "/srv/here")
      #expect(outcome.status == .success)
      #expect(
        composition.served.withLock { $0 } == [
          ServeOptions(
            state: directory + "/state", source: "/srv/shop",
            listen: ListenAddress(host: "127.0.0.1", port: 8_080), pollInterval: .seconds(2),
            parallelSteps: nil, embeddedRemote: true)
        ])
      let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/state")
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o700)
    }
  }

  /// What `up` gives to the process it starts is what that process is told.
  @Test func theDaemonsArgumentsSayTheSame() async throws {
    try await withDirectory { directory in
      let options = ServeOptions(
        state: directory, source: "git@example.com:shop.git",
        listen: ListenAddress(host: "::1", port: 81), pollInterval: Milliseconds(1_500),
        parallelSteps: 3, embeddedRemote: false, metrics: "unix:/run/metrics.sock",
        webhooks: ListenAddress(port: 8_090))
      let composition = RecordingComposition()
      let context = Context(
        composition: composition, environment: [:], directory: "/", output: 1, errors: 2)
      #expect(await SegueCommand.run(["serve"] + options.arguments, in: context) == .success)
      #expect(composition.served.withLock { $0 } == [options])
    }
  }

  @Test func theProxyIsTold() async throws {
    let composition = RecordingComposition()
    let outcome = try await segue(
      "proxy", "--listen", "9000", "--threads", "2", "--metrics", "9464",
      composition: composition)
    #expect(outcome.status == .success)
    #expect(
      composition.proxied.withLock { $0 } == [
        ProxyOptions(
          listen: ListenAddress(port: 9_000), controlSocket: "/nowhere/state/proxy.sock",
          state: "/nowhere/state", threads: 2, metrics: "127.0.0.1:9464")
      ])
  }
}

@Suite struct StateDirectoryTests {
  private func resolve(
    _ explicit: String?, _ environment: [String: String], in directory: String
  ) throws -> String {
    try StateDirectory.resolve(
      explicit: explicit, environment: environment, directory: directory)
  }

  @Test func whatIsSaidComesFirst() throws {
    let environment = ["SEGUE_STATE": "/b", "XDG_STATE_HOME": "/c"]
    #expect(try resolve("/a/", environment, in: "/d") == "/a")
    #expect(try resolve("a/../x", environment, in: "/d") == "/d/x")
    #expect(try resolve(nil, environment, in: "/d") == "/b")
  }

  @Test func aRepositoryHasOneOfItsOwnFromEveryFolderInIt() async throws {
    try await withDirectory { directory in
      let folder = directory + "/shop/src/deep"
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      try FileManager.default.createDirectory(
        atPath: directory + "/shop/.git", withIntermediateDirectories: true)
      let state = try resolve(nil, ["XDG_STATE_HOME": "/c"], in: folder)
      #expect(state.wholeMatch(of: #//c/segue/shop-[0-9a-f]{8}/#) != nil)
      #expect(try resolve(nil, ["XDG_STATE_HOME": "/c"], in: directory + "/shop") == state)
      try FileManager.default.createSymbolicLink(
        atPath: directory + "/link", withDestinationPath: directory + "/shop")
      #expect(try resolve(nil, ["XDG_STATE_HOME": "/c"], in: directory + "/link") == state)
      // A relative XDG_STATE_HOME is to be ignored.
      let home = try resolve(nil, ["XDG_STATE_HOME": "c", "HOME": "/srv/repo"], in: folder)
      #expect(home.hasPrefix("/srv/repo/.local/state/segue/shop-"))
      #expect(throws: ControlError.self) { try resolve(nil, [:], in: directory) }
    }
  }

  @Test func foldersOfOneNameAreToldApart() {
    let names = (0..<1_000).map { StateDirectory.name(of: "/home/\($0)/shop") }
    #expect(Set(names).count == names.count)
    #expect(StateDirectory.name(of: "/srv/repo/shop") == StateDirectory.name(of: "/srv/repo/shop"))
  }
}
