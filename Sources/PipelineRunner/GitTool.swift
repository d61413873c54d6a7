internal import Foundation
internal import Glibc
internal import Ports
internal import SegueModel
internal import Synchronization

/// What one `git` command answered.
struct GitOutput: Sendable {
  var status: Int32
  var bytes: [UInt8]
  /// The last 16 KiB of standard error.
  var error: String

  var text: String { String(decoding: bytes, as: UTF8.self) }
  /// The first line without its end.
  var line: String { text.split(separator: "\n").first.map(String.init) ?? "" }
  /// NUL-separated values.
  var fields: [String] { bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) } }
}

/// The `git` command, run so that the same arguments mean the same thing for every user: nothing asks a
/// question, no output is translated, quoted or paged, and no hook, filter or helper that a repository
/// brings along is executed. Credential helpers, SSH keys, proxies and `url.*.insteadOf` of the user's
/// own configuration keep working.
struct GitTool: Sendable {
  private let environment: [String: String]

  /// Where Git keeps what is being pushed until the hook has answered (git-receive-pack(1)).
  private static let quarantine = [
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH",
  ]

  /// - Parameters:
  ///   - environment: of which `PATH`, `HOME` and what remotes need are passed on.
  ///   - inHook: What is being pushed is seen as well.
  init(environment: [String: String], inHook: Bool = false) {
    let passed = [
      "PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
      "SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
      "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "SSL_CERT_FILE",
      "SSL_CERT_DIR", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
      "no_proxy", "NO_PROXY", "KRB5CCNAME", "DBUS_SESSION_BUS_ADDRESS",
    ]
    var clean = environment.filter {
      passed.contains($0.key) || (inHook && Self.quarantine.contains($0.key))
    }
    clean["LC_ALL"] = "C"
    clean["GIT_TERMINAL_PROMPT"] = "0"
    clean["GCM_INTERACTIVE"] = "never"
    clean["SSH_ASKPASS_REQUIRE"] = "never"
    clean["GIT_OPTIONAL_LOCKS"] = "0"
    clean["GIT_LFS_SKIP_SMUDGE"] = "1"
    self.environment = clean
  }

  private static let settings = [
    "core.quotePath=off", "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.pager=cat",
    "core.autocrlf=false", "core.attributesFile=/dev/null", "core.excludesFile=/dev/null",
    "color.ui=false", "log.showSignature=false", "i18n.logOutputEncoding=UTF-8",
    "gc.auto=0", "maintenance.auto=false", "init.templateDir=", "submodule.recurse=false",
    "fetch.recurseSubmodules=false", "advice.detachedHead=false", "checkout.workers=0",
  ]

  /// Git LFS as an explicit step of ours instead of a filter that starts in the middle of a checkout.
  private static let withoutLFS = [
    "filter.lfs.smudge=", "filter.lfs.clean=", "filter.lfs.process=", "filter.lfs.required=false",
  ]

  private static let withLFS = [
    "filter.lfs.smudge=git-lfs smudge -- %f", "filter.lfs.clean=git-lfs clean -- %f",
    "filter.lfs.process=git-lfs filter-process", "filter.lfs.required=true",
  ]

  /// Whether there is a program of this name on the path.
  func find(_ program: String) -> String? {
    for folder in (environment["PATH"] ?? "").split(separator: ":") where folder.hasPrefix("/") {
      let path = "\(folder)/\(program)"
      var info = stat()
      if stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG, access(path, X_OK) == 0 {
        return path
      }
    }
    return nil
  }

  /// Runs `git`; any exit status is an answer.
  ///
  /// - Throws: when git is not there, does not end within `deadline`, or prints more than `limit`
  ///   bytes.
  func run(
    _ arguments: [String], in directory: String? = nil, deadline: Duration = .seconds(60),
    limit: Int = 16 << 20, settings extra: [String] = [], lfs: Bool = false,
    progress: (@Sendable (String) -> Void)? = nil
  ) async throws(PortError) -> GitOutput {
    guard let executable = find("git") else {
      throw PortError(
        "git is not installed, or not on the PATH", fault: .platform, retry: .never,
        nextStep: "Install git (Debian: apt install git) and start Segue again.")
    }
    let settings = Self.settings + (lfs ? Self.withLFS : Self.withoutLFS) + extra
    var environment = self.environment
    if lfs { environment["GIT_LFS_SKIP_SMUDGE"] = nil }
    let collector = GitCollector(limit: limit, progress: progress)
    let ending = try await ChildProcess.run(
      ChildRequest(
        executable: executable, arguments: settings.flatMap { ["-c", $0] } + arguments,
        environment: environment, directory: directory, deadline: deadline, grace: .seconds(2))
    ) { bytes, isError in collector.take(bytes, isError: isError) }
    let command = "git \(arguments.first { !$0.hasPrefix("-") } ?? "")"
    switch ending.stop {
    case .timedOut:
      throw PortError(
        "\(command) did not end within \(Milliseconds(deadline))", fault: .network, retry: .safe,
        causes: collector.lastErrorLines(3))
    case .cancelled:
      throw PortError("\(command) was cancelled", fault: .user, retry: .safe)
    case nil: break
    }
    return try collector.output(of: command, ending.status)
  }
}

