internal import Glibc

/// Finds out whether an address is free by taking it for a moment.
enum PortProbe {
  enum Answer: Equatable {
    case free
    case taken
    case failed(String)
  }

  /// - Parameter host: A literal address; a name is not looked up.
  static func tryToBind(host: String, port: Int) -> Answer {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
    hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, "\(port)", &hints, &found)
    guard code == 0, let address = found else {
      return .failed(String(cString: gai_strerror(code)))
    }
    defer { freeaddrinfo(address) }
    let descriptor = socket(
      address.pointee.ai_family, address.pointee.ai_socktype | CInt(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return .failed(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    // As a server would: connections that wait for their end do not hold the address.
    var yes: CInt = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
    guard bind(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) != 0 else {
      return .free
    }
    return errno == EADDRINUSE ? .taken : .failed(String(cString: strerror(errno)))
  }
}
