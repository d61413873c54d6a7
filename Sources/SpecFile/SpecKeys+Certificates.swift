import SegueModel

extension SpecKeys {
  static let tls = SpecSection(
    id: "tls", title: "`tls` of the file", summary: "Who issues certificates.",
    keys: [
      SpecKey(
        name: "acme", type: .section(acme), isRequired: true,
        summary: """
          The authority that issues the certificates of all routes with `tls: auto`. See \
          [TLS](tls.md#automatic-certificates).
          """,
        example: "{ email: ops@example.com, agree-to-terms: true }",
        otherNames: ["letsencrypt", "auto"])
    ])

  static let acme = SpecSection(
    id: "acme", title: "`acme` of `tls`",
    summary: "An authority that speaks ACME (RFC 8555), and how it sees that a host is yours.",
    keys: [
      SpecKey(
        name: "email", type: .email,
        summary: "Where the authority may write to.", example: "ops@example.com",
        otherNames: ["contact", "mail"]),
      SpecKey(
        name: "directory", type: .secureAddress, standard: AuthoritySpec.standardDirectory,
        summary: """
          The address of the authority's directory. Without it: Let's Encrypt's. Most authorities \
          have another one for trials.
          """,
        example: "https://acme.example.com/directory",
        otherNames: ["server", "url", "ca", "authority"]),
      SpecKey(
        name: "challenge", type: .word(AuthoritySpec.Challenge.allCases.map(\.rawValue)),
        standard: AuthoritySpec.Challenge.http.rawValue,
        summary: "What the authority looks at: a path on port 80, or a handshake on port 443.",
        example: "tls-alpn-01", otherNames: ["challenges", "method"]),
      SpecKey(
        name: "agree-to-terms", type: .boolean, isRequired: true,
        summary: "`true`: you have read the authority's terms and agree to them.",
        example: "true", otherNames: ["agree", "accept-terms", "terms"]),
      SpecKey(
        name: "root", type: .machineFile,
        summary: """
          The root certificate, in PEM, by which the authority's own server is trusted: for an \
          authority of your own.
          """,
        example: "/etc/ssl/our-root.pem", otherNames: ["root-file", "ca-file"]),
    ])

  static let routeCertificate = SpecSection(
    id: "certificate", title: "`tls` of a route",
    summary: """
      A certificate of your own. Both files are on the machine that Segue runs on, and are looked \
      at again when they change.
      """,
    keys: [
      SpecKey(
        name: "certificate", type: .machineFile, isRequired: true,
        summary: "The certificate, and then its issuers, in PEM.",
        example: "/etc/segue/shop.crt", otherNames: ["cert", "crt", "chain"]),
      SpecKey(
        name: "key", type: .machineFile, isRequired: true,
        summary: "Its private key, in PEM and without a passphrase.",
        example: "/etc/segue/shop.key", otherNames: ["private-key"]),
    ])
}
