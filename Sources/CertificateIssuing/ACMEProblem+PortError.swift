import Ports
import SegueModel

extension ACMEProblem {
  /// What an authority's refusal means for whoever runs Segue (RFC 8555 section 6.7).
  ///
  /// - Parameters:
  ///   - what: what was refused, one sentence without a final period.
  ///   - wait: what the authority said in `Retry-After`.
  func failure(_ what: String, wait: Milliseconds? = nil) -> PortError {
    let meaning = self.meaning
    var retry = meaning.retry
    if let wait { retry = .after(wait) }
    return PortError(
      what, fault: meaning.fault, retry: retry, causes: causes, nextStep: meaning.nextStep)
  }

  private struct Meaning {
    var fault: PortError.Fault
    var retry: PortError.Retry
    var nextStep: String?
  }

  private var meaning: Meaning {
    switch kind {
    case "rateLimited":
      Meaning(
        fault: .network, retry: .after(.minutes(60)),
        nextStep: "Wait; Segue asks again by itself. Try things out with the authority's staging "
          + "directory, which has higher limits")
    case "serverInternal":
      Meaning(fault: .network, retry: .safe, nextStep: nil)
    case "dns":
      Meaning(
        fault: .user, retry: .safe,
        nextStep: "Give the host an A or AAAA record with this machine's public address")
    case "connection", "unauthorized", "incorrectResponse", "tls":
      Meaning(
        fault: .user, retry: .safe,
        nextStep: "See that the host's A and AAAA records name this machine, and that its port 80 "
          + "(443 with tls-alpn-01) can be reached from the internet and leads to Segue's proxy")
    case "caa":
      Meaning(
        fault: .user, retry: .safe,
        nextStep: "Let this authority issue certificates in the domain's CAA record, or remove it")
    default:
      aboutAccount
    }
  }

  private var aboutAccount: Meaning {
    switch kind {
    case "rejectedIdentifier", "unsupportedIdentifier":
      Meaning(
        fault: .user, retry: .never,
        nextStep: "Name a public host, or another directory whose authority certifies this one")
    case "invalidContact", "unsupportedContact":
      Meaning(
        fault: .user, retry: .never, nextStep: "Correct the address in tls.acme.email")
    case "externalAccountRequired":
      Meaning(
        fault: .user, retry: .never,
        nextStep: "Get a key for an external account from the authority and configure it")
    case "userActionRequired":
      Meaning(
        fault: .user, retry: .never,
        nextStep: instance.map { "Open \($0) and do what is asked there" }
          ?? "Ask the authority what it wants of this account")
    case "accountDoesNotExist":
      Meaning(fault: .network, retry: .safe, nextStep: nil)
    default:
      Meaning(fault: .network, retry: .safe, nextStep: nil)
    }
  }
}
