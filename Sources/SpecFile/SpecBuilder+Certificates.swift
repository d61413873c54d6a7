import SegueModel

/// Certificates: whose they are, and who issues them.
extension SpecBuilder {
  mutating func authority(_ entry: YAMLEntry) -> AuthoritySpec? {
    guard let acme = section(entry, in: SpecKeys.tls, owner: "`tls`")?["acme"],
      let fields = section(acme, in: SpecKeys.acme, owner: "`acme`")
    else { return nil }
    var authority = AuthoritySpec(agreesToTerms: false)
    authority.email = fields["email"].flatMap { checked($0, TextRules.email) }
    if let directory = fields["directory"].flatMap({ checked($0, TextRules.secureAddress) }) {
      authority.directory = directory
    }
    if let challenge = fields["challenge"] {
      let names = AuthoritySpec.Challenge.allCases.map(\.rawValue)
      if let text = text(challenge) {
        if let known = AuthoritySpec.Challenge(rawValue: text) {
          authority.challenge = known
        } else {
          error(
            at: challenge.valueSpan, "`challenge` cannot be \(Printable.quoted(text))",
            hint: didYouMean(text, among: names)
              ?? "write " + names.map { "`\($0)`" }.joined(separator: " or "))
        }
      }
    }
    authority.root = fields["root"].flatMap { checked($0, TextRules.machineFile) }
    if let agreed = fields["agree-to-terms"], let agrees = boolean(agreed) {
      authority.agreesToTerms = agrees
      if !agrees {
        error(
          at: agreed.valueSpan, "without agreeing to its terms the authority issues nothing",
          hint: "read them, and write `agree-to-terms: true`; or take `tls` out")
      }
    }
    return authority
  }

  /// - Parameter hasHost: whether the route names a host.
  mutating func certificate(
    _ entry: YAMLEntry, of owner: String, hasHost: Bool
  ) -> RouteCertificate? {
    let owner = "`tls` of \(owner)"
    if case .scalar(let text, _) = entry.value.content {
      guard text == "auto" else {
        error(
          at: entry.valueSpan, "\(owner) cannot be \(Printable.quoted(text))",
          hint: didYouMean(text, among: ["auto"])
            ?? "write `auto`, or `{ certificate: /path/to.crt, key: /path/to.key }`")
        return nil
      }
      automaticCertificates.append(entry.keySpan)
      if !hasHost {
        error(
          at: entry.keySpan, "\(owner) asks for a certificate, but the route has no `host`",
          hint: "write the host that the certificate is for: `route: { host: …, tls: auto }`")
      }
      return .automatic
    }
    guard let fields = section(entry, in: SpecKeys.routeCertificate, owner: owner) else {
      return nil
    }
    guard
      let certificate = fields["certificate"].flatMap({ checked($0, TextRules.machineFile) }),
      let key = fields["key"].flatMap({ checked($0, TextRules.machineFile) })
    else { return nil }
    return .files(certificate: certificate, key: key)
  }

  /// Called for a file without an authority.
  mutating func refuseAutomaticCertificates() {
    for span in automaticCertificates {
      error(
        at: span,
        "`tls: auto` needs an authority that issues certificates, and the file names none",
        hint: "add `tls: { acme: { email: you@example.com, agree-to-terms: true } }` to the file")
    }
  }
}
