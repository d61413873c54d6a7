import Dispatch
import Foundation
import Glibc
import NIOCore
import Ports
import SegueModel

/// A proxy that was taken over from: it drains, and can be asked until it has.
///
/// Unchecked, because every member is touched on the control loop alone; only the exchange itself
/// happens elsewhere.
final class Ancestor: @unchecked Sendable {
  /// It answers at once or not at all: it is on this machine, and has little else to do.
  private static let patience = Milliseconds.seconds(1)
  private static let queue = DispatchQueue(label: "segue.proxy-ancestors", attributes: .concurrent)

  private let path: String
  /// What it said last, which stays part of the sum when it has gone.
  private var last: [ServiceReport] = []
  private(set) var isGone = false

  /// - Parameter path: of the control socket that it kept.
  init(path: String) { self.path = path }

  /// What it has done, and what it has in flight.
  func report(on loop: any EventLoop) -> EventLoopFuture<[ServiceReport]> {
    guard !isGone else { return loop.makeSucceededFuture(last) }
    return ask(ControlRequest(verb: .report), on: loop).map { [self] reply in
      if let reports = reply?.reports { last = reports } else { bury() }
      return last
    }
  }

  /// Passes a table on; succeeds also when it has gone.
  func tell(_ request: ControlRequest, on loop: any EventLoop) -> EventLoopFuture<Void> {
    ask(request, on: loop).map { [self] reply in if reply == nil { bury() } }
  }

  /// It has nothing in flight any more, because it is not there.
  private func bury() {
    isGone = true
    if let final = Testament.take(beside: path) { last = final }
    for index in last.indices {
      last[index].inFlight = [:]
      last[index].held?.waiting = 0
      for version in last[index].versions.indices { last[index].versions[version].inFlight = 0 }
    }
  }

  /// `nil`: it is not there any more.
  private func ask(
    _ request: ControlRequest, on loop: any EventLoop
  ) -> EventLoopFuture<ControlReply?> {
    let promise = loop.makePromise(of: ControlReply?.self)
    let exchange = LineExchange(path: path, deadline: Self.patience)
    Self.queue.async {
      guard let line = try? JSONEncoder().encode(request), let answer = try? exchange.send(line)
      else { return promise.succeed(nil) }
      promise.succeed(try? JSONDecoder().decode(ControlReply.self, from: answer))
    }
    return promise.futureResult
  }
}

/// What a proxy had counted when it ended, for the one that took over from it: it would otherwise know
/// only what it was last told.
enum Testament {
  private static func path(beside controlPath: String) -> String { controlPath + ".report" }

  /// Without it the heir goes by what it was last told, so that a full disk costs some counts.
  static func write(_ reports: [ServiceReport], beside controlPath: String) {
    let url = URL(fileURLWithPath: path(beside: controlPath))
    try? JSONEncoder().encode(reports).write(to: url, options: .atomic)
  }

  static func take(beside controlPath: String) -> [ServiceReport]? {
    let path = path(beside: controlPath)
    defer { unlink(path) }
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    return try? JSONDecoder().decode([ServiceReport].self, from: data)
  }
}

/// Blocking calls, off the threads of async code.
enum Blocking {
  private static let queue = DispatchQueue(label: "segue.proxy-blocking", attributes: .concurrent)

  static func run<Value: Sendable>(
    _ body: @escaping @Sendable () throws(PortError) -> Value
  ) async throws(PortError) -> Value {
    let result: Result<Value, PortError> = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(returning: Result { () throws(PortError) in try body() })
      }
    }
    return try result.get()
  }
}
