import NIOHTTP1
public import OutboundHTTP
public import Ports

/// Any address that answers `GET` with JSON which holds a number.
public struct JSONSource: MetricSource {
  private let address: String
  private let path: String
  private let http: OutboundClient

  /// - Parameters:
  ///   - address: may hold `{{version}}`, `{{service}}` and `{{seconds}}`.
  ///   - path: where the number is: `data.items[0].rate`.
  public init(address: String, path: String, http: OutboundClient) {
    self.address = address
    self.path = path
    self.http = http
  }

  public func read(_ query: MetricQuery) async -> MetricReading {
    guard let path = JSONPath(path) else {
      return .noData("\(path) is not a path such as data.items[0].rate")
    }
    let text: String
    switch Placeholders.filled(address, query, escape: Placeholders.percentEncoded) {
    case .success(let filled): text = filled
    case .failure(let fault): return .noData(fault.what)
    }
    do throws(OutboundClient.Failure) {
      let answer = try await http.exchange(text, headers: MetricRequest.headers)
      guard (200...299).contains(answer.status) else {
        return .noData("\(address) answered \(answer.status)")
      }
      return path.number(in: answer.body)
    } catch {
      return .noData("\(address): \(error)")
    }
  }
}

/// What every request for a metric says of itself.
enum MetricRequest {
  static let headers: HTTPHeaders = [
    "user-agent": "segue-metrics/1", "accept": "application/json",
  ]
}
