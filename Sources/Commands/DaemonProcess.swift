public import ControlProtocol
internal import Glibc
internal import Synchronization

/// A process in a session of its own, so that the end of the terminal, or Ctrl-C in it, is not its
/// end.
public final class DaemonProcess: Sendable {
  public let pid: Int32
  private let exit = Mutex<Int32?>(nil)

  /// Starts it with this process's environment, no input, and output appended to `log`.
  ///
  /// - Throws: ``ControlError`` of kind `failed`.
  public init(executable: String, arguments: [String], log: String) throws(ControlError) {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // Ignored signals would be inherited; the daemon is to start with none.
    var defaults = sigset_t()
    sigfillset(&defaults)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    let newSession: Int16 = 0x80  // POSIX_SPAWN_SETSID, which the importer does not see.
    posix_spawnattr_setflags(&attributes, newSession | Int16(POSIX_SPAWN_SETSIGDEF))

    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child = pid_t()
    let code = posix_spawn(&child, executable, &actions, &attributes, &words, environ)
    guard code == 0 else {
      throw ControlError(
        .failed, "cannot start \(arguments.joined(separator: " "))",
        causes: [String(cString: strerror(code))])
    }
    pid = child
  }

  /// The status it ended with, or the negative number of the signal that ended it; `nil` while it
  /// runs. Does not wait.
  public func exitStatus() -> Int32? {
    exit.withLock { exit in
      if exit == nil {
        var status: Int32 = 0
        if waitpid(pid, &status, WNOHANG) == pid {
          let signal = status & 0x7f
          exit = signal == 0 ? (status >> 8) & 0xff : -signal
        }
      }
      return exit
    }
  }
}
