import AsyncHTTPClient
import Crypto
import Foundation
import NIOHTTP1
import Ports
import SegueModel
import TransportSecurity

/// One certificate, from the order to the files (RFC 8555 section 7.4).
struct CertificateOrder: Sendable {
  let group: HostGroup
  let settings: IssuingSettings
  let client: ACMEClient
  let check: ServingCheck
  let folder: CertificateFolder

  private var time: any TimeSource { check.time }

  /// Gets the certificate and puts it in its place.
  ///
  /// - Throws: `PortError`; whatever certificate there was before stays.
  func carryOut() async throws(PortError) {
    let deadline = time.now() + settings.limits.order
    // Nothing is ordered that would have no place.
    try await Blocking.run { [folder, group] () throws(PortError) in
      try folder.refuseForeign(group)
    }
    let (order, address) = try await place()
    try await authorize(order, until: deadline)
    let key = try make { try PrivateKey.generate() }
    let chain = try await certificate(of: order, at: address, key: key, until: deadline)
    let (folder, group, authority) = (folder, group, settings.directory)
    try await Blocking.run { () throws(PortError) in
      try folder.install(group, certificate: chain, key: key, authority: authority)
    }
  }

  private func place() async throws(PortError) -> (ACMEOrder, address: String) {
    let refusal = "The certificate authority refused the order for \(group)"
    let request = ACMENewOrder(identifiers: group.hosts.map { ACMEIdentifier(value: $0) })
    let payload = try make { try JSONEncoder().encode(request) }
    let (order, reply): (ACMEOrder, ACMEClient.Reply) = try await client.read(
      client.newOrder, payload, refusal: refusal)
    guard let address = reply.headers.first(name: "location") else {
      throw PortError(
        "The certificate authority gave the order no address", fault: .network, retry: .safe)
    }
    return (order, address)
  }

  // MARK: Authorizations

  /// A host that is to be validated.
  private struct Validation {
    var host: String
    /// The address of the authorization.
    var authorization: String
    /// The address of the challenge.
    var challenge: String
    var answer: Answer
  }

  /// Has every host validated that is not still valid from before (RFC 8555 section 7.5). All answers
  /// are shown before the first one is looked at, so that the proxy is waited for once.
  private func authorize(_ order: ACMEOrder, until deadline: Instant) async throws(PortError) {
    var validations: [Validation] = []
    for url in order.authorizations.prefix(HostGroup.hostLimit) {
      if let validation = try await validation(url) { validations.append(validation) }
    }
    // Removing a file takes no time, and must not be left out because this is cancelled.
    defer { for validation in validations { folder.withdraw(validation.answer) } }
    let (folder, answers) = (folder, validations.map(\.answer))
    try await Blocking.run { () throws(PortError) in
      for answer in answers { try folder.show(answer) }
    }
    for validation in validations { try await check.wait(for: validation.answer) }
    for validation in validations { try await validate(validation, until: deadline) }
  }

  /// nil if nothing is to be done for this authorization.
  private func validation(_ url: String) async throws(PortError) -> Validation? {
    let refusal = "The certificate authority does not show what it wants"
    let (authorization, _): (ACMEAuthorization, ACMEClient.Reply) = try await client.read(
      url, refusal: refusal)
    let host = authorization.identifier.value.lowercased()
    switch authorization.status {
    case "valid": return nil
    case "pending": break
    default: throw invalid(authorization)
    }
    guard group.hosts.contains(host) else {
      throw PortError(
        "The certificate authority wants to validate \(host), which was not asked for",
        fault: .network, retry: .safe)
    }
    let kind = settings.challenge
    guard let challenge = authorization.challenges.first(where: { $0.type == kind.rawValue }) else {
      let offered = authorization.challenges.map(\.type).joined(separator: ", ")
      throw PortError(
        "The certificate authority does not validate \(host) by \(kind.rawValue)", fault: .user,
        retry: .never, causes: ["It offers \(offered.isEmpty ? "nothing" : offered)"],
        nextStep: "Set tls.acme.challenge to one of these that Segue knows: "
          + ChallengeKind.allCases.map(\.rawValue).joined(separator: " or "))
    }
    return Validation(
      host: host, authorization: url, challenge: challenge.url,
      answer: try answer(to: challenge, host))
  }

  private func answer(to challenge: ACMEChallenge, _ host: String) throws(PortError) -> Answer {
    // The token becomes the name of a file.
    guard let token = challenge.token, ChallengeFolder.isToken(token) else {
      throw PortError(
        "The certificate authority's challenge for \(host) has no token", fault: .network,
        retry: .safe)
    }
    let authorization = client.key.authorization(token: token)
    switch settings.challenge {
    case .http01:
      return .http(host: host, token: token, authorization: authorization)
    case .tlsALPN01:
      let digest = Array(SHA256.hash(data: Data(authorization.utf8)))
      return try make {
        let key = try PrivateKey.generate()
        let certificate = try ValidationCertificate.pem(host: host, digest: digest, keyPEM: key)
        return .tls(host: host, digest: digest, certificate: certificate, key: key)
      }
    }
  }

  private func validate(_ validation: Validation, until deadline: Instant) async throws(PortError) {
    let refusal = "The certificate authority does not validate \(validation.host)"
    // An empty object says that the answer is there (RFC 8555 section 7.5.1).
    _ = try await client.post(validation.challenge, Data("{}".utf8), refusal: refusal)
    let authorization: ACMEAuthorization = try await client.poll(
      validation.authorization, until: deadline, refusal: refusal
    ) { $0.status != "pending" && $0.status != "processing" }
    guard authorization.status == "valid" else { throw invalid(authorization) }
  }

  private func invalid(_ authorization: ACMEAuthorization) -> PortError {
    let what =
      "The certificate authority could not validate \(authorization.identifier.value)"
    let problem = authorization.challenges.compactMap(\.error).first
    return (problem ?? ACMEProblem(detail: "The authorization is \(authorization.status)"))
      .failure(what)
  }

  // MARK: The certificate

  private func certificate(
    of placed: ACMEOrder, at address: String, key: [UInt8], until deadline: Instant
  ) async throws(PortError) -> [UInt8] {
    let refusal = "The certificate authority does not issue the certificate for \(group)"
    var order = placed
    if order.status == "pending" {
      order = try await client.poll(address, until: deadline, refusal: refusal) {
        $0.status != "pending"
      }
    }
    if order.status == "ready" {
      let request = try make { try CertificateRequest.der(hosts: group.hosts, keyPEM: key) }
      let payload = try make {
        try JSONEncoder().encode(ACMEFinalize(csr: Base64URL.encode(request)))
      }
      _ = try await client.post(order.finalize, payload, refusal: refusal)
      order = try await client.poll(address, until: deadline, refusal: refusal) {
        $0.status != "ready" && $0.status != "processing"
      }
    }
    guard order.status == "valid", let url = order.certificate else {
      throw (order.error ?? ACMEProblem(detail: "The order is \(order.status)")).failure(refusal)
    }
    return try await client.post(
      url, nil, accept: "application/pem-certificate-chain", refusal: refusal
    ).body
  }

  /// What cannot fail but for memory or a defect of ours.
  private func make<Result>(_ body: () throws -> Result) throws(PortError) -> Result {
    do {
      return try body()
    } catch {
      throw PortError(
        "The request for a certificate for \(group) could not be made", fault: .segue,
        retry: .safe, causes: ["\(error)"])
    }
  }
}
