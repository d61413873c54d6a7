import ControlProtocol
import SegueModel
import Synchronization
import Testing

@testable import Commands

/// When `segue gate` only reads, and when it has the steps of a commit run.
@Suite struct GateCommandTests {
  /// Until somebody asks, this is known of the commit; `nil`: nothing.
  private static func api(_ before: GateReply?, asked: Asked) -> ScriptedAPI {
    var api = ScriptedAPI()
    api.onRequest = { request in asked.add(request) }
    api.gatesReply = {
      if asked.isEmpty {
        guard let before else { throw ControlError(.notFound, "Segue knows no commit 1a2b3c4d") }
        return before
      }
      return Samples.gates
    }
    return api
  }

  private static var incomplete: GateReply {
    var reply = Samples.gates
    reply.isComplete = false
    return reply
  }

  @Test func whatIsNotKnownYetIsAskedAndNothingIsDeployed() async throws {
    for before in [nil, Self.incomplete] {
      let asked = Asked()
      let outcome = try await segue(
        "gate", "--commit", "1a2b3c4d", api: Self.api(before, asked: asked))
      #expect(outcome.status == .negative, "\(outcome.errors)")
      #expect(outcome.output.contains("is stopped by tests"), "\(outcome.output)")
      #expect(asked.all.count == 1)
      #expect(asked.all.first?.contains("asks: Optional(true)") == true, "\(asked.all)")
    }
  }

  @Test func whatIsKnownIsOnlyRead() async throws {
    for arguments in [["gate"], ["gate", "--commit", "1a2b3c4d", "--known"]] {
      let asked = Asked()
      let outcome = try await segue(arguments, api: Self.api(Self.incomplete, asked: asked))
      #expect(outcome.status == .negative, "\(outcome.errors)")
      #expect(asked.all.isEmpty)
    }
    let asked = Asked()
    let unknown = try await segue(
      ["gate", "--commit", "1a2b3c4d", "--known"], api: Self.api(nil, asked: asked))
    #expect(unknown.errors.contains("Segue knows no commit 1a2b3c4d"))
    #expect(asked.all.isEmpty)
  }
}

/// What the control plane was asked.
private final class Asked: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }
  var isEmpty: Bool { all.isEmpty }
  func add(_ line: String) { lines.withLock { $0.append(line) } }
}
