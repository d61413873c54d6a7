import ArgumentParser
import Dispatch
import Foundation
import LoadGenerator
import Synchronization

@main
struct SegueLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segue-load",
    abstract: "Send HTTP requests to this machine and count each one that fails.",
    discussion: """
      A failure is: refused, reset, ended or an unexpected status for a request whose connection \
      was checked before it was used again and had not been announced to close; an answer that \
      takes too long, is not HTTP, or is not an echo of what was posted.

      Without a bound it runs until SIGINT or SIGTERM, then prints its report. \
      SIGUSR1 ends a period: its figures go to standard error at once, and into the report. \
      Exit status: 0 when nothing failed, 1 when something did or nothing was sent, 64 for a usage \
      error.
      """)

  @Argument(help: "http://127.0.0.1:PORT/PATH: loopback only.")
  var url: String
  @Option(help: "Keep-alive connections.")
  var connections = 8
  @Option(help: "How many of 100 requests are POST, each with an id of its own.")
  var postShare = 0
  @Option(help: "The path that is posted to; otherwise that of the URL.")
  var postPath: String?
  @Option(
    help: "What each connection sends, in turn: get, post, chunked-post, websocket; repeatable.",
    transform: kind(named:))
  var kind: [TrafficKind] = []
  @Option(help: "The path that is upgraded to a websocket; otherwise that of the URL.")
  var websocketPath: String?
  @Option(help: "In this time each connection sends one request: 20ms. Excludes --rate.")
  var pace: Span?
  @Option(help: "The Host field; otherwise the URL's.")
  var host: String?
  @Option(help: "Stop after this many requests.")
  var requests: Int?
  @Option(help: "Stop after this time: 500ms, 10s, 2m.")
  var duration: Span?
  @Flag(help: "Run until SIGINT or SIGTERM, as without any bound.")
  var untilSignal = false
  @Option(help: "On a signal, first go on to this many requests; a second signal stops at once.")
  var atLeast = 0
  @Option(help: "Requests a second over all connections; otherwise as many as are answered.")
  var rate: Int?
  @Option(help: "A status that is no failure; repeatable; otherwise 200 to 299.")
  var expect: [Int] = []
  @Flag(inversion: .prefixedNo, help: "Require each answer to a POST to contain its id.")
  var echo = true
  @Option(help: "An answer that takes longer is a failure.")
  var timeout = Span(value: .seconds(10))
  @Option(help: "Write the report, as JSON, to this file.")
  var report: String?
  @Flag(help: "Print the report as JSON.")
  var json = false

  private static func kind(named name: String) throws -> TrafficKind {
    guard let kind = TrafficKind(rawValue: name) else {
      let names = TrafficKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("'\(name)' is none of \(names)")
    }
    return kind
  }

  func validate() throws {
    if atLeast < 0 { throw ValidationError("--at-least must not be negative") }
    if untilSignal, requests != nil || duration != nil {
      throw ValidationError("--until-signal excludes --requests and --duration")
    }
  }

  func run() async throws {
    var plan = LoadPlan(
      url: url, postPath: postPath, host: host, connections: connections, postShare: postShare,
      checksEcho: echo, expectedStatuses: expect, rate: rate, requests: requests,
      duration: duration?.value, timeout: timeout.value)
    plan.kinds = kind
    plan.websocketPath = websocketPath
    plan.pace = pace?.value
    let run: LoadRun
    do {
      run = try LoadRun(plan)
      try run.start()
    } catch {
      throw ValidationError(error.description)
    }
    let signals = obeySignals(run)
    let progress = isatty(STDERR_FILENO) == 1 ? showProgress(of: run) : nil
    let result = await run.finish()
    progress?.cancel()
    for signal in signals { signal.cancel() }

    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let encoded = try encoder.encode(result)
    if let report { try encoded.write(to: URL(fileURLWithPath: report), options: .atomic) }
    print(json ? String(decoding: encoded, as: UTF8.self) : Summary(result).text)
    if result.failed > 0 || result.requests == 0 { throw ExitCode.failure }
  }

  private func obeySignals(_ run: LoadRun) -> [any DispatchSourceSignal] {
    let queue = DispatchQueue(label: "signals")
    let seen = SignalCount()
    let stop: @Sendable () -> Void = {
      let isFirst = seen.count.add(1, ordering: .relaxed).oldValue == 0
      run.requestStop(atLeast: isFirst ? atLeast : 0)
    }
    let period: @Sendable () -> Void = {
      FileHandle.standardError.write(Data((Summary.line(run.endPeriod()) + "\n").utf8))
    }
    return [(SIGINT, stop), (SIGTERM, stop), (SIGUSR1, period)].map { number, action in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler(handler: action)
      source.resume()
      return source
    }
  }

  private func showProgress(of run: LoadRun) -> any DispatchSourceTimer {
    let source = DispatchSource.makeTimerSource(queue: .global())
    source.schedule(deadline: .now() + 1, repeating: 1)
    source.setEventHandler {
      FileHandle.standardError.write(Data((Summary.progress(run.snapshot()) + "\n").utf8))
    }
    source.resume()
    return source
  }
}

private final class SignalCount: Sendable {
  let count = Atomic(0)
}

/// A length of time as people write it: `500ms`, `10s`, `2m`.
struct Span: ExpressibleByArgument {
  var value: Duration

  init(value: Duration) { self.value = value }

  init?(argument: String) {
    let units: [(String, Int64)] = [("ms", 1), ("s", 1_000), ("m", 60_000)]
    guard let (unit, factor) = units.first(where: { argument.hasSuffix($0.0) }),
      let number = Int64(argument.dropLast(unit.count)), (1...86_400_000).contains(number)
    else { return nil }
    value = .milliseconds(number * factor)
  }

  var defaultValueDescription: String { "\(value.components.seconds)s" }
}
