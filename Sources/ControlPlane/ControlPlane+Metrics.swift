import Ports
import RolloutEngine
import SegueModel

/// Asking for the metrics that releases are judged by, beside the router's own counts.
extension ControlPlane {
  /// One look that is due.
  private struct Look {
    var key: ServiceKey
    var rollout: RolloutID
    var metric: MetricSpec
    var own: MetricQuery
    var other: MetricQuery
  }

  /// Asks for what is due, each of them at the same time: a source that hangs until its deadline keeps
  /// nobody waiting but the next round.
  func watchMetrics() async {
    guard let source = world.metricSource else { return }
    while !Task.isCancelled {
      let looks = await dueLooks()
      let readings = await withTaskGroup(of: (Look, MetricReading, MetricReading).self) { group in
        for look in looks {
          group.addTask {
            let metric = source(look.metric)
            async let own = metric.read(look.own)
            async let other = metric.read(look.other)
            return (look, await own, await other)
          }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      for (look, own, other) in readings where watches[look.key]?.judge?.rollout == look.rollout {
        watches[look.key]?.judge?.observe(look.metric.name, own, other)
      }
      try? await world.time.sleep(for: Milliseconds(250))
    }
  }

  private func dueLooks() async -> [Look] {
    let now = world.time.now()
    var looks: [Look] = []
    for (key, watch) in watches.sorted(by: { $0.key < $1.key }) {
      guard let judge = watch.judge, let rollout = await controllers[key]?.state.rollout,
        rollout.id == judge.rollout, let from = rollout.from
      else { continue }
      for metric in rollout.to.spec.analysis?.metrics ?? [] {
        let prefix = "\(rollout.id)/"
        var next = (watches[key]?.nextLooks ?? [:]).filter { $0.key.hasPrefix(prefix) }
        let due = next[prefix + metric.name]
        if let due, due > now { continue }
        next[prefix + metric.name] = now + metric.interval
        watches[key]?.nextLooks = next
        // What was there before the release had any traffic says nothing about it.
        guard due != nil else { continue }
        func query(_ release: ReleaseID) -> MetricQuery {
          MetricQuery(
            service: key.service, version: release,
            from: now + (.zero - metric.interval), until: now)
        }
        looks.append(
          Look(
            key: key, rollout: rollout.id, metric: metric, own: query(rollout.to.id),
            other: query(from.id)))
      }
    }
    return looks
  }
}
