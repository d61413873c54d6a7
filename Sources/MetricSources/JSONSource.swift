public import NIOCore
public import NIOPosix
public import Ports
public import SegueModel

/// Any address that answers `GET` with JSON which holds a number.
public struct JSONSource: MetricSource {
  private let address: String
  private let path: String
  private let deadline: Milliseconds
  private let group: any EventLoopGroup

  /// - Parameters:
  ///   - address: plain HTTP, may hold `{{version}}`, `{{service}}` and `{{seconds}}`.
  ///   - path: where the number is: `data.items[0].rate`.
  public init(
    address: String, path: String, deadline: Milliseconds = .seconds(5),
    group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  ) {
    self.address = address
    self.path = path
    self.deadline = deadline
    self.group = group
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
    guard let target = PlainFetch.Address(text) else {
      return .noData("\(address) is not an address such as http://127.0.0.1:8080/metrics.json")
    }
    switch await PlainFetch.get(target, deadline: deadline, on: group) {
    case .failed(let why): return .noData(why)
    case .body(200...299, let bytes): return path.number(in: bytes)
    case .body(let status, _): return .noData("\(target.target) answered \(status)")
    }
  }
}
