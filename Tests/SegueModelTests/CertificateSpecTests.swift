import SegueModel
import Testing

/// Which certificates a file asks for.
@Suite struct CertificateSpecTests {
  private static func service(_ name: String, _ route: RouteSpec?) -> ServiceSpec {
    ServiceSpec(name: ServiceName(name), run: "./\(name)", route: route)
  }

  @Test func eachEnvironmentHasItsHosts() {
    let files = RouteCertificate.files(certificate: "/c", key: "/k")
    let spec = ProjectSpec(
      project: "shop",
      services: [
        Self.service("web", RouteSpec(host: "shop.test", certificate: .automatic)),
        Self.service("api", RouteSpec(host: "api.test", certificate: files)),
        Self.service("assets", RouteSpec(host: "shop.test", pathPrefix: "/assets")),
        Self.service("mailer", nil),
      ],
      environments: [
        EnvironmentSpec(
          name: "staging",
          services: [
            "web": ServiceChange(
              route: RouteSpec(host: "staging.test", certificate: .automatic)),
            "api": ServiceChange(route: RouteSpec(host: "api.staging.test")),
          ]),
        EnvironmentSpec(name: "production", after: "staging"),
        EnvironmentSpec(name: "twin", after: "production"),
      ])
    #expect(spec.automaticHosts == ["staging.test", "shop.test"])
    #expect(spec.certificateFiles.map(\.certificate) == ["/c"])
    #expect(spec.certificateFiles.map(\.key) == ["/k"])
  }
}
