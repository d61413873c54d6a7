import Foundation
import Glibc
import Logging
import Ports
import SegueModel

extension ProcessPlatform {
  /// The instance as it runs now, whether or not its process was written down; blocks.
  func findRunning(_ instance: InstanceID) throws(PortError) -> RunningInstance? {
    let record = store.record(of: instance)
    if let running = record?.running, ProcessTable.isRunning(running.process) {
      ports.note(running.endpoint.port)
      return running
    }
    // A record comes before its process, so without one there is nothing to look for; and a record
    // with a process that has ended is no riddle.
    guard let record, record.process == nil else { return nil }
    return try searchUnrecorded(except: []).first { $0.instance == instance }
  }

  /// Every instance that runs, sorted by id; blocks.
  func observeNow() throws(PortError) -> [RunningInstance] {
    var found: [RunningInstance] = []
    for instance in store.instances() {
      guard let running = store.record(of: instance)?.running,
        ProcessTable.isRunning(running.process)
      else { continue }
      found.append(running)
    }
    found += try searchUnrecorded(except: Set(found.map(\.process.pid)))
    for running in found { ports.note(running.endpoint.port) }
    return found.sorted { $0.instance < $1.instance }
  }

  /// Instances whose process was started but never written down, because Segue died in between: each
  /// is the leader of a session, and its environment or its log says what it is. They are written
  /// down now.
  private func searchUnrecorded(except known: Set<Int32>) throws(PortError) -> [RunningInstance] {
    var found: [RunningInstance] = []
    let unfinished = store.instances().compactMap { instance -> InstanceRecord? in
      store.record(of: instance).flatMap { $0.process == nil ? $0 : nil }
    }
    // The oldest first: a daemon that left an instance's session leads one too, but came later.
    let leaders = ProcessTable.all().filter { process in
      process.session == process.pid && !process.hasEnded && !known.contains(process.pid)
    }
    .sorted { ($0.startTime, $0.pid) < ($1.startTime, $1.pid) }
    for process in leaders {
      guard var record = identify(process, among: unfinished),
        !found.contains(where: { $0.instance == record.start.instance })
      else { continue }
      record.process = process.identity
      try store.save(record)
      guard let running = record.running else { continue }
      logger.notice(
        "instance without a record adopted",
        metadata: ["instance": "\(running.instance)", "pid": "\(process.pid)"])
      found.append(running)
    }
    return found
  }

  private func identify(
    _ process: ProcessStatus, among unfinished: [InstanceRecord]
  ) -> InstanceRecord? {
    let environment = ProcessTable.environment(of: process.pid) ?? [:]
    if environment[InstanceMarks.homeVariable] == store.homeID,
      let id = environment[InstanceMarks.instanceVariable].map({ InstanceID($0) })
    {
      return unfinished.first { $0.start.instance == id }
        ?? record(of: id, environment: environment, pid: process.pid)
    }
    return unfinished.first { record in
      guard let marks = try? marks(of: record.start.instance, leader: nil) else { return false }
      return marks.writesOutput(process.pid)
    }
  }

  /// What can be told of an instance from its process alone; `nil` when that is too little, or when it
  /// is but a daemon that left the session of an instance with a record.
  private func record(
    of instance: InstanceID, environment: [String: String], pid: Int32
  ) -> InstanceRecord? {
    guard (try? store.directory(of: instance)) != nil, store.record(of: instance) == nil,
      let endpoint = endpoint(of: instance, environment),
      let release = environment["SEGUE_RELEASE"],
      let service = environment["SEGUE_SERVICE"],
      let place = environment["SEGUE_ENVIRONMENT"]
    else { return nil }
    let arguments = BlockingFile.read("/proc/\(pid)/cmdline", limit: 65_536) ?? []
    let start = InstanceStart(
      instance: instance, key: ServiceKey(environment: .init(place), service: .init(service)),
      release: ReleaseID(release), directory: BlockingFile.link("/proc/\(pid)/cwd") ?? "/",
      run: arguments.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        .joined(separator: " "))
    return InstanceRecord(start: start, endpoint: endpoint, at: time.now())
  }

  private func endpoint(of instance: InstanceID, _ environment: [String: String]) -> Endpoint? {
    if let socket = environment["SOCKET"], socket == (try? store.socketPath(of: instance)) {
      return Endpoint(instance: instance, socket: socket)
    }
    guard let port = environment["PORT"].flatMap({ Int($0) }), (1...65_535).contains(port)
    else { return nil }
    return Endpoint(instance: instance, port: port)
  }
}
