internal import ControlProtocol
internal import Foundation
internal import Glibc
internal import SegueModel
internal import SpecFile

/// Everything that `segue doctor` looks at: this machine, this repository, and, when it runs, the
/// control plane.
struct Checkup: Sendable {
  var context: Context
  var common: CommonOptions
  var listen: ListenAddress

  /// Less free space than this is a problem, less than ten times as much a warning.
  static let scarceBytes: UInt64 = 200 << 20

  func findings() async -> [Finding] {
    var findings = [await git()]
    findings += repository()
    guard let state = try? context.state(common) else {
      return findings + [
        Finding(
          subject: "state", severity: .problem, message: "it is not known where the state lives",
          nextStep: "Go to your project, or name its state directory with --state")
      ]
    }
    findings += Self.state(state)
    let running = await controlPlane()
    findings += running.findings
    if !running.answers { findings.append(port()) }
    return findings
  }

  private func git() async -> Finding {
    do {
      let text = try await Command.output("git", ["--version"], environment: context.environment)
      let version = text.trimmingCharacters(in: .whitespacesAndNewlines)
        .replacingOccurrences(of: "git version ", with: "")
      let numbers = version.split(separator: ".").prefix(2).map { Int($0) ?? 0 }
      let isOld = numbers.lexicographicallyPrecedes([2, 25])
      return Finding(
        subject: "git", severity: isOld ? .warning : .ok, message: "version \(version)",
        nextStep: isOld ? "Segue is tested with Git 2.25 and later" : nil)
    } catch {
      return Finding(
        subject: "git", severity: .problem, message: "it cannot be run: \(error)",
        nextStep: "Install Git, and have it on PATH")
    }
  }

  private func repository() -> [Finding] {
    guard let root = Repository.root(from: context.directory) else {
      let hasState =
        common.state != nil || !(context.environment["SEGUE_STATE"] ?? "").isEmpty
      return [
        Finding(
          subject: "repository", severity: hasState ? .advice : .problem,
          message: "\(context.directory) is in no Git repository",
          nextStep: "Go to your project, or begin one with `git init`")
      ]
    }
    var findings = [Finding(subject: "repository", severity: .ok, message: root)]
    do {
      let reading = try Repository.spec(in: root)
      let spec = reading.spec
      findings.append(
        Finding(
          subject: "segue.yaml", severity: .ok,
          message: "\(Words.count(spec.pipeline.count, "step")), "
            + "\(Words.count(spec.services.count, "service")), deploys \(spec.deployBranch)"))
      findings += reading.warnings.map { Self.finding($0, .warning) }
    } catch let report as SpecReport {
      findings += report.diagnostics.map {
        Self.finding($0, $0.severity == .error ? .problem : .warning)
      }
    } catch let error as ControlError {
      findings.append(
        Finding(
          subject: "segue.yaml", severity: .problem, message: error.message,
          nextStep: error.nextStep))
    } catch {
      findings.append(Finding(subject: "segue.yaml", severity: .problem, message: "\(error)"))
    }
    return findings
  }

  private static func finding(_ diagnostic: Diagnostic, _ severity: Finding.Severity) -> Finding {
    Finding(
      subject: "segue.yaml:\(diagnostic.line):\(diagnostic.column)", severity: severity,
      message: diagnostic.message, nextStep: diagnostic.hint)
  }

  // MARK: The state directory

  static func state(_ state: String) -> [Finding] {
    var findings: [Finding] = []
    let socket = StateDirectory.controlSocket(in: state) + ".new/s"
    if socket.utf8.count > 107 {
      findings.append(
        Finding(
          subject: "state", severity: .problem,
          message: "\(state) is too long for a socket in it: \(socket.utf8.count) of 107 bytes",
          nextStep: "Choose a shorter directory with --state or SEGUE_STATE"))
    }
    let nearest = nearestExisting(state)
    let exists = nearest == state
    if access(nearest, W_OK | X_OK) != 0 {
      findings.append(
        Finding(
          subject: "state", severity: .problem, message: "\(nearest) cannot be written",
          nextStep: "Choose another with --state, or change its owner"))
    } else if findings.isEmpty {
      findings.append(
        Finding(
          subject: "state", severity: .ok,
          message: exists ? state : "\(state) (will be created by `segue up`)"))
    }
    findings.append(space(nearest))
    return findings
  }

  private static func space(_ path: String) -> Finding {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
    guard let free = (attributes?[.systemFreeSize] as? NSNumber)?.uint64Value else {
      return Finding(
        subject: "disk", severity: .warning, message: "its free space cannot be asked for")
    }
    let text = "\(Words.count(free >> 20)) MiB free for builds and the journal"
    if free < scarceBytes {
      return Finding(
        subject: "disk", severity: .problem, message: text,
        nextStep: "Make room, or choose another disk with --state")
    }
    return Finding(
      subject: "disk", severity: free < scarceBytes * 10 ? .warning : .ok, message: text)
  }

  private static func nearestExisting(_ path: String) -> String {
    var path = path
    while !FileManager.default.fileExists(atPath: path), path != "/" {
      path =
        URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false)
        .trimmingSlashes
    }
    return path
  }

  // MARK: What runs

  private actor Gathered {
    var findings: [Finding] = []
    func add(_ more: [Finding]) { findings += more }
  }

  private func controlPlane() async -> (answers: Bool, findings: [Finding]) {
    let gathered = Gathered()
    do {
      _ = try await context.withAPI(common) { api in
        let status = try await api.status()
        await gathered.add([
          Finding(
            subject: "control plane", severity: .ok,
            message: "version \(status.segueVersion), project \(status.project)")
        ])
        if status.segueVersion != segueVersion {
          await gathered.add([
            Finding(
              subject: "control plane", severity: .warning,
              message: "it runs version \(status.segueVersion), this is \(segueVersion)",
              nextStep: "Stop it and start it again with this binary: `segue up`")
          ])
        }
        await gathered.add(
          status.problems.map {
            Finding(subject: "control plane", severity: .problem, message: $0)
          })
        await gathered.add(try await api.diagnose())
        return .success
      }
      return (true, await gathered.findings)
    } catch let error as ControlError where error.kind == .unreachable {
      let finding = Finding(
        subject: "control plane", severity: .advice, message: "it is not running",
        nextStep: "Start it with `segue up`")
      return (false, await gathered.findings + [finding])
    } catch {
      let finding = Finding(
        subject: "control plane", severity: .problem, message: "it gives no sound answer: \(error)")
      return (true, await gathered.findings + [finding])
    }
  }

  /// Whether the address can be had; only asked when no proxy of ours should hold it.
  private func port() -> Finding {
    let subject = "port \(listen.port)"
    switch PortProbe.tryToBind(host: listen.host, port: listen.port) {
    case .free:
      return Finding(subject: subject, severity: .ok, message: "\(listen) is free")
    case .taken:
      return Finding(
        subject: subject, severity: .warning,
        message: "something listens on \(listen) already: it may be this project's proxy, which "
          + "goes on without the control plane",
        nextStep: "If it is not, choose another address with --listen")
    case .failed(let reason):
      return Finding(
        subject: subject, severity: .problem, message: "\(listen) cannot be had: \(reason)",
        nextStep: "Choose another address with --listen")
    }
  }
}
