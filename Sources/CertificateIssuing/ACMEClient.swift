import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Ports
import SegueModel

/// Speaks with one authority as one account: signs, keeps nonces, waits (RFC 8555 section 6).
actor ACMEClient {
  /// An answer of the authority's, read whole.
  struct Reply: Sendable {
    var status: UInt
    var headers: HTTPHeaders
    var body: [UInt8]
    var wait: Milliseconds?
  }

  let key: AccountKey
  let time: any TimeSource
  private let settings: IssuingSettings
  private let http: HTTPClient
  private let directory: ACMEDirectory
  private var nonces: [String] = []
  private var account: String?

  private static let userAgent = "segue (ACME client)"
  private static let nonceLimit = 8

  private init(
    _ settings: IssuingSettings, _ key: AccountKey, _ http: HTTPClient, _ directory: ACMEDirectory,
    _ time: any TimeSource
  ) {
    self.settings = settings
    self.key = key
    self.http = http
    self.directory = directory
    self.time = time
  }

  /// Reads the directory and registers the account, or finds the one that the key has.
  ///
  /// - Parameter http: shut down by the caller.
  /// - Throws: `PortError`: no way there, no trust, terms that nobody agreed to, a refusal.
  static func open(
    _ settings: IssuingSettings, key: AccountKey, http: HTTPClient, time: any TimeSource
  ) async throws(PortError) -> ACMEClient {
    let what = "The certificate authority's directory \(settings.directory) cannot be read"
    let step =
      "Check the address in tls.acme.directory; it is what the authority calls its directory"
    var request = HTTPClientRequest(url: settings.directory)
    request.headers.add(name: "user-agent", value: userAgent)
    let reply: Reply
    do {
      reply = try await send(request, settings, http, time)
    } catch {
      throw error.wrapped(what)
    }
    guard reply.status == 200 else {
      throw PortError(
        what, fault: .user, retry: .safe, causes: ["It answers \(reply.status)"], nextStep: step)
    }
    guard let directory = try? JSONDecoder().decode(ACMEDirectory.self, from: Data(reply.body))
    else {
      throw PortError(
        what, fault: .user, retry: .safe, causes: ["The answer is no directory of ACME"],
        nextStep: step)
    }
    let client = ACMEClient(settings, key, http, directory, time)
    try await client.register()
    return client
  }

  // MARK: The account

  /// RFC 8555 section 7.3. For a key that has an account already the authority answers with that one.
  private func register() async throws(PortError) {
    let meta = directory.meta
    if let terms = meta?.termsOfService, !settings.agreesToTerms {
      throw PortError(
        "The certificate authority's terms have not been agreed to", fault: .user, retry: .never,
        nextStep: "Read \(terms) and set tls.acme.agree-to-terms to true")
    }
    if meta?.externalAccountRequired == true, settings.externalAccount == nil {
      throw PortError(
        "The certificate authority wants an account of its own first", fault: .user, retry: .never,
        nextStep: "Get a key identifier and a key for an external account there and configure them")
    }
    let payload: Data
    do {
      payload = try registration()
    } catch let error as PortError {
      throw error
    } catch {
      throw Self.ourFault(error)
    }
    let reply = try await post(
      directory.newAccount, payload, as: .key,
      refusal: "The certificate authority refused the account")
    guard let address = reply.headers.first(name: "location") else {
      throw PortError(
        "The certificate authority gave the account no address", fault: .network, retry: .safe)
    }
    account = address
  }

  private func registration() throws -> Data {
    var members: [String] = []
    if directory.meta?.termsOfService != nil { members.append(#""termsOfServiceAgreed":true"#) }
    if let email = settings.email {
      let contact = try JSONEncoder().encode(["mailto:" + email])
      members.append(#""contact":"# + String(decoding: contact, as: UTF8.self))
    }
    if let external = settings.externalAccount {
      guard let binding = try key.binding(to: external, url: directory.newAccount) else {
        throw PortError(
          "The key of the external account \(external.keyID) is not base64url", fault: .user,
          retry: .never, nextStep: "Copy it again from where the authority showed it")
      }
      members.append(#""externalAccountBinding":"# + binding)
    }
    return Data("{\(members.joined(separator: ","))}".utf8)
  }

  // MARK: Requests

  var newOrder: String { directory.newOrder }

  /// Sends a request as our account; without a payload it reads (RFC 8555 section 6.3).
  ///
  /// - Parameter refusal: what is said if the authority refuses.
  func post(
    _ url: String, _ payload: Data?, accept: String? = nil, refusal: String
  ) async throws(PortError) -> Reply {
    guard let account else { throw PortError("No account yet", fault: .segue, retry: .never) }
    return try await post(url, payload, as: .account(account), accept: accept, refusal: refusal)
  }

  /// Reads an object.
  func read<Object: Decodable>(
    _ url: String, _ payload: Data? = nil, refusal: String
  ) async throws(PortError) -> (object: Object, reply: Reply) {
    let reply = try await post(url, payload, refusal: refusal)
    do {
      return (try JSONDecoder().decode(Object.self, from: Data(reply.body)), reply)
    } catch {
      throw PortError(
        "The certificate authority's answer cannot be understood", fault: .network, retry: .safe,
        causes: ["\(url)", "\(error)"])
    }
  }

  /// Reads an object again and again until it has come to an end (RFC 8555 section 7.5.1).
  func poll<Object: Decodable>(
    _ url: String, until deadline: Instant, refusal: String, isSettled: (Object) -> Bool
  ) async throws(PortError) -> Object {
    var pause = Milliseconds(250)
    while true {
      let (object, reply): (Object, Reply) = try await read(url, refusal: refusal)
      if isSettled(object) { return object }
      // What asks for no pause at all is still not asked more often than four times a second.
      let wait = max(reply.wait ?? pause, Milliseconds(250))
      guard time.now() + wait < deadline else {
        throw PortError(
          "The certificate authority did not decide in time", fault: .network, retry: .safe,
          causes: ["It was asked for \(settings.limits.order)"])
      }
      try await time.pause(for: wait)
      pause = min(pause * 2, .seconds(5))
    }
  }

  private func post(
    _ url: String, _ payload: Data?, as signer: AccountKey.Signer, accept: String? = nil,
    refusal: String
  ) async throws(PortError) -> Reply {
    for _ in 0..<max(settings.limits.nonces, 1) {
      let nonce = try await nonce()
      var request = HTTPClientRequest(url: url)
      request.method = .POST
      request.headers.add(name: "user-agent", value: Self.userAgent)
      request.headers.add(name: "content-type", value: "application/jose+json")
      if let accept { request.headers.add(name: "accept", value: accept) }
      do {
        request.body = .bytes(try key.sign(payload, to: url, nonce: nonce, as: signer))
      } catch {
        throw Self.ourFault(error)
      }
      let reply = try await Self.send(request, settings, http, time)
      keepNonce(of: reply)
      if (200..<300).contains(reply.status) { return reply }
      let problem = Self.problem(in: reply)
      guard problem.kind == "badNonce" else { throw problem.failure(refusal, wait: reply.wait) }
    }
    throw PortError(
      refusal, fault: .network, retry: .safe,
      causes: ["It accepted none of \(settings.limits.nonces) nonces that it gave"])
  }

  private static func problem(in reply: Reply) -> ACMEProblem {
    (try? JSONDecoder().decode(ACMEProblem.self, from: Data(reply.body)))
      ?? ACMEProblem(detail: "It answers \(reply.status)")
  }

  /// RFC 8555 section 7.2.
  private func nonce() async throws(PortError) -> String {
    if let nonce = nonces.popLast() { return nonce }
    var request = HTTPClientRequest(url: directory.newNonce)
    request.method = .HEAD
    request.headers.add(name: "user-agent", value: Self.userAgent)
    let reply = try await Self.send(request, settings, http, time)
    guard let nonce = reply.headers.first(name: "replay-nonce") else {
      throw PortError("The certificate authority gives no nonce", fault: .network, retry: .safe)
    }
    return nonce
  }

  private func keepNonce(of reply: Reply) {
    guard let nonce = reply.headers.first(name: "replay-nonce"), nonces.count < Self.nonceLimit
    else { return }
    nonces.append(nonce)
  }

  private static func ourFault(_ error: any Error) -> PortError {
    PortError(
      "A request to the certificate authority could not be signed", fault: .segue, retry: .never,
      causes: ["\(error)"])
  }
}

extension TimeSource {
  /// Waits, and says so if it is not to wait any longer.
  func pause(for span: Milliseconds) async throws(PortError) {
    do {
      try await sleep(for: span)
    } catch {
      throw PortError("Segue stops asking for certificates", fault: .segue, retry: .safe)
    }
  }
}
