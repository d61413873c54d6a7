import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The readiness protocol of sd_notify(3).
public enum ServiceManager {
  /// Tells whoever started us, if they asked (`NOTIFY_SOCKET`): one datagram; an
  /// abstract name begins with `@`. Without a service manager it does nothing.
  public static func notify(_ state: String) {
    guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"], !path.isEmpty else {
      return
    }
    let name = path.hasPrefix("@") ? "\0" + path.dropFirst() : path
    guard var address = UnixAddress(name) else { return }
    let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let descriptor = socket(AF_UNIX, type, 0)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
    let bytes = Array(state.utf8)
    _ = address.withSockaddr { pointer, size in
      let size = path.hasPrefix("@") ? length : size
      return Int32(sendto(descriptor, bytes, bytes.count, 0, pointer, size))
    }
  }
}
