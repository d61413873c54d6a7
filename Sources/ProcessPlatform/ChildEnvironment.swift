import Ports
import SegueModel

/// All that a process of a service finds in its environment: nothing of Segue's own passes on.
struct ChildEnvironment: Sendable {
  var base: [String: String]
  var secrets: any SecretSource

  /// From the least to the most binding: the base, the service's own, its secrets, and what tells where
  /// the process belongs.
  ///
  /// - Throws: when a secret has no value, or a variable cannot be set.
  func values(
    _ own: [String: String], secrets names: [String], key: ServiceKey, release: ReleaseID
  ) throws(PortError) -> [String: String] {
    var environment = base
    for (name, value) in own {
      try check(name, value)
      environment[name] = value
    }
    for (name, secret) in zip(names, try reveal(names)) {
      let value = secret.reveal()
      try check(name, value)
      environment[name] = value
    }
    environment["SEGUE_RELEASE"] = release.rawValue
    environment["SEGUE_SERVICE"] = key.service.rawValue
    environment["SEGUE_ENVIRONMENT"] = key.environment.rawValue
    return environment
  }

  func reveal(_ names: [String]) throws(PortError) -> [Secret] {
    var values: [Secret] = []
    for name in names {
      guard let secret = try secrets.value(of: name) else {
        throw PortError(
          "the secret \(name) has no value", fault: .user, retry: .never,
          nextStep: "Set it, or take it out of the service's `secrets`.")
      }
      values.append(secret)
    }
    return values
  }

  private func check(_ name: String, _ value: String) throws(PortError) {
    guard
      name.isEmpty || name.utf8.contains(UInt8(ascii: "=")) || name.utf8.contains(0)
        || value.utf8.contains(0)
    else { return }
    throw PortError(
      "the environment variable \(name) cannot be set", fault: .user, retry: .never,
      causes: ["a name is not empty and has no \"=\", and neither name nor value has a zero byte"])
  }
}
