import Ports
public import SegueModel
public import WebhookSigning

/// Any program that takes signed JSON by HTTP.
///
/// The body is `{"id", "notices": [{"id", "kind", "project", "environment", "service", "release",
/// "commit", "author", "teams", "link", "text", "at"}]}`, with one notice or, in a digest, several,
/// oldest first. What is not known is left out; times are milliseconds since 1970.
public struct SignedWebhookSender: ChannelSender {
  private struct Body: Encodable {
    var id: String
    var notices: [Notice]
  }

  private let address: WebhookAddress
  private let signature: WebhookSignature
  private let client: WebhookClient

  public init(to address: WebhookAddress, signature: WebhookSignature, client: WebhookClient) {
    self.address = address
    self.signature = signature
    self.client = client
  }

  public func send(_ message: ChannelMessage, at now: Instant) async throws(DeliveryFailure) {
    let body = try JSONBody.encode(Body(id: message.id, notices: message.notices.map(\.notice)))
    try await client.post(
      body, to: address,
      headers: [
        "content-type": "application/json", "webhook-id": message.id,
        "webhook-timestamp": "\(WebhookSignature.seconds(now))",
        "webhook-signature": signature.sign(id: message.id, at: now, body: body),
      ], at: now)
  }
}
