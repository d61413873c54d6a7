import Ports
import RolloutEngine
import SegueModel

/// What the routes that are served, or are to be, want of certificates.
extension ControlPlane {
  /// Between two looks.
  private static let certificateInterval = Milliseconds.seconds(1)

  func keepCertificates() async {
    guard let keeper = world.certificates else { return }
    while !Task.isCancelled {
      await keeper.want(certificateWishes())
      let problems = await keeper.problems()
      for subject in troubles.keys where subject.hasPrefix("certificate ") {
        if problems[String(subject.dropFirst("certificate ".count))] == nil {
          troubles[subject] = nil
        }
      }
      for (host, problem) in problems { note("certificate \(host)", problem) }
      try? await world.time.sleep(for: Self.certificateInterval)
    }
  }

  /// Of what is live and of what is to be: a host keeps its certificate through a rollback.
  private func certificateWishes() async -> CertificateWishes {
    var releases: Set<ReleaseID> = []
    for target in targets.values {
      if let order = await target.state.order { releases.insert(order.release) }
    }
    for controller in controllers.values {
      if let live = await controller.state.live?.id { releases.insert(live) }
    }
    // In an order of its own, so that the same wishes are equal.
    let specs = releases.sorted { $0.rawValue < $1.rawValue }.compactMap {
      catalogue.record(of: $0)
    }
    .sorted { $0.acceptedAt < $1.acceptedAt }.compactMap(\.release?.spec)
    var wishes = CertificateWishes(authority: specs.last { $0.authority != nil }?.authority)
    wishes.hosts = Set(specs.flatMap(\.automaticHosts)).sorted()
    for file in specs.flatMap(\.certificateFiles) {
      let files = CertificateWishes.Files(certificate: file.certificate, key: file.key)
      if !wishes.files.contains(files) { wishes.files.append(files) }
    }
    return wishes
  }
}
