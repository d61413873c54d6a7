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

  private func carryOut(_ effect: Effect, outbox: String) async {
    switch effect {
    case .startInstance(let instance, let release):
      await start(instance, of: release, outbox: outbox)
    case .applyTable(let table):
      await applyTable(table, outbox: outbox)
    case .awaitDrain(let instance, let until):
      await awaitDrain(instance, until: until, outbox: outbox)
    case .stopInstance(let instance, let deadline):
      await stop(instance, deadline: deadline, outbox: outbox)
    case .migrate(let release, let step, _):
      await record(
        .reportMigrated(release, step, .failed("cannot be run by this build"), output: []),
        completing: outbox)
    case .issueReceipt(let rollout):
      await issueReceipt(rollout, outbox: outbox)
    }
  }

  /// Records a result; keeps trying while the journal is busy or the disk is full, because the
  /// result stays true.
  private func record(_ command: RolloutCommand, completing outbox: String?) async {
    var pause = Milliseconds(20)
    while !Task.isCancelled {
      do {
        try await submitReport(command, completing: outbox)
        return
      } catch {
        logger.error("a result could not be recorded", metadata: ["error": "\(error)"])
        try? await world.time.sleep(for: pause)
        pause = min(pause * 2, .seconds(5))
      }
    }
  }

  // MARK: Start

  private func start(_ id: InstanceID, of release: ReleaseID, outbox: String) async {
    guard state.instances[id]?.isKept == true else {
      return await record(.tick, completing: outbox)
    }
    do {
      guard let build = await catalogue.release(release), let spec = build.spec.service(key.service)
      else {
        throw PortError("release \(release) is unknown", fault: .segue, retry: .never)
      }
      let found = try await world.platform.start(
        InstanceStart(
          instance: id, key: key, release: release, directory: build.directory, run: spec.run,
          environment: spec.environment, secrets: spec.secrets, limits: spec.limits))
      running[id] = found
      await record(.reportStarted(id, found.endpoint), completing: outbox)
      jobsContinuation.yield(.supervise(found))
    } catch let error as PortError {
      await record(.reportDied(id, reason: "could not be started: \(error)"), completing: outbox)
    } catch {
      await record(.reportDied(id, reason: "could not be started: \(error)"), completing: outbox)
    }
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
    var remaining = 0
    while !Task.isCancelled {
      guard case .draining? = state.instances[id]?.phase else {
        return await record(.tick, completing: outbox)
      }
      if let reports = try? await world.director.report(),
        let report = reports.first(where: { $0.key == key })
      {
        remaining = report.inFlight[id] ?? 0
        if remaining == 0 { break }
      }
      guard world.time.now() < until else { break }
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
      try await receipts.issue(rollout, key: key, account: account)
    } catch {
      logger.error("a receipt could not be issued", metadata: ["error": "\(error)"])
      return
    }
    await record(.tick, completing: outbox)
    forgetAccount(of: rollout)
    await onRest()
  }
}
