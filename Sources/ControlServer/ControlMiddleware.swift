internal import ControlProtocol
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging

/// Checks the protocol's version, puts it into every response, and turns every error into a
/// ``ControlError`` with a fitting status.
struct ControlMiddleware: RouterMiddleware {
  let logger: Logger

  func handle(
    _ request: Request, context: ControlContext,
    next: @concurrent (Request, ControlContext) async throws -> Response
  ) async throws -> Response {
    var response: Response
    do {
      try checkVersion(of: request)
      response = try await next(request, context)
    } catch {
      let answer = controlError(for: error, request: request)
      response = try ControlRouter.json(answer, status: answer.kind.status)
    }
    response.headers[Self.version] = "\(controlProtocolVersion)"
    return response
  }

  private static let version: HTTPField.Name = {
    guard let name = HTTPField.Name(ControlWire.versionHeader) else {
      preconditionFailure("\(ControlWire.versionHeader) is no name of a header field")
    }
    return name
  }()

  private func checkVersion(of request: Request) throws(ControlError) {
    let asked = request.headers[Self.version]
    // Calendar programs know nothing of the protocol, and this answer is none of its types.
    if asked == nil, request.uri.path == ControlWire.Path.calendarFeed { return }
    guard asked == "\(controlProtocolVersion)" else {
      throw ControlError(
        .invalid,
        "this control plane speaks version \(controlProtocolVersion) of the control protocol, "
          + "the request \(asked.map { "version \($0)" } ?? "names none")",
        nextStep: "Use the segue binary that the control plane runs, or restart it with yours")
    }
  }

  private func controlError(for error: any Error, request: Request) -> ControlError {
    switch error {
    case let error as ControlError: return error
    case let error as any HTTPResponseError where error.status == .notFound:
      return ControlError(.notFound, "there is no \(request.method) \(request.uri.path)")
    case let error as any HTTPResponseError where error.status.kind == .clientError:
      return ControlError(.invalid, "the request cannot be served: \(error.status)")
    default:
      logger.error(
        "request failed",
        metadata: ["path": "\(request.uri.path)", "error": "\(String(reflecting: error))"])
      return ControlError(
        .failed, "the control plane could not answer", causes: ["\(error)"])
    }
  }
}

extension ControlError.Kind {
  /// The HTTP status that carries an error of this kind.
  var status: HTTPResponse.Status {
    switch self {
    case .invalid: .badRequest
    case .notFound: .notFound
    case .refused: .conflict
    case .failed: .badGateway
    case .unreachable: .serviceUnavailable
    }
  }
}
