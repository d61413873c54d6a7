import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

@Suite struct ReleaseTests {
  let bench: Bench
  let store = ContentReleaseStore()

  init() async throws {
    bench = try Bench()
    try await shell(
      """
      mkdir checkout; cd checkout; mkdir -p sub/empty .git lib/.git
      echo secret > .git/config; echo x > lib/.git/HEAD
      echo a > a; printf '#!/bin/sh\\n' > "run me"; chmod 755 "run me"; ln -s a link
      echo n > "sub/new
      line"; printf x > "$(printf 'sub/\\377')"
      """, in: bench.directory.path)
  }

  var run: PipelineRun { bench.pipeline([]) }

  func seal(at milliseconds: Int64 = 1) async throws -> Release {
    try await store.seal(run, at: Instant(milliseconds: milliseconds))
  }

  @Test func isTheContentAndNothingElse() async throws {
    let first = try await seal(at: 1)
    let again = try await seal(at: 2)
    #expect(again == first)
    try FileTree.remove(bench.checkout + ".release")
    let afresh = try await seal(at: 3)
    #expect(afresh.id == first.id && afresh.digest == first.digest)
    #expect(first.id.rawValue.wholeMatch(of: #/r-[0-9a-f]{16}/#) != nil)
    let manifest = try #require(text(of: bench.checkout + ".manifest"))
    #expect(!manifest.contains(".git"))
    let lines = manifest.split(separator: "\n")
    #expect(lines.first == "segue-manifest 1")
    #expect(lines.contains("l 0 - link -> a"))
    #expect(lines.contains { $0.hasPrefix("f 555 ") && $0.hasSuffix(" run\\x20me") })
    #expect(lines.contains { $0.hasPrefix("f 444 ") && $0.hasSuffix(" sub/new\\x0aline") })
    #expect(lines.contains { $0.hasPrefix("f 444 ") && $0.hasSuffix(" sub/\\xff") })
    #expect(lines.contains { $0.hasPrefix("d 755 - sub/empty") })
    #expect(lines.count == 9)
    #expect(try await store.verify(first))
  }

  @Test(arguments: [
    "chmod +w a; printf 'b\\n' > a", "chmod 555 a", "rm a", "ln -sfn b link", "rmdir sub/empty",
    "chmod 700 sub", "rm -f a; mkdir a",
    "sed -i s/d/d/ ../checkout.manifest; echo >> ../checkout.manifest",
  ])
  func noticesEveryChange(_ change: String) async throws {
    let release = try await seal()
    #expect(try await store.verify(release))
    try await shell(change, in: bench.checkout)
    #expect(try await !store.verify(release))
  }

  @Test(arguments: ["printf 'b\\n' > a", "chmod 755 a", "ln -sfn b link", "mkdir new", "mv a b"])
  func anotherContentIsAnotherRelease(_ change: String) async throws {
    let first = try await seal()
    try await shell("rm -f ../checkout.release; chmod -R u+w .; \(change)", in: bench.checkout)
    let second = try await seal()
    #expect(second.digest != first.digest && second.id != first.id)
  }

  @Test func anotherSpecIsAnotherRelease() async throws {
    let first = try await seal()
    var run = run
    run.spec.deployBranch = "release"
    let second = try await store.seal(run, at: Instant(milliseconds: 1))
    #expect(second.digest == first.digest && second.id != first.id)
  }

  @Test func whatInstancesAddIsNoDamage() async throws {
    let release = try await seal()
    try await shell(
      "echo pid > sub/app.pid; mkfifo pipe; test ! -w a || test $(id -u) = 0", in: bench.checkout)
    #expect(try await store.verify(release))
    var info = stat()
    #expect(stat("\(bench.checkout)/a", &info) == 0 && info.st_mode & 0o222 == 0)
  }

  @Test func whatIsNoFileIsRefused() async throws {
    try await shell("mkfifo sub/pipe", in: bench.checkout)
    let error = await #expect(throws: PortError.self) { try await seal() }
    #expect(error?.what.contains("checkout/sub/pipe is a socket, a pipe or a device") == true)
  }

  @Test func removesAllOfIt() async throws {
    let release = try await seal()
    try await shell("chmod 500 sub", in: bench.checkout)
    try await store.remove(release)
    let left = try FileManager.default.contentsOfDirectory(atPath: bench.directory.path)
    #expect(left.isEmpty)
    #expect(try await !store.verify(release))
    try await store.remove(release)
  }
}
