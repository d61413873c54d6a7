import AsyncHTTPClient
public import Logging
public import Ports
public import SegueModel
public import ServiceLifecycle
import TransportSecurity

/// How things are with one certificate.
public struct CertificateStatus: Hashable, Sendable {
  public var group: HostGroup
  /// Of the certificate at hand; nil if there is none yet.
  public var validity: Validity?
  /// When it will be asked for next; in the past if that is under way.
  public var next: Instant
  /// How often in a row it could not be had.
  public var failures: Int
  /// Why, the last time.
  public var problem: PortError?
}

/// Keeps certificates for the hosts that are wanted, fresh and in the folder that the proxy takes
/// them from.
///
/// A host whose certificate cannot be had harms only itself: the others go on, its old certificate
/// stays in use as long as there is one, and it is asked for again later and later (``BackOff``).
public actor CertificateIssuer: Service {
  private var settings: IssuingSettings
  private let folder: CertificateFolder
  private let time: any TimeSource
  private let logger: Logger
  private var entries: [String: Entry] = [:]
  /// Who failed in an earlier process.
  private var resumed: [String: PastFailure] = [:]
  private let wake = Wake()

  private struct Entry {
    var group: HostGroup
    var held: CertificateFolder.Held?
    var backOff: BackOff
    var problem: PortError?

    init(_ group: HostGroup, after failure: PastFailure?) {
      self.group = group
      backOff = failure?.backOff ?? BackOff()
      problem = failure?.problem
    }
  }

  /// Files may be changed by others, so they are looked at this often at least.
  private static let longestSleep = Milliseconds.minutes(60)

  public init(_ settings: IssuingSettings, time: any TimeSource, logger: Logger) {
    self.settings = settings
    self.time = time
    self.logger = logger
    folder = CertificateFolder(stateDirectory: settings.stateDirectory)
  }

  /// Says for which hosts certificates are wanted from now on; of two groups with the same primary
  /// host the later one counts. Those that are not wanted any more stay until they expire.
  public func want(_ groups: [HostGroup]) {
    var wanted: [String: Entry] = [:]
    for group in groups {
      let known = entries[group.primary]
      wanted[group.primary] =
        known?.group == group ? known : Entry(group, after: resumed[group.description])
    }
    entries = wanted
    wake.signal()
  }

  /// Says whom to ask from now on. What is under way goes on as it was, and what could not be had is
  /// asked for at once. The state directory stays that of the beginning.
  public func change(_ settings: IssuingSettings) {
    guard settings != self.settings else { return }
    self.settings = settings
    retry()
  }

  /// Asks at once for what could not be had before, as when somebody has put right what was wrong.
  public func retry() {
    for host in entries.keys { entries[host]?.backOff = BackOff() }
    wake.signal()
  }

  /// In the order of the primary hosts.
  public var status: [CertificateStatus] {
    entries.values.sorted { $0.group.primary < $1.group.primary }.map { entry in
      CertificateStatus(
        group: entry.group, validity: entry.held?.validity, next: due(entry),
        failures: entry.backOff.failures, problem: entry.problem)
    }
  }

  public func run() async throws {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.keepFresh() }
      // It returns, or throws because this task is cancelled; either way it is over.
      try? await gracefulShutdown()
      group.cancelAll()
    }
  }

  // MARK: The loop

  private func keepFresh() async {
    let folder = folder
    do throws(PortError) {
      try await Blocking.run { () throws(PortError) in try folder.clearAnswers() }
    } catch {
      // Whoever asks for a certificate meets the same fault and tells it.
      logger.error("answers cannot be made", metadata: ["reason": "\(error)"])
    }
    await resume()
    while !Task.isCancelled {
      wake.clear()
      await look()
      let now = time.now()
      let dueNow = entries.values.filter { due($0) <= now }.map(\.group)
      if dueNow.isEmpty {
        let next = entries.values.map { due($0) }.min() ?? now + Self.longestSleep
        await wake.wait(for: min(max(next - now, Milliseconds(1)), Self.longestSleep), by: time)
      } else {
        await ask(for: dueNow.sorted { $0.primary < $1.primary })
      }
    }
  }

  private func resume() async {
    let (folder, now) = (folder, time.now())
    resumed = (try? await Blocking.run { () throws(PortError) in folder.failures(now: now) }) ?? [:]
    for (primary, entry) in entries where entry.backOff == BackOff() {
      entries[primary] = Entry(entry.group, after: resumed[entry.group.description])
    }
  }

  /// Writes down who failed.
  private func keepFailures() async {
    let failed = entries.values.filter { $0.backOff.failures > 0 }
      .map { ($0.group.description, PastFailure(backOff: $0.backOff, problem: $0.problem)) }
    let folder = folder
    do throws(PortError) {
      try await Blocking.run { () throws(PortError) in
        try folder.keep(Dictionary(failed) { $1 })
      }
    } catch {
      logger.error("failures are not kept", metadata: ["reason": "\(error)"])
    }
  }

  /// Reads what is at hand.
  private func look() async {
    let groups = entries.values.map(\.group)
    let (folder, now) = (folder, time.now())
    let held = try? await Blocking.run { () throws(PortError) in
      folder.prune(wanted: Set(groups.map(\.primary)), now: now.milliseconds / 1_000)
      return groups.map { ($0, folder.held($0)) }
    }
    for (group, held) in held ?? [] where entries[group.primary]?.group == group {
      entries[group.primary]?.held = held
    }
  }

  private func due(_ entry: Entry) -> Instant {
    let wanted: Instant
    if let held = entry.held, held.authority == settings.directory {
      wanted = RenewalSchedule.renewal(
        of: held.validity,
        jitter: RenewalSchedule.jitter(fingerprint: held.summary.fingerprint))
    } else {
      wanted = Instant(milliseconds: 0)
    }
    return max(wanted, entry.backOff.next ?? wanted)
  }

  // MARK: Asking

  /// One round: one account, and an order for each group.
  private func ask(for groups: [HostGroup]) async {
    let (settings, folder, time) = (settings, folder, time)
    do throws(PortError) {
      let key = try await Blocking.run { () throws(PortError) in try folder.accountKey() }
      try await ACMEClient.withConnections(settings) { http throws(PortError) in
        let client = try await ACMEClient.open(settings, key: key, http: http, time: time)
        let check = ServingCheck(settings: settings, http: http, time: time)
        await self.carryOut(
          groups.map {
            CertificateOrder(
              group: $0, settings: settings, client: client, check: check, folder: folder)
          })
      }
    } catch {
      for group in groups { failed(group, error) }
    }
    await keepFailures()
  }

  private func carryOut(_ orders: [CertificateOrder]) async {
    await withTaskGroup(of: (HostGroup, PortError?).self) { tasks in
      var rest = orders[...]
      func next() {
        guard !Task.isCancelled, let order = rest.popFirst() else { return }
        tasks.addTask {
          do throws(PortError) {
            try await order.carryOut()
            return (order.group, nil)
          } catch {
            return (order.group, error)
          }
        }
      }
      for _ in 0..<max(settings.limits.concurrency, 1) { next() }
      for await (group, problem) in tasks {
        if let problem { failed(group, problem) } else { await succeeded(group) }
        next()
      }
    }
  }

  private func succeeded(_ group: HostGroup) async {
    guard entries[group.primary]?.group == group else { return }
    entries[group.primary]?.backOff.succeeded(at: time.now())
    entries[group.primary]?.problem = nil
    logger.info("a certificate was issued", metadata: ["hosts": "\(group)"])
    await look()
  }

  private func failed(_ group: HostGroup, _ problem: PortError) {
    // What was broken off because we stop says nothing about the host.
    guard !Task.isCancelled, entries[group.primary]?.group == group else { return }
    entries[group.primary]?.problem = problem
    entries[group.primary]?.backOff.failed(
      problem.retry, at: time.now(), jitter: Permille(Int.random(in: 0...1_000)))
    logger.error(
      "a certificate could not be had",
      metadata: ["hosts": "\(group)", "reason": "\(problem)"])
  }
}

extension CertificateFolder.Held {
  var validity: Validity {
    Validity(
      begin: Instant(milliseconds: Self.milliseconds(summary.notBefore)),
      end: Instant(milliseconds: Self.milliseconds(summary.notAfter)))
  }

  /// A certificate may claim any year.
  private static func milliseconds(_ seconds: Int64) -> Int64 {
    min(max(seconds, 0), 1 << 40) * 1_000
  }
}
