import Foundation
public import OutboundHTTP
public import Ports
public import SegueModel

/// Asks a Prometheus server, or whatever speaks its HTTP API (`GET /api/v1/query`, version 1).
public struct PrometheusSource: MetricSource {
  public enum Kind: Hashable, Sendable {
    case value(query: String)
    /// Both must be increases over the span: `sum(increase(errors{version="{{version}}"}[{{seconds}}s]))`.
    /// They are estimates, and are rounded.
    case counts(events: String, bad: String)
  }

  private let address: String
  private let kind: Kind
  private let lag: Milliseconds
  private let http: OutboundClient

  /// - Parameters:
  ///   - address: `https://prometheus.example.com`, with a path if there is one.
  ///   - lag: what happened more recently than this is not yet scraped; the query looks back as far.
  public init(
    address: String, kind: Kind, lag: Milliseconds = .seconds(15), http: OutboundClient
  ) {
    self.address = address
    self.kind = kind
    self.lag = lag
    self.http = http
  }

  public func read(_ query: MetricQuery) async -> MetricReading {
    switch kind {
    case .value(let template): return await ask(template, query)
    case .counts(let events, let bad):
      let all = await ask(events, query)
      guard case .value(let all) = all else { return all }
      let failed = await ask(bad, query)
      guard case .value(let failed) = failed else { return failed }
      guard all >= 0, failed >= 0, all < 1e15, failed < 1e15 else {
        return .noData("a count is negative or beyond all that can be")
      }
      // An increase is extrapolated, so that a few more errors than requests are no contradiction.
      let events = UInt64(all.rounded())
      return .counts(events: events, bad: min(events, UInt64(failed.rounded())))
    }
  }

  private func ask(_ template: String, _ query: MetricQuery) async -> MetricReading {
    let text: String
    switch Placeholders.filled(template, query, escape: Self.escaped) {
    case .success(let filled): text = filled
    case .failure(let fault): return .noData(fault.what)
    }
    let back = query.until.milliseconds.subtractingReportingOverflow(lag.count)
    guard !back.overflow, back.partialValue > 0 else { return .noData("the time makes no sense") }
    let moment =
      "\(back.partialValue / 1_000).\(String(1_000 + back.partialValue % 1_000).dropFirst())"
    let base = address.hasSuffix("/") ? String(address.dropLast()) : address
    let url = "\(base)/api/v1/query?time=\(moment)&query=\(Placeholders.percentEncoded(text))"
    do throws(OutboundClient.Failure) {
      let answer = try await http.exchange(url, headers: MetricRequest.headers)
      return Self.reading(status: answer.status, bytes: answer.body)
    } catch {
      return .noData("Prometheus: \(error)")
    }
  }

  private struct Answer: Decodable {
    struct Body: Decodable {
      var resultType: String
      var result: Results
    }

    /// A list of series, or one sample.
    enum Results: Decodable {
      case series([Series])
      case sample(Sample)

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let sample = try? container.decode(Sample.self) {
          self = .sample(sample)
        } else {
          self = .series(try container.decode([Series].self))
        }
      }
    }

    struct Series: Decodable {
      var value: Sample?
    }

    /// `[1700000000.123, "0.5"]`
    struct Sample: Decodable {
      var text: String

      init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        _ = try container.decode(Double.self)
        text = try container.decode(String.self)
      }
    }

    var status: String
    var error: String?
    var data: Body?
  }

  static func reading(status: Int, bytes: [UInt8]) -> MetricReading {
    guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(bytes)) else {
      return .noData("Prometheus answered \(status) with something that is not its JSON")
    }
    guard answer.status == "success", let data = answer.data else {
      return .noData("Prometheus: \((answer.error ?? "it answered \(status)").prefix(300))")
    }
    switch data.result {
    case .sample(let sample): return number(sample)
    case .series(let series) where series.isEmpty:
      return .noData("the query found nothing: no such series, or none lately")
    case .series(let series) where series.count > 1:
      return .noData("the query found \(series.count) series and must find one: wrap it in sum()")
    case .series(let series):
      return series.first?.value.map(number) ?? .noData("the query must find an instant value")
    }
  }

  private static func number(_ sample: Answer.Sample) -> MetricReading {
    guard let number = Double(sample.text), number.isFinite else {
      return .noData("the query gave \(sample.text.prefix(20))")
    }
    return .value(number)
  }

  /// For a string in double quotes of PromQL.
  private static func escaped(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      if character == "\"" || character == "\\" { result.append("\\") }
      result.append(character)
    }
  }
}
