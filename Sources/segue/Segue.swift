import Commands
import Glibc

/// The one binary: control plane, proxy and command line. What each is made of is put together in
/// ``Production``.
@main
enum Segue {
  static func main() async {
    let status = await SegueCommand.run(composition: Production())
    exit(status)
  }
}
