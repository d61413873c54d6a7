import NIOCore
import NIOPosix

/// A name server on a port of its own: every host is this machine, except below `missing.test`, where
/// there is none.
final class NameServer: Sendable {
  private let channel: any Channel

  static func start() async throws -> NameServer {
    let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(NameHandler())
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return NameServer(channel)
  }

  private init(_ channel: any Channel) { self.channel = channel }

  var port: Int { channel.localAddress?.port ?? 0 }

  func stop() async { try? await channel.close() }
}

/// Answers queries of one question (RFC 1035 section 4).
private final class NameHandler: ChannelInboundHandler {
  typealias InboundIn = AddressedEnvelope<ByteBuffer>
  typealias OutboundOut = AddressedEnvelope<ByteBuffer>

  private static let header = 12
  private static let (address, nameError) = (UInt16(1), UInt16(3))

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let query = unwrapInboundIn(data)
    let octets = Array(query.data.readableBytesView)
    guard let (name, end) = Self.name(octets), end + 4 <= octets.count else { return }
    let type = UInt16(octets[end]) << 8 | UInt16(octets[end + 1])
    let isMissing = name.hasSuffix("missing.test")
    let isAnswered = !isMissing && type == Self.address
    var reply = context.channel.allocator.buffer(capacity: 512)
    reply.writeBytes(octets[..<2])
    // A response, recursion desired and available.
    reply.writeInteger(UInt16(0x8180) | (isMissing ? Self.nameError : 0))
    for count: UInt16 in [1, isAnswered ? 1 : 0, 0, 0] { reply.writeInteger(count) }
    reply.writeBytes(octets[Self.header..<end + 4])
    if isAnswered {
      // The name is the question's; A, IN, not to be kept, four octets.
      reply.writeInteger(UInt16(0xC00C))
      reply.writeInteger(UInt16(1))
      reply.writeInteger(UInt16(1))
      reply.writeInteger(UInt32(0))
      reply.writeInteger(UInt16(4))
      reply.writeBytes([127, 0, 0, 1])
    }
    context.writeAndFlush(
      wrapOutboundOut(AddressedEnvelope(remoteAddress: query.remoteAddress, data: reply)),
      promise: nil)
  }

  /// The name that is asked for, and where what follows it begins.
  private static func name(_ octets: [UInt8]) -> (String, Int)? {
    var labels: [String] = []
    var index = header
    while index < octets.count, octets[index] > 0 {
      let end = index + 1 + Int(octets[index])
      guard end <= octets.count else { return nil }
      labels.append(String(decoding: octets[index + 1..<end], as: UTF8.self).lowercased())
      index = end
    }
    return index < octets.count ? (labels.joined(separator: "."), index + 1) : nil
  }
}
