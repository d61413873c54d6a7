import Foundation
import Glibc
import Ports
import SegueModel
import Testing

@testable import PipelineRunner

@Suite struct GitTests {
  let root: TemporaryDirectory
  var repository: String { "\(root.path)/shop" }
  var source: LocalSource { source(of: repository) }

  init() async throws {
    root = try TemporaryDirectory()
    try await shell(
      """
      git init -q -b main shop; cd shop
      echo one > file; printf '#!/bin/sh\\n' > run; chmod +x run; ln -s file link
      mkdir dir; echo deep > "dir/with
      newline"; echo umlaut > grün; : > empty
      git add -A; git commit -qm 'First one'; git tag v1 -am tagged
      echo two > file; git commit -qam 'Second: with "quotes"'
      git branch feature/SHOP-1
      """, in: root.path)
  }

  func source(of path: String) -> LocalSource {
    LocalSource(path: path, cacheDirectory: "\(root.path)/cache", environment: testEnvironment)
  }

  func head() async throws -> CommitID {
    CommitID(
      try await shell("git rev-parse HEAD", in: repository).trimmingCharacters(in: .newlines))
  }

  func failure(_ work: () async throws -> Void) async -> PortError? {
    await #expect(throws: PortError.self) { try await work() }
  }

  @Test func readsCommits() async throws {
    let id = try await head()
    let commit = try #require(try await source.head(of: "main"))
    #expect(
      commit
        == Commit(
          id: id, subject: "Second: with \"quotes\"", author: "Ana <ana@example.com>", height: 2))
    #expect(try await source.head(of: "nowhere") == nil)
    for revision in ["main", "feature/SHOP-1", id.rawValue, id.short] {
      #expect(try await source.resolve(revision).id == id)
    }
    #expect(try await source.resolve("v1").subject == "First one")
    #expect(try await source.resolve("main~1").height == 1)
  }

  @Test func namesWhoWroteWhatIsBetweenTwoCommits() async throws {
    let first = try await source.resolve("v1").id
    try await shell(
      """
      git commit -q --allow-empty --author 'Li <li@example.com>' -m 'Third' \
        -m 'Co-authored-by: Mo <mo@example.com>
      Co-authored-by: Zoe <zoe@example.com>'
      git commit -q --allow-empty -m 'Fourth'
      """, in: repository)
    let last = try await head()
    try await source.refresh()
    let authors = try await source.authors(after: first, upTo: last, limit: 100)
    #expect(
      authors == [
        "Ana <ana@example.com>", "Li <li@example.com>", "Mo <mo@example.com>",
        "Zoe <zoe@example.com>",
      ])
    #expect(try await source.authors(after: first, upTo: last, limit: 1) == authors.dropLast(3))
    #expect(try await source.authors(after: last, upTo: last, limit: 100) == [])
    let gone = CommitID(String(repeating: "1", count: 40))
    _ = await failure { _ = try await source.authors(after: gone, upTo: last, limit: 100) }
  }

  @Test func readsFilesWithinALimit() async throws {
    let id = try await head()
    #expect(try await source.file("file", at: id, limit: 100) == Array("two\n".utf8))
    #expect(try await source.file("dir/with\nnewline", at: id, limit: 100) == Array("deep\n".utf8))
    #expect(try await source.file("empty", at: id, limit: 0) == [])
    #expect(try await source.file("none", at: id, limit: 100) == nil)
    #expect(try await source.file("dir", at: id, limit: 100) == nil)
    let long = await failure { _ = try await source.file("file", at: id, limit: 3) }
    #expect(long?.what.contains("has 4 bytes, more than 3") == true)
    let link = await failure { _ = try await source.file("link", at: id, limit: 100) }
    #expect(link?.what.contains("is a symbolic link") == true)
  }

  @Test func followsItsRepository() async throws {
    let source = source
    let first = try await source.head(of: "main")
    try await shell(
      "echo 3 > file; git commit -qam Third; git branch -D feature/SHOP-1; git branch feature",
      in: repository)
    #expect(try await source.head(of: "main") == first)
    try await source.refresh()
    #expect(try await source.head(of: "main")?.subject == "Third")
    #expect(try await source.head(of: "feature/SHOP-1") == nil)
    #expect(try await source.head(of: "feature")?.subject == "Third")
  }

  @Test func aLockOfAKilledFetchIsNoObstacle() async throws {
    try await source.refresh()
    try await shell(
      "for d in cache/*.git; do touch $d/packed-refs.lock $d/HEAD.lock; done", in: root.path)
    try await shell(
      "echo 3 > file; git commit -qam Third; git branch -D feature/SHOP-1", in: repository)
    let restarted = source
    try await restarted.refresh()
    #expect(try await restarted.head(of: "main")?.subject == "Third")
  }

  @Test func checksOutExactlyAndTouchesNothingElse() async throws {
    let before = try ReleaseManifest.read(repository).text
    let metadata = "find .git -type f ! -path '.git/objects/*' | sort | xargs sha256sum"
    let git = try await shell(metadata, in: repository)
    let id = try await head()
    let target = "\(root.path)/out"
    try await source.checkOut(id, into: target)
    #expect(try ReleaseManifest.read(target).text == before)
    #expect(try ReleaseManifest.read(repository).text == before)
    #expect(try await shell(metadata, in: repository) == git)
    #expect(try await shell("git describe; git status --porcelain", in: target).hasPrefix("v1-1-g"))
    #expect(try await shell("git rev-parse HEAD", in: target) == "\(id)\n")
    let again = await failure { try await source.checkOut(id, into: target) }
    #expect(again?.what == "\(target) is there already")
  }

  @Test func runsNoHookOrFilterOfTheMachine() async throws {
    try root.write("#!/bin/sh\ntouch \(root.path)/ran\n", to: "hooks/post-checkout", mode: 0o755)
    try root.write(
      """
      [core]
        hooksPath = \(root.path)/hooks
        autocrlf = true
      [init]
        templateDir = \(root.path)/template
      """, to: "config")
    try root.write(
      "#!/bin/sh\ntouch \(root.path)/ran\n", to: "template/hooks/post-checkout", mode: 0o755)
    let source = LocalSource(
      path: repository, cacheDirectory: "\(root.path)/cache",
      environment: testEnvironment.merging(["GIT_CONFIG_GLOBAL": "\(root.path)/config"]) { $1 })
    try await source.checkOut(head(), into: "\(root.path)/out")
    #expect(access("\(root.path)/ran", F_OK) != 0)
    #expect(text(of: "\(root.path)/out/file") == "two\n")
  }

  @Test func saysWhatIsWrongAndWhatToDo() async throws {
    let unknown = await failure { _ = try await source.resolve("mian") }
    #expect(unknown?.what == "there is no branch, tag or commit mian in \(repository)")
    #expect(unknown?.nextStep == "Did you mean main?")
    let gone = CommitID(String(repeating: "1", count: 40))
    let commit = await failure { try await source.checkOut(gone, into: "\(root.path)/out") }
    #expect(commit?.what.contains("there is no branch, tag or commit 1111") == true)
    #expect(access("\(root.path)/out.partial", F_OK) != 0)
    for revision in ["--upload-pack=x", "", "a..b", "a b"] {
      let odd = await failure { _ = try await source.resolve(revision) }
      #expect(odd?.what.contains("cannot be the name") == true)
    }
    let none = await failure { try await self.source(of: root.path).refresh() }
    #expect(none?.what == "\(root.path) is not a Git repository")
    let missing = await failure { try await self.source(of: "\(root.path)/nowhere").refresh() }
    #expect(missing?.fault == .user)
  }

  @Test func saysThatGitIsMissing() async throws {
    let source = LocalSource(
      path: repository, cacheDirectory: "\(root.path)/cache", environment: ["PATH": root.path])
    let error = await failure { try await source.refresh() }
    #expect(error?.what == "git is not installed, or not on the PATH")
    #expect(error?.nextStep?.contains("apt install git") == true)
  }

  @Test func saysThatARemoteCannotBeReached() async throws {
    func remote(_ address: String) -> RemoteSource {
      RemoteSource(
        address: address, cacheDirectory: "\(root.path)/cache", environment: testEnvironment)
    }
    // Port 1 (tcpmux) of this machine: nobody listens there.
    let closed = await failure { try await remote("http://ana:pw@127.0.0.1:1/shop").refresh() }
    #expect(closed?.fault == .network)
    #expect(closed?.description.contains("pw") == false)
    #expect(closed?.nextStep?.contains("git ls-remote 'http://127.0.0.1:1/shop'") == true)
    let nowhere = await failure { try await remote("\(root.path)/nowhere").refresh() }
    #expect(nowhere?.what.contains("is not a Git repository") == true)
    let leftovers = try FileManager.default.contentsOfDirectory(atPath: "\(root.path)/cache")
    #expect(leftovers.isEmpty, "\(leftovers)")
  }

  @Test func followsARemote() async throws {
    let recorder = Recorder()
    let source = RemoteSource(
      address: "file://\(repository)", cacheDirectory: "\(root.path)/cache",
      environment: testEnvironment, progress: { recorder.record(.output("git", [$0])) })
    let id = try await head()
    #expect(try await source.head(of: "main")?.id == id)
    #expect(!recorder.lines(of: "git").isEmpty)
    try await shell(
      "git checkout -q feature/SHOP-1; git commit -q --amend -m Other", in: repository)
    try await source.refresh()
    #expect(try await source.resolve("feature/SHOP-1").subject == "Other")
    try await source.checkOut(id, into: "\(root.path)/out")
    #expect(text(of: "\(root.path)/out/file") == "two\n")
  }

  private func addSubmodules() async throws -> CommitID {
    try await shell(
      """
      for name in inner outer; do
        git init -q -b main $name; (cd $name; echo $name > text; git add .; git commit -qm $name)
      done
      cd outer; git -c protocol.file.allow=always submodule --quiet add ../inner inner
      git commit -qm 'with inner'; cd ../shop
      git -c protocol.file.allow=always submodule --quiet add ../outer "lib/ou ter"
      git commit -qm 'with outer'
      """, in: root.path)
    return try await head()
  }

  @Test func checksOutSubmodulesOfSubmodules() async throws {
    let id = try await addSubmodules()
    try await source.checkOut(id, into: "\(root.path)/out")
    #expect(text(of: "\(root.path)/out/lib/ou ter/text") == "outer\n")
    #expect(text(of: "\(root.path)/out/lib/ou ter/inner/text") == "inner\n")
    #expect(try await shell("git status --porcelain", in: "\(root.path)/out") == "")
  }

  @Test func whoeverPushesCannotReadOtherRepositoriesOfTheMachine() async throws {
    let id = try await addSubmodules()
    let remote = EmbeddedRemote(directory: "\(root.path)/remote.git", environment: testEnvironment)
    try await remote.install(binary: "/bin/true", stateDirectory: root.path, branch: "main")
    try await shell("git push -q ../remote.git main", in: repository)
    let error = await failure { try await remote.checkOut(id, into: "\(root.path)/out") }
    #expect(error?.causes.first?.contains("comes from a path of this machine") == true)
    #expect(access("\(root.path)/out", F_OK) != 0)
  }

  private func addPointer() async throws -> CommitID {
    try await shell(
      """
      echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes
      printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:00\\nsize 5\\n' > "big one.bin"
      echo 'not a pointer' > small.bin
      git add -A; git commit -qm pointer
      """, in: repository)
    return try await head()
  }

  @Test func namesLargeFilesThatCannotBeFetched() async throws {
    let id = try await addPointer()
    let error = await failure { try await source.checkOut(id, into: "\(root.path)/out") }
    #expect(
      error?.causes.first == "big one.bin is kept in Git LFS, and git-lfs is not installed")
    #expect(error?.nextStep?.contains("Install git-lfs") == true)
    #expect(access("\(root.path)/out", F_OK) != 0)
  }

  /// With a stand-in for `git lfs pull`, which fills the file in, or does not.
  @Test(arguments: [true, false]) func fetchesLargeFiles(succeeds: Bool) async throws {
    let id = try await addPointer()
    let fill = succeeds ? "test \"$1\" = pull && echo large > 'big one.bin'" : "exit 0"
    try root.write("#!/bin/sh\n\(fill)\n", to: "bin/git-lfs", mode: 0o755)
    var environment = testEnvironment
    environment["PATH"]? += ":\(root.path)/bin"
    let source = LocalSource(
      path: repository, cacheDirectory: "\(root.path)/cache", environment: environment)
    if succeeds {
      try await source.checkOut(id, into: "\(root.path)/out")
      #expect(text(of: "\(root.path)/out/big one.bin") == "large\n")
    } else {
      let error = await failure { try await source.checkOut(id, into: "\(root.path)/out") }
      #expect(error?.causes.first?.contains("left big one.bin as pointers") == true)
    }
  }

  @Test func theEmbeddedRemoteAsksBeforeAndTellsAfter() async throws {
    let remote = EmbeddedRemote(directory: "\(root.path)/re mote.git", environment: testEnvironment)
    try root.write(
      """
      #!/bin/sh
      echo "$@" >> \(root.path)/calls; cat >> \(root.path)/calls
      ! test -e \(root.path)/refuse

      """, to: "it's segue", mode: 0o755)
    for _ in 0..<2 {
      try await remote.install(
        binary: "\(root.path)/it's segue", stateDirectory: "/var/lib/se gue", branch: "release")
    }
    #expect(try await remote.head(of: "release") == nil)
    try await shell("git push -q '../re mote.git' main:release", in: repository)
    let id = try await head()
    let zero = String(repeating: "0", count: 40)
    let change = "\(zero) \(id) refs/heads/release\n"
    #expect(
      text(of: "\(root.path)/calls")
        == "hook pre-receive --state /var/lib/se gue\n\(change)"
        + "hook post-receive --state /var/lib/se gue\n\(change)")
    #expect(try await remote.head(of: "release")?.id == id)
    try await remote.checkOut(id, into: "\(root.path)/out")
    #expect(text(of: "\(root.path)/out/file") == "two\n")
    #expect(
      try await shell("git symbolic-ref HEAD", in: remote.directory) == "refs/heads/release\n")
    try root.write("", to: "refuse")
    await #expect(throws: ScriptFailure.self) {
      try await shell("git push -q '../re mote.git' main~1:refs/heads/x", in: repository)
    }
    #expect(try await remote.head(of: "x") == nil)
  }
}
