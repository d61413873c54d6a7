import Foundation
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import OutboundHTTP
import Ports
import SegueModel
import Testing

@testable import MetricSources

private let query = MetricQuery(
  service: "shop", version: "r-2", from: Instant(milliseconds: 1_700_000_000_000),
  until: Instant(milliseconds: 1_700_000_030_000))

private func reason(_ reading: MetricReading) -> String {
  if case .noData(let reason) = reading { return reason }
  return "\(reading)"
}

private func withHTTP(_ body: (OutboundClient) async throws -> Void) async throws {
  let http = OutboundClient(time: RealTime(), deadline: .seconds(5))
  do {
    try await body(http)
  } catch {
    await http.shutdown()
    throw error
  }
  await http.shutdown()
}

private struct RealTime: TimeSource {
  func now() -> Instant { Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) }
  func sleep(for span: Milliseconds) async throws {
    // pause: what it measures is real time.
    try await Task.sleep(for: .milliseconds(span.count))
  }
}

@Suite struct MetricSourcesTests {
  @Test func readsWhatPrometheusAnswers() {
    let cases: [(String, MetricReading)] = [
      (#"{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}"#, .value(2.5)),
      (
        #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}"#,
        .value(7)
      ),
      (
        #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}"#,
        .noData("the query gave NaN")
      ),
      (
        #"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
        .noData("the query found nothing: no such series, or none lately")
      ),
      (
        #"{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"1"]},{"value":[1,"2"]}]}}"#,
        .noData("the query found 2 series and must find one: wrap it in sum()")
      ),
      (
        #"{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"1"]]}]}}"#,
        .noData("the query must find an instant value")
      ),
      (
        #"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
        .noData("Prometheus: parse error")
      ),
      ("<html>", .noData("Prometheus answered 200 with something that is not its JSON")),
    ]
    for (text, expected) in cases {
      #expect(PrometheusSource.reading(status: 200, bytes: Array(text.utf8)) == expected)
    }
  }

  @Test func findsANumberByItsPath() {
    let text = #"{"data":{"items":[{"rate":0.5},{"rate":"NaN"},{"rate":true},{"rate":"3"}]}}"#
    let cases: [(String, MetricReading?)] = [
      ("data.items[0].rate", .value(0.5)),
      ("$.data.items[3].rate", .value(3)),
      ("data.items[1].rate", .noData("data.items[1].rate is nan")),
      ("data.items[2].rate", .noData("data.items[2].rate is not a number")),
      ("data.items[9].rate", .noData("the answer has no data.items[9].rate")),
      ("data.other", .noData("the answer has no data.other")),
      ("data", .noData("data is not a number")),
      ("data[x]", nil),
      ("data[-1]", nil),
    ]
    for (path, expected) in cases {
      #expect(JSONPath(path)?.number(in: Array(text.utf8)) == expected, "\(path)")
    }
    #expect(JSONPath("")?.number(in: Array("12".utf8)) == .value(12))
    #expect(JSONPath("")?.number(in: Array("twelve".utf8)) == .noData("the answer is not JSON"))
  }

  @Test func fillsPlaceholders() throws {
    let filled = try Placeholders.filled("a{{version}}b{{ service }}c{{seconds}}", query).get()
    #expect(filled == "ar-2bshopc30")
    for broken in ["{{version", "{{other}}"] {
      #expect(throws: Placeholders.Fault.self) { try Placeholders.filled(broken, query).get() }
    }
    #expect(Placeholders.percentEncoded("sum(a{b=\"c d\"})") == "sum%28a%7Bb%3D%22c%20d%22%7D%29")
  }

  @Test func asksACommand() async {
    let value = CommandSource(
      command: #"echo "{\"rate\": $SEGUE_SECONDS, \"v\": \"$SEGUE_VERSION\"}""#, path: "rate")
    #expect(await value.read(query) == .value(30))
    let failed = CommandSource(command: "echo 1; exit 3")
    #expect(reason(await failed.read(query)) == "the command ended with status 3")
    let endless = CommandSource(command: "sleep 60 & sleep 60", deadline: Milliseconds(300))
    #expect(reason(await endless.read(query)).hasPrefix("the command took longer than"))
    let closed = CommandSource(
      command: "exec >/dev/null; sleep 60", deadline: Milliseconds(300))
    #expect(reason(await closed.read(query)).hasPrefix("the command took longer than"))
    let chatty = CommandSource(command: "yes")
    #expect(reason(await chatty.read(query)) == "the command printed more than 64 KiB")
  }

  @Test func asksAnAddress() async throws {
    let server = try await Exporter.start()
    let base = "http://127.0.0.1:\(server.port)"
    try await withHTTP { http in
      let source = JSONSource(address: base + "/json?v={{version}}", path: "rate", http: http)
      #expect(await source.read(query) == .value(0.25))
      let missing = JSONSource(address: base + "/none", path: "rate", http: http)
      #expect(await missing.read(query) == .noData(base + "/none answered 404"))
      let large = JSONSource(address: base + "/large", path: "rate", http: http)
      #expect(reason(await large.read(query)) == base + "/large: its answer is too long")
      for address in ["a", "ftp://a/b", "http://"] {
        let broken = JSONSource(address: address, path: "rate", http: http)
        #expect(
          reason(await broken.read(query)) == address
            + ": the address does not begin with http:// or https:// and a host")
      }
      try await server.stop()
      #expect(reason(await source.read(query)).contains("no connection could be made"))
    }
  }

  @Test(.timeLimit(.minutes(2))) func asksARealPrometheus() async throws {
    let server = try await Exporter.start()
    let prometheus = try Prometheus(scraping: server.port)
    defer { prometheus.stop() }
    try await withHTTP { try await compare(prometheus.port, $0) }
    try await server.stop()
  }

  private func compare(_ port: Int, _ http: OutboundClient) async throws {
    let base = "http://127.0.0.1:\(port)"
    func value(_ text: String) -> PrometheusSource {
      PrometheusSource(address: base, kind: .value(query: text), lag: .zero, http: http)
    }
    func now() -> MetricQuery {
      let until = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
      return MetricQuery(
        service: "shop", version: "r-2", from: Instant(milliseconds: until.milliseconds - 30_000),
        until: until)
    }
    let one = value(#"shop_errors{version="{{version}}"}"#)
    let deadline = ContinuousClock.now + .seconds(60)
    while await one.read(now()) != .value(2), ContinuousClock.now < deadline {
      try await Task.sleep(for: .milliseconds(50))
    }
    #expect(await one.read(now()) == .value(2))
    #expect(reason(await value("shop_errors").read(now())).hasPrefix("the query found 2 series"))
    #expect(reason(await value("nothing").read(now())).hasPrefix("the query found nothing"))
    #expect(reason(await value("0/0").read(now())) == "the query gave NaN")
    #expect(reason(await value("sum(").read(now())).hasPrefix("Prometheus: "))
    let counts = PrometheusSource(
      address: base,
      kind: .counts(events: "sum(shop_requests)", bad: #"shop_errors{version="r-2"}"#), lag: .zero,
      http: http)
    #expect(await counts.read(now()) == .counts(events: 40, bad: 2))
  }
}

/// Answers what the tests ask for, and what Prometheus scrapes.
private struct Exporter {
  let channel: any Channel
  var port: Int { channel.localAddress?.port ?? 0 }

  static func start() async throws -> Exporter {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(ExporterHandler())
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return Exporter(channel: channel)
  }

  func stop() async throws { try await channel.close() }
}

private final class ExporterHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .head(let head) = unwrapInboundIn(data) else { return }
    var status = HTTPResponseStatus.ok
    var text = ""
    switch head.uri {
    case "/large": text = String(repeating: " ", count: 2 << 20)
    case "/json?v=r-2": text = #"{"rate": 0.25}"#
    case "/metrics":
      text = """
        shop_requests{version="r-1"} 30
        shop_requests{version="r-2"} 10
        shop_errors{version="r-1"} 1
        shop_errors{version="r-2"} 2

        """
    default: status = .notFound
    }
    let headers: HTTPHeaders = [
      "Content-Length": "\(text.utf8.count)", "Content-Type": "text/plain; version=0.0.4",
    ]
    context.write(
      wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))),
      promise: nil)
    context.write(
      wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }
}

/// Debian's server, on a port of the kernel's and with its data in a directory of its own.
private struct Prometheus {
  let port: Int
  private let process = Process()
  private let directory: URL

  init(scraping target: Int) throws {
    port = try Self.freePort()
    directory = FileManager.default.temporaryDirectory
      .appending(path: "segue-prometheus-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let configuration = """
      global: {scrape_interval: 1s}
      scrape_configs:
        - job_name: shop
          static_configs: [{targets: ["127.0.0.1:\(target)"]}]

      """
    let file = directory.appending(path: "prometheus.yml")
    try Data(configuration.utf8).write(to: file)
    process.executableURL = URL(filePath: "/usr/bin/prometheus")
    process.arguments = [
      "--config.file=\(file.path)", "--storage.tsdb.path=\(directory.path)/data",
      "--web.listen-address=127.0.0.1:\(port)",
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  func stop() {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: directory)
  }

  /// Free a moment ago; Prometheus cannot be handed a socket.
  private static func freePort() throws -> Int {
    let channel = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).wait()
    defer { try? channel.close().wait() }
    return try #require(channel.localAddress?.port)
  }
}
