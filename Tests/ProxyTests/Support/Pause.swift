import Glibc

/// A pause of exactly this length, for tests of what happens within it.
func usleepMicroseconds(_ microseconds: UInt32) {
  var span = timespec(tv_sec: 0, tv_nsec: Int(microseconds) * 1_000)
  // pause: the callers say why.
  _ = nanosleep(&span, nil)
}
