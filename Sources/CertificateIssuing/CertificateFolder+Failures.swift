import Foundation
import Ports
import SegueModel

/// What is remembered of a group that could not be had, across restarts.
struct PastFailure: Hashable, Sendable {
  var backOff: BackOff
  var problem: PortError?
}

extension CertificateFolder {
  private struct Record: Codable {
    var failures: Int
    var next: Instant
    var problem: Problem?
  }

  private struct Problem: Codable {
    var what: String
    var fault: PortError.Fault
    var retry: PortError.Retry
    var causes: [String]
    var nextStep: String?
  }

  private var failuresFile: String { path + "/failures.json" }
  /// A larger file is not ours.
  private static let sizeLimit = 1 << 20

  /// Who failed before this process began, by ``HostGroup/description``. What cannot be read is
  /// nobody's: the worst that follows is one attempt too early.
  ///
  /// - Parameter now: when this process began.
  func failures(now: Instant) -> [String: PastFailure] {
    guard let file = FileHandle(forReadingAtPath: failuresFile) else { return [:] }
    defer { try? file.close() }
    guard let data = try? file.read(upToCount: Self.sizeLimit),
      let records = try? JSONDecoder().decode([String: Record].self, from: data)
    else { return [:] }
    return records.mapValues { record in
      PastFailure(
        backOff: BackOff(failures: record.failures, next: record.next, resumedAt: now),
        problem: record.problem.map {
          PortError(
            $0.what, fault: $0.fault, retry: $0.retry, causes: $0.causes, nextStep: $0.nextStep)
        })
    }
  }

  func keep(_ failures: [String: PastFailure]) throws(PortError) {
    let records = failures.compactMapValues { failure in
      failure.backOff.next.map { next in
        Record(
          failures: failure.backOff.failures, next: next,
          problem: failure.problem.map {
            Problem(
              what: $0.what, fault: $0.fault, retry: $0.retry, causes: $0.causes,
              nextStep: $0.nextStep)
          })
      }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(records) else { return }
    try DurableFile.makeDirectory(path)
    try DurableFile.write(Array(data), to: failuresFile)
  }
}
