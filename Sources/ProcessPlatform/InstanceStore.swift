import Foundation
import Glibc
import Ports
import SegueModel

/// What is written down of an instance: everything but the values of its secrets.
struct InstanceRecord: Codable, Hashable, Sendable {
  var start: InstanceStart
  var port: Int
  /// The path of the Unix socket that it listens on instead.
  var socket: String?
  /// When it was started, for keeping the most recent ones.
  var at: Instant
  /// `nil` between the intent and the act. A crash there leaves a process that only its environment
  /// or its open log tells of.
  var process: ProcessIdentity?

  init(start: InstanceStart, endpoint: Endpoint, at: Instant) {
    self.start = start
    port = endpoint.port
    socket = endpoint.socket
    self.at = at
  }

  /// Where it listens.
  var endpoint: Endpoint {
    socket.map { Endpoint(instance: start.instance, socket: $0) }
      ?? Endpoint(instance: start.instance, port: port)
  }

  /// As it runs; `nil` when no process is known.
  var running: RunningInstance? {
    process.map { process in
      RunningInstance(
        instance: start.instance, key: start.key, release: start.release,
        endpoint: endpoint, process: process)
    }
  }
}

/// `STATE/instances/ID/`: `instance.json` and the instance's output. `STATE/sockets/ID.sock`: the Unix
/// socket of an instance that listens on one.
struct InstanceStore: Sendable {
  let root: String
  let sockets: String
  /// Tells this state directory's instances from those of another Segue on the machine.
  let homeID: String

  /// - Throws: when the directory can neither be made nor written.
  init(stateDirectory: String) throws(PortError) {
    root = stateDirectory + "/instances"
    sockets = stateDirectory + "/sockets"
    try BlockingFile.makeDirectory(root)
    let file = stateDirectory + "/home-id"
    if let bytes = BlockingFile.read(file, limit: 64), bytes.count == 16 {
      homeID = String(decoding: bytes, as: UTF8.self)
    } else {
      let digits = String(UInt64.random(in: 0 ... .max), radix: 16)
      homeID = String(repeating: "0", count: 16 - digits.count) + digits
      try BlockingFile.replace(file, with: Array(homeID.utf8))
    }
  }

  /// The directory of an instance, whose id is checked because it becomes a file name.
  func directory(of instance: InstanceID) throws(PortError) -> String {
    try StoredID.check(instance.rawValue, of: "an instance")
    return root + "/" + instance.rawValue
  }

  func outputPath(of instance: InstanceID) throws(PortError) -> String {
    try directory(of: instance) + "/output.log"
  }

  /// Where an instance makes its Unix socket: in a directory that only its owner may look into.
  ///
  /// - Throws: when the path does not fit into a socket's address.
  func socketPath(of instance: InstanceID) throws(PortError) -> String {
    try socketPath("\(instance).sock", of: instance)
  }

  /// Where Segue listens for an instance's word that it is ready.
  ///
  /// - Throws: when the path does not fit into a socket's address.
  func noticePath(of instance: InstanceID) throws(PortError) -> String {
    try socketPath("\(instance).ready", of: instance)
  }

  private func socketPath(
    _ name: String, of instance: InstanceID
  ) throws(PortError) -> String {
    try StoredID.check(instance.rawValue, of: "an instance")
    let path = sockets + "/" + name
    guard path.utf8.count <= Endpoint.socketPathLimit else {
      throw PortError(
        "the path of a socket is longer than \(Endpoint.socketPathLimit) bytes: \(path)",
        fault: .user, retry: .never, nextStep: "Choose a shorter state directory (`--state`).")
    }
    try BlockingFile.makeDirectory(sockets)
    return path
  }

  func hasNotified(_ instance: InstanceID) -> Bool {
    guard let directory = try? directory(of: instance) else { return false }
    return BlockingFile.read(directory + "/notified", limit: 1) != nil
  }

  func noteNotified(_ instance: InstanceID) throws(PortError) {
    try BlockingFile.replace(try directory(of: instance) + "/notified", with: [])
  }

  func save(_ record: InstanceRecord) throws(PortError) {
    let directory = try directory(of: record.start.instance)
    try BlockingFile.makeDirectory(directory)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      let bytes = [UInt8](try encoder.encode(record))
      try BlockingFile.replace(directory + "/instance.json", with: bytes)
    } catch let error as PortError {
      throw error
    } catch {
      throw PortError(
        "cannot write down \(record.start.instance)", fault: .segue, retry: .never,
        causes: ["\(error)"])
    }
  }

  /// `nil` when there is none, or none that can be read: then the process's environment must tell.
  func record(of instance: InstanceID) -> InstanceRecord? {
    guard let directory = try? directory(of: instance),
      let bytes = BlockingFile.read(directory + "/instance.json", limit: 1 << 20)
    else { return nil }
    return try? JSONDecoder().decode(InstanceRecord.self, from: Data(bytes))
  }

  /// Every instance that has a directory, sorted.
  func instances() -> [InstanceID] {
    BlockingFile.names(in: root).map { InstanceID($0) }.sorted()
  }

  func remove(_ instance: InstanceID) throws(PortError) {
    let path = try directory(of: instance)
    guard BlockingFile.isDirectory(path) else { return }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw PortError(
        "cannot remove \(path)", fault: .platform, retry: .safe,
        causes: [error.localizedDescription])
    }
  }
}
