import Logging
import Ports
import RolloutEngine
import SegueModel

extension ServiceController {
  func perform(_ job: Job) async {
    switch job {
    case .effect(let effect, let outbox):
      await carryOut(effect, outbox: outbox)
    case .supervise(let instance):
      await supervise(instance)
    }
  }

  func carryOut(_ effect: Effect, outbox: String) async {
    switch effect {
    case .startInstance(let instance, let release):
      await start(instance, of: release, outbox: outbox)
    case .applyTable(let table):
      await applyTable(table, outbox: outbox)
    case .awaitDrain(let instance, let until):
      await awaitDrain(instance, until: until, outbox: outbox)
    case .stopInstance(let instance, let deadline):
      await stop(instance, deadline: deadline, outbox: outbox)
    case .migrate(let release, let step, let attempt):
      await migrate(release, step, attempt: attempt, outbox: outbox)
    case .issueReceipt(let rollout):
      await issueReceipt(rollout, outbox: outbox)
    }
  }

  /// Records a result; keeps trying while the journal is busy or the disk is full, because the
  /// result stays true.
  func record(_ command: RolloutCommand, completing outbox: String?) async {
    do {
      _ = try await world.persist("a result") { () async throws(PortError) in
        try await submitReport(command, completing: outbox)
      }
    } catch {
      logger.critical("a result cannot be recorded", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Start

  private func start(_ id: InstanceID, of release: ReleaseID, outbox: String) async {
    guard state.instances[id]?.isKept == true else {
      return await record(.tick, completing: outbox)
    }
    do throws(PortError) {
      let (build, spec) = try build(of: release)
      let found = try await world.platform.start(
        InstanceStart(
          instance: id, key: key, release: release, directory: build.directory, run: spec.run,
          environment: spec.environment, secrets: spec.secrets, limits: spec.limits,
          listen: spec.listen, notifies: spec.health.notify))
      running[id] = found
      await record(.reportStarted(id, found.endpoint), completing: outbox)
      jobsContinuation.yield(.supervise(found))
    } catch {
      await record(.reportDied(id, reason: "could not be started: \(error)"), completing: outbox)
    }
  }

  /// The release's files, and the service as it runs here.
  private func build(of release: ReleaseID) throws(PortError) -> (Release, ServiceSpec) {
    guard let build = catalogue.record(of: release)?.release,
      let spec = build.spec.service(key.service, in: key.environment)
    else { throw PortError("release \(release) is unknown", fault: .segue, retry: .never) }
    return (build, spec)
  }

  // MARK: Migrations

  private func migrate(
    _ release: ReleaseID, _ step: MigrationStep, attempt: Int, outbox: String
  ) async {
    var pause = Milliseconds(20)
    while !Task.isCancelled {
      guard let running = state.migrations.running, running.release == release,
        running.step == step
      else { return await record(.tick, completing: outbox) }
      do throws(PortError) {
        let report = try await world.migrations.run(run(release, step, attempt: attempt))
        return await record(
          .reportMigrated(
            release, step, report.outcome, output: report.output, attempt: attempt),
          completing: outbox)
      } catch {
        guard !Task.isCancelled else { return }
        if error.retry == .never {
          return await record(
            .reportMigrated(
              release, step, .failed("could not be run: \(error)"), output: [], attempt: attempt),
            completing: outbox)
        }
        logger.error("a migration cannot be followed", metadata: ["error": "\(error)"])
      }
      try? await world.time.sleep(for: pause)
      pause = min(pause * 2, .seconds(5))
    }
  }

  private func run(
    _ release: ReleaseID, _ step: MigrationStep, attempt: Int
  ) throws(PortError) -> MigrationRun {
    let (build, spec) = try build(of: release)
    guard let migrate = spec.migrate, let command = step.command(of: migrate) else {
      throw PortError("\(release) has no \(step.rawValue) step", fault: .segue, retry: .never)
    }
    return MigrationRun(
      key: key, release: release, step: step, attempt: attempt, directory: build.directory,
      command: command, environment: spec.environment, secrets: spec.secrets,
      timeout: migrate.timeout)
  }

  // MARK: Table

  private func applyTable(_ table: ServiceTable, outbox: String) async {
    var pause = Milliseconds(20)
    while !Task.isCancelled {
      guard state.table.proposed?.generation == table.generation else {
        return await record(.tick, completing: outbox)
      }
      do {
        try await world.director.apply(table)
        return await record(.acknowledge(table.generation), completing: outbox)
      } catch {
        if error.retry == .never {
          return await record(
            .reportTableFailed(table.generation, reason: "\(error)"), completing: outbox)
        }
        logger.warning("the router does not answer", metadata: ["error": "\(error)"])
      }
      try? await world.time.sleep(for: pause)
      pause = min(pause * 2, .seconds(1))
    }
  }

  // MARK: Drain and stop

  private func awaitDrain(_ id: InstanceID, until: Instant, outbox: String) async {
    let deadlines = state.instances[id].flatMap { state.known($0.release) }?.spec.deadlines
    var remaining = 0
    while !Task.isCancelled {
      guard case .draining? = state.instances[id]?.phase else {
        return await record(.tick, completing: outbox)
      }
      var end = until
      if let reports = try? await world.director.report(),
        let report = reports.first(where: { $0.key == key })
      {
        remaining = report.inFlight[id] ?? 0
        if remaining == 0 { break }
        if let deadlines, let lasting = report.lasting, lasting[id] ?? 0 == 0 {
          end = deadlines.drainEndOfRequests(until)
        }
      }
      guard world.time.now() < end else { break }
      try? await world.time.sleep(for: Milliseconds(20))
    }
    guard !Task.isCancelled else { return }
    await record(.reportDrained(id, remaining: remaining), completing: outbox)
  }

  private func stop(_ id: InstanceID, deadline: Milliseconds, outbox: String) async {
    guard let instance = running[id] else {
      return await record(.reportStopped(id, killed: false), completing: outbox)
    }
    while !Task.isCancelled {
      do {
        let report = try await world.platform.stop(instance, deadline: deadline)
        running[id] = nil
        return await record(.reportStopped(id, killed: report.killed), completing: outbox)
      } catch {
        logger.error("an instance could not be stopped", metadata: ["error": "\(error)"])
        try? await world.time.sleep(for: .seconds(1))
      }
    }
  }

  private func issueReceipt(_ rollout: RolloutID, outbox: String) async {
    let account = accounts[rollout] ?? []
    do {
      let issued: Void? = try await world.persist("a receipt") { () async throws(PortError) in
        try await receipts.issue(rollout, key: key, account: account)
      }
      guard issued != nil else { return }
    } catch {
      logger.error("a receipt could not be issued", metadata: ["error": "\(error)"])
      return
    }
    await record(.tick, completing: outbox)
    forgetAccount(of: rollout)
    await onRest()
  }
}
