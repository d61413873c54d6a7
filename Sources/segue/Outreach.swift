import Commands
import ControlPlane
import ControlServer
import Logging
import Ports
import SegueModel
import ServiceLifecycle

/// Everything by which a control plane speaks with people and forges, put together.
struct Outreach {
  private let desk: OutreachDesk
  private let issues: IssueDesk
  private let reviews: ReviewDesk
  private let options: ServeOptions
  private let logger: Logger

  init(_ options: ServeOptions, source: any Source, logger: Logger) {
    let secrets = SecretFiles(directory: options.state + "/secrets")
    desk = OutreachDesk(secrets, source: source, logger: logger)
    issues = IssueDesk(secrets, time: SystemTime())
    reviews = ReviewDesk(secrets, time: SystemTime())
    self.options = options
    self.logger = logger
  }

  func join(_ world: inout Dependencies) {
    world.outreach = desk
    world.issue = { [issues] key, tracker in await issues.state(of: key, at: tracker) }
    world.review = { [reviews] commit, branch, forge in
      await reviews.state(of: commit, on: branch, at: forge)
    }
  }

  func services(
    for controlPlane: ControlPlane
  ) -> [ServiceGroupConfiguration.ServiceConfiguration] {
    var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
      .init(service: desk), .init(service: Closing { [issues] in await issues.shutdown() }),
      .init(service: Closing { [reviews] in await reviews.shutdown() }),
    ]
    guard let address = options.webhooks else { return services }
    // The forge is answered at once: a fetch may take longer than it waits.
    let (pushes, push) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let server = WebhookServer(
      host: address.host, port: address.port, logger: logger
    ) { [logger] port in
      logger.info("taking webhooks", metadata: ["port": "\(port)"])
    } handler: { [desk] headers, body in
      do throws(WebhookFault) {
        guard try await desk.read(headers: headers, body: body) != nil else {
          return .init(status: 202, text: "nothing to do")
        }
      } catch {
        return .init(status: error.status, text: error.text)
      }
      push.yield()
      return .init(status: 202, text: "looking at the repository")
    }
    services.append(.init(service: server))
    services.append(.init(service: Looking(pushes: pushes, end: push, plane: controlPlane)))
    return services
  }

  /// Has the control plane look at its source after each push that it hears of.
  private struct Looking: Service {
    let pushes: AsyncStream<Void>
    let end: AsyncStream<Void>.Continuation
    let plane: ControlPlane

    func run() async throws {
      await withGracefulShutdownHandler {
        for await _ in pushes { await plane.sourceChanged() }
      } onGracefulShutdown: {
        end.finish()
      }
    }
  }

  /// Does something when everything is told to stop.
  private struct Closing: Service {
    let close: @Sendable () async -> Void

    func run() async throws {
      try? await gracefulShutdown()
      await close()
    }
  }
}