/// Gathers what a command prints, within bounds.
private final class GitCollector: Sendable {
  private struct State {
    var bytes: [UInt8] = []
    var overflowed = false
    var error: [UInt8] = []
    var progressLine: [UInt8] = []
  }

  private static let errorLimit = 16_384
  private let state = Mutex(State())
  private let limit: Int
  private let progress: (@Sendable (String) -> Void)?

  init(limit: Int, progress: (@Sendable (String) -> Void)?) {
    self.limit = limit
    self.progress = progress
  }

  func take(_ bytes: UnsafeRawBufferPointer, isError: Bool) {
    let lines: [String] = state.withLock { state in
      guard isError else {
        let room = limit - state.bytes.count
        state.overflowed = state.overflowed || bytes.count > room
        state.bytes += bytes.prefix(room)
        return []
      }
      state.error += bytes
      if state.error.count > 2 * Self.errorLimit {
        state.error.removeFirst(state.error.count - Self.errorLimit)
      }
      guard progress != nil else { return [] }
      state.progressLine += bytes
      var parts = state.progressLine.split(
        omittingEmptySubsequences: false, whereSeparator: { $0 == 10 || $0 == 13 })
      state.progressLine = Array(parts.removeLast().suffix(1_024))
      return parts.filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
    }
    if let progress { for line in lines { progress(line) } }
  }

  func lastErrorLines(_ count: Int) -> [String] {
    state.withLock { GitError.lines(String(decoding: $0.error, as: UTF8.self)).suffix(count) }
  }

  func output(
    of command: String, _ status: ChildEnding.Status
  ) throws(PortError) -> GitOutput {
    let state = state.withLock { $0 }
    if state.overflowed {
      throw PortError(
        "\(command) printed more than \(limit) bytes", fault: .user, retry: .never)
    }
    let error = String(decoding: state.error.suffix(Self.errorLimit), as: UTF8.self)
    switch status {
    case .exited(let status): return GitOutput(status: status, bytes: state.bytes, error: error)
    case .signalled(let signal):
      throw PortError(
        "\(command) was killed by signal \(signal)", fault: .platform, retry: .safe,
        causes: GitError.lines(error).suffix(3))
    case .unknown:
      throw PortError("\(command) ended, but nobody knows how", fault: .segue, retry: .safe)
    }
  }
}

/// What `git` says when it fails, in our words.
enum GitError {
  /// Lines that say something, without progress and the passwords that addresses may hold.
  static func lines(_ error: String) -> [String] {
    error.split(whereSeparator: { $0 == "\n" || $0 == "\r" || $0 == "\r\n" })
      .map { redacted(String($0).trimmingCharacters(in: .whitespaces)) }
      .filter { line in
        !line.isEmpty && !line.contains("% (") && !line.hasPrefix("remote: Counting")
          && !line.hasPrefix("hint:")
      }
  }

  /// `https://user:password@host` without what is before the `@`.
  static func redacted(_ text: String) -> String {
    text.replacing(#/([a-z][a-z0-9+.\-]*:\/\/)[^\/@\s'"]+@/#) { "\($0.output.1)" }
  }

  private static let unreachable = [
    "Could not resolve host", "Connection refused", "Connection timed out",
    "Network is unreachable",
    "unable to access", "Could not read from remote repository", "early EOF",
    "the remote end hung up", "Connection reset", "Operation timed out", "Failed to connect",
  ]
  private static let denied = [
    "Authentication failed", "Permission denied (", "terminal prompts disabled",
    "could not read Username", "could not read Password", "HTTP Basic: Access denied",
    "The requested URL returned error: 403", "The requested URL returned error: 401",
  ]

  /// The failure of a command on the repository `place`.
  static func explain(_ output: GitOutput, doing what: String, at place: String) -> PortError {
    let lines = lines(output.error)
    let causes = Array(lines.suffix(3))
    let place = redacted(place)
    func has(_ texts: [String]) -> Bool { texts.contains { output.error.contains($0) } }
    if output.error.contains("dubious ownership") {
      return PortError(
        "the repository \(place) belongs to another user", fault: .user, retry: .never,
        causes: causes,
        nextStep: "If you trust it: git config --global --add safe.directory '\(place)'")
    }
    if has(["No space left on device", "Disk quota exceeded"]) {
      return PortError(
        what, fault: .platform, retry: .safe, causes: causes, nextStep: "Free some disk space.")
    }
    if has(denied) {
      return PortError(
        "\(what): \(place) refuses us", fault: .user, retry: .never, causes: causes,
        nextStep: "Give the user that runs Segue a credential helper or an SSH key, "
          + "and try: git ls-remote '\(place)'")
    }
    if has(["does not appear to be a git repository", "not a git repository", "not found"])
      || output.error.contains("does not exist")
    {
      return PortError(
        "\(place) is not a Git repository", fault: .user, retry: .never, causes: causes,
        nextStep: "Check the address or the path of the repository.")
    }
    if has(unreachable) {
      return PortError(
        "\(what): \(place) cannot be reached", fault: .network, retry: .safe, causes: causes,
        nextStep: "Try it as the user that runs Segue: git ls-remote '\(place)'")
    }
    return PortError(what, fault: .user, retry: .safe, causes: causes)
  }
}
