import Foundation
import Glibc

/// A certificate authority of a test's own: Debian's `pebble`, with its ports from the kernel and its
/// own name server, so that it validates hosts for real.
final class Pebble: Sendable {
  /// Where the validations go.
  struct Ports {
    var plain = 1
    var secure = 1
  }

  let directory: String
  /// What its own server is trusted by.
  let rootFile: String
  private let management: Int
  private let process: ProcessID
  private let names: NameServer

  private struct ProcessID: Sendable { let number: pid_t }

  /// - Parameters:
  ///   - folder: for its files; removed by the caller.
  ///   - environment: `PEBBLE_…`.
  ///   - externalKeys: accounts elsewhere that are asked for, base64url keys by their identifiers.
  static func start(
    in folder: String, validating ports: Ports, environment: [String: String] = [:],
    externalKeys: [String: String] = [:]
  ) async throws -> Pebble {
    let names = try await NameServer.start()
    do {
      return try await start(folder, ports, environment, externalKeys, names)
    } catch {
      await names.stop()
      throw error
    }
  }

  private static func start(
    _ folder: String, _ ports: Ports, _ environment: [String: String],
    _ externalKeys: [String: String], _ names: NameServer
  ) async throws -> Pebble {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let (certificate, key) = try serverCertificate(in: folder)
    let (port, management) = (try FreePort.take(), try FreePort.take())
    var settings: [String: Any] = [
      "listenAddress": "127.0.0.1:\(port)", "managementListenAddress": "127.0.0.1:\(management)",
      "certificate": certificate, "privateKey": key, "httpPort": ports.plain,
      "tlsPort": ports.secure, "ocspResponderURL": "",
      "externalAccountBindingRequired": !externalKeys.isEmpty,
    ]
    if !externalKeys.isEmpty { settings["externalAccountMACKeys"] = externalKeys }
    let file = folder + "/pebble.json"
    try JSONSerialization.data(withJSONObject: ["pebble": settings])
      .write(to: URL(filePath: file))
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["pebble", "-config", file, "-dnsserver", "127.0.0.1:\(names.port)"]
    // It waits up to fifteen seconds before each validation if it is not told otherwise.
    process.environment = ProcessInfo.processInfo.environment
      .merging(["PEBBLE_VA_NOSLEEP": "1"]) { $1 }.merging(environment) { $1 }
    let log = folder + "/pebble.log"
    guard FileManager.default.createFile(atPath: log, contents: nil),
      let output = FileHandle(forWritingAtPath: log)
    else { throw Failure("no file for pebble's output") }
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let pebble = Pebble(port, management, certificate, process.processIdentifier, names)
    do {
      try await until("pebble listens; its output is in \(log)") {
        FreePort.isTaken(port) && FreePort.isTaken(management)
      }
    } catch {
      await pebble.stop()
      throw Failure("\(error): \((try? String(contentsOfFile: log, encoding: .utf8)) ?? "")")
    }
    return pebble
  }

  /// What a server on this machine is trusted by, and its key.
  static func serverCertificate(in folder: String) throws -> (certificate: String, key: String) {
    let (certificate, key) = (folder + "/server.pem", folder + "/server.key")
    _ = try Command.run([
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
      "-days", "2", "-subj", "/CN=pebble", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-keyout", key, "-out", certificate,
    ])
    return (certificate, key)
  }

  private init(
    _ port: Int, _ management: Int, _ rootFile: String, _ process: pid_t, _ names: NameServer
  ) {
    directory = "https://localhost:\(port)/dir"
    self.rootFile = rootFile
    self.management = management
    self.process = ProcessID(number: process)
    self.names = names
  }

  /// The root of what it issues, in PEM.
  func issuerRoot() throws -> String {
    try Command.run([
      "curl", "-sS", "--max-time", "30", "--cacert", rootFile,
      "https://localhost:\(management)/roots/0",
    ])
  }

  func stop() async {
    kill(process.number, SIGKILL)
    try? await until("pebble has ended") { kill(self.process.number, 0) != 0 }
    await names.stop()
  }
}

/// Ports that nobody listens on a moment ago.
enum FreePort {
  static func take() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = local(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw Failure("no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }

  /// Whether somebody accepts connections there.
  static func isTaken(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = local(UInt16(port))
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  private static func local(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return address
  }
}
