import Foundation
import Glibc
import Ports
import SegueModel

/// What is written down of an instance: everything but the values of its secrets.
struct InstanceRecord: Codable, Hashable, Sendable {
  var start: InstanceStart
  var port: Int
  /// When it was started, for keeping the most recent ones.
  var at: Instant
  /// `nil` between the intent and the act. A crash there leaves a process that only its environment
  /// or its open log tells of.
  var process: ProcessIdentity?

  /// As it runs; `nil` when no process is known.
  var running: RunningInstance? {
    process.map { process in
      RunningInstance(
        instance: start.instance, key: start.key, release: start.release,
        endpoint: Endpoint(instance: start.instance, port: port), process: process)
    }
  }
}

/// `STATE/instances/ID/`: `instance.json` and the instance's output.
struct InstanceStore: Sendable {
  let root: String
  /// Tells this state directory's instances from those of another Segue on the machine.
  let homeID: String

  /// - Throws: when the directory can neither be made nor written.
  init(stateDirectory: String) throws(PortError) {
    root = stateDirectory + "/instances"
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
