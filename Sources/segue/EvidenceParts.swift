import ControlPlane
import Evidence
import EvidenceStore
import Foundation
import Logging
import PipelineRunner
import Ports
import ServiceLifecycle
import SpecFile

/// What evidence is read by, and kept in.
enum EvidenceParts {
  static func desk(_ history: EvidenceStore) -> EvidenceDesk {
    EvidenceDesk(
      reader: BuildEvidence(environment: ProcessInfo.processInfo.environment), history: history,
      advisories: AdvisoryFolder(),
      readWaivers: { bytes, path throws(PortError) in
        do throws(SpecReport) {
          return try GateFiles.waivers(bytes, file: path)
        } catch {
          throw refused(path, error)
        }
      },
      readQuarantines: { bytes, path throws(PortError) in
        do throws(SpecReport) {
          return try GateFiles.quarantines(bytes, file: path)
        } catch {
          throw refused(path, error)
        }
      })
  }

  private static func refused(_ path: String, _ report: SpecReport) -> PortError {
    PortError(
      "\(path) is refused", fault: .user, retry: .never,
      causes: report.rendered.split(separator: "\n").map(String.init))
  }
}

/// Removes evidence that is older than it needs to be.
struct EvidenceKeeping: Service {
  let store: EvidenceStore
  let logger: Logger

  func run() async throws {
    if let aside = store.setAside {
      logger.warning(
        "the evidence could not be used and begins anew", metadata: ["setAside": "\(aside)"])
    }
    try? await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          try await store.prune(now: SystemTime().now())
        } catch {
          logger.warning("evidence could not be pruned", metadata: ["error": "\(error)"])
        }
        try await Task.sleep(for: .seconds(6 * 3_600))
      }
    }
  }
}
