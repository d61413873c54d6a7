import CFuzzer
import Foundation
import ParserInvariants

/// Fuzzes the invariant that `SEGUE_FUZZ_TARGET` names, with libFuzzer's own arguments; without it, lists
/// what there is, each with the octets that its inputs may have.
///
/// A variable and not an argument: libFuzzer starts this program again, with its own arguments.
@main struct FuzzCommand {
  private static let target = ProcessInfo.processInfo.environment["SEGUE_FUZZ_TARGET"]
  private static let invariant = ParserInvariant.all.first { $0.name == target }

  static func main() {
    guard let target else {
      for invariant in ParserInvariant.all { print(invariant.name, invariant.octetLimit) }
      return
    }
    guard invariant != nil else {
      let names = ParserInvariant.all.map(\.name).joined(separator: ", ")
      FileHandle.standardError.write(Data("no target '\(target)'; there are \(names)\n".utf8))
      exit(2)
    }
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    let status = withUnsafeMutablePointer(to: &arguments) { pointer in
      LLVMFuzzerRunDriver(&count, pointer) { octets, count in
        FuzzCommand.check(Array(UnsafeBufferPointer(start: octets, count: count)))
        return 0
      }
    }
    exit(status)
  }

  private static func check(_ bytes: [UInt8]) {
    do throws(BrokenInvariant) {
      try invariant?.check(bytes)
    } catch {
      fatalError("\(target ?? ""): \(error)")
    }
  }
}
