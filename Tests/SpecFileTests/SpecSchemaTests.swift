import Foundation
import SegueModel
import Testing

@testable import SpecFile

/// The published schema and reference are the reader's own keys, written down.
@Suite struct SpecSchemaTests {
  @Test("published files", arguments: ["docs/segue.schema.json", "docs/guide/segue-yaml.md"])
  func publishedFile(_ path: String) throws {
    let wanted = path.hasSuffix(".json") ? SpecSchema.json : SpecReference.markdown
    let file = Fixtures.root.appending(path: path)
    if Fixtures.isUpdating {
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(wanted.utf8).write(to: file)
    }
    let published = try String(contentsOf: file, encoding: .utf8)
    #expect(published == wanted, "run the tests with SEGUE_UPDATE_GOLDENS=1")
  }

  @Test func schemaIsJSON() throws {
    let schema = try JSONSerialization.jsonObject(with: Data(SpecSchema.json.utf8))
    let object = try #require(schema as? [String: Any])
    #expect(object["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
    let definitions = try #require(object["$defs"] as? [String: Any])
    #expect(definitions.count == SpecKeys.all.count - 1)
  }

  @Test func exampleOfTheReferenceIsSound() {
    #expect(Fixtures.diagnostics(SpecReference.example).map(\.rendered) == [])
  }

  /// The reader knows each key, and reads the example and the default that the reference gives.
  @Test(
    "keys",
    arguments: SpecKeys.all.flatMap { section in section.keys.map { (section.id, $0.name) } })
  func key(_ id: String, _ name: String) throws {
    let section = try #require(SpecKeys.all.first { $0.id == id })
    let key = try #require(section.key(name))
    for value in [key.example] + (key.standard.map { [$0] } ?? []) {
      let text = Self.file(id, name, value)
      let errors = Fixtures.diagnostics(text).filter { $0.severity == .error }
      #expect(errors.map(\.rendered) == [], "\(text)")
    }
  }

  @Test(
    "planned keys",
    arguments: SpecKeys.all.flatMap { section in section.planned.map { (section.id, $0) } })
  func planned(_ id: String, _ name: String) throws {
    let section = try #require(SpecKeys.all.first { $0.id == id })
    #expect(section.key(name) == nil)
    let messages = Fixtures.diagnostics(Self.file(id, name, "{}")).map(\.message)
    #expect(
      messages.contains { $0.contains("`\(name)`") && $0.contains("not supported by this version") }
    )
  }

  /// A metric with this key, and with what goes with it.
  private static func metric(_ name: String, _ value: String) -> String {
    let others = [
      "prometheus": ["query": "up"], "json": ["path": "a"], "path": ["json": "http://a.test"],
      "query": ["prometheus": "http://a.test"],
      "events": ["prometheus": "http://a.test", "bad": "b"],
      "bad": ["prometheus": "http://a.test", "events": "e"],
    ]
    var metric = others[name] ?? ["command": "./queue"]
    metric[name] = value
    return flow(metric)
  }

  /// A file in which only this key of this section is interesting.
  private static func file(_ id: String, _ name: String, _ value: String) -> String {
    let entry = "\(name): \(value)"
    var root = ["version": "1", "project": "shop", "pipeline": "[]", "services": "{}"]
    root["pipeline"] = "[{ step: build, run: make, reports: { junit: a, coverage: b, sarif: c } }]"
    if ["milestone", "approval"].contains(id) {
      root["teams"] = "{ product: { members: [ana, li] }, security: { members: [bo, mo] } }"
    }
    var service = ["run": "./web --port $PORT", "instances": "3", "health": "/up"]
    switch id {
    case "file": root[name] = value
    case "deploy": root["deploy"] = "{ \(entry) }"
    case "pipeline", "rerun": root = step(id, name, value, in: root)
    case "reports":
      root["pipeline"] = "[{ step: test, run: make, reports: { \(entry) } }]"
    case "metric": service["analysis"] = "{ metrics: { queue: \(metric(name, value)) } }"
    case "goal":
      let source = ["header", "path", "posted"].contains(name) ? [:] : ["posted": "true"]
      service["strategy"] = "{ ab: { goals: { order: \(flow(source, entry)) } } }"
    case "score": service["analysis"] = "{ score: { \(entry) } }"
    case "gates": root["gates"] = "{ \(entry) }"
    case "gates-tests", "gates-coverage", "gates-security":
      root["gates"] = "{ \(id.dropFirst("gates-".count)): { \(entry) } }"
    case "cost": root["cost"] = "{ \(entry) }"
    case "tls": root["tls"] = "{ \(entry) }"
    case "notify", "team-notify", "notify-webhook", "notify-events", "notify-mail", "policy",
      "tracker", "forge":
      outreach(id, name, entry, &root)
    case "acme": root["tls"] = "{ acme: \(flow(["agree-to-terms": "true"], entry)) }"
    case "route" where name == "tls":
      root["tls"] = "{ acme: { agree-to-terms: true } }"
      service["route"] = "{ host: shop.example.com, \(entry) }"
    case "certificate":
      let files = flow(["certificate": "/a.crt", "key": "/a.key"], entry)
      service["route"] = "{ host: shop.example.com, tls: \(files) }"
    case "environments":
      let staging = "staging: { services: { web: { route: { host: staging.example.com } } } }"
      let after = name == "after" ? entry : "after: staging, \(entry)"
      root["environments"] = "{ \(staging), production: { \(after) } }"
    case "team":
      root["teams"] = "{ product: \(flow(["members": "[ana, li]"], entry)) }"
    case "freeze":
      let freeze = flow(["when": "2026-12-24 UTC", "reason": "rest"], entry)
      root["freezes"] = "{ holidays: \(freeze) }"
    case "milestone":
      let others = ["when": "2026-12-24 UTC", "people": "[mo]", "teams": "[product]"]
      root["milestones"] = "{ beta: \(flow(others, entry)) }"
    case "approval":
      let others = ["people": "[bo, li]", "quorum": "1"]
      root["environments"] = "{ production: { approval: \(flow(others, entry)) } }"
    case "change":
      if name == "listen" { service["listen"] = "{ inherit: 8080 }" }
      root["environments"] = "{ production: { services: { web: { \(entry) } } } }"
    case "services":
      if name == "worker" { service["health"] = nil }
      service[name] = value
    case "sticky":
      service["route"] = "{ sticky: { \(name == "issue" ? "cookie: a, " : "")\(entry) } }"
    case "warm-up": service["health"] = "{ warm-up: \(flow(["path": "/"], entry)) }"
    case "migrate": service["migrate"] = flow(["contract": "./contract"], entry)
    case "rolling", "blue-green", "canary", "ab", "shadow", "recreate", "preview", "canary-step",
      "request-header", "request-cookie":
      service["strategy"] = strategy(id, name, entry)
    default: service[id] = "{ \(entry) }"
    }
    if root["services"] == "{}" {
      root["services"] = "{ web: \(flow(service)), api: { run: ./api, worker: true } }"
    }
    return root.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\n" }.joined()
  }

  /// A file with a step in which this key stands, or with this key under the step's `rerun`.
  private static func step(
    _ id: String, _ name: String, _ value: String, in file: [String: String]
  ) -> [String: String] {
    var root = file
    var step = ["step": "test", "run": "make"]
    if name == "uses" {
      step["run"] = nil
      root["gates"] = "{ security: {} }"
    }
    if id == "rerun" || name == "rerun" {
      step["reports"] = "{ junit: a }"
      root["gates"] = "{ tests: { retry: 1 } }"
    }
    if id == "rerun" {
      step["rerun"] = flow(["run": "make again"], "\(name): \(value)")
    } else {
      step[name] = value
    }
    root["pipeline"] = "[{ step: build, run: make }, \(flow(step))]"
    return root
  }

  private static func outreach(
    _ id: String, _ name: String, _ entry: String, _ root: inout [String: String]
  ) {
    let forge = ["kind": "gitea", "url": "https://git.example.com/api/v1", "repository": "a/b"]
    let tracker = [
      "tracker": "gitea", "url": "https://git.example.com/api/v1", "repository": "a/b",
    ]
    let mail = ["to": "[a@example.com]", "from": "b@example.com", "server": "mail.example.com"]
    let names = "(?<issue>[0-9]+)"
    switch id {
    case "notify":
      let isReceiver = ["slack", "webhook", "cdevents", "email"].contains(name)
      if name == "teams" { root["teams"] = "{ product: { members: [ana, li] } }" }
      root["notify"] = "{ ops: \(flow(isReceiver ? [:] : ["slack": "CHAT"], entry)) }"
    case "team-notify":
      let isReceiver = ["slack", "webhook", "cdevents", "email"].contains(name)
      let channel = flow(isReceiver ? [:] : ["slack": "CHAT"], entry)
      root["teams"] = "{ product: { members: [ana, li], notify: \(channel) } }"
    case "notify-webhook":
      root["notify"] = "{ ops: { webhook: \(flow(["address": "A", "key": "B"], entry)) } }"
    case "notify-events": root["notify"] = "{ ops: { cdevents: { \(entry) } } }"
    case "notify-mail":
      var mail = mail
      if name == "user" { mail["password"] = "MAIL" }
      if name == "password" { mail["user"] = "segue" }
      root["notify"] = "{ ops: { email: \(flow(mail, entry)) } }"
    case "policy":
      let pattern = name == "issues" ? ["branch-names": "\"\(names)\""] : [:]
      root["policy"] = flow(pattern, entry)
    case "tracker":
      root["policy"] = "{ branch-names: \"\(names)\", issues: \(flow(tracker, entry)) }"
    default: root["forge"] = flow(forge, entry)
    }
  }

  private static func strategy(_ id: String, _ name: String, _ entry: String) -> String {
    let entry = name == "limit" ? "until: promote, \(entry)" : entry
    let pair = flow(["name": "a", "value": "b"], entry)
    return switch id {
    case "preview":
      "{ blue-green: { preview: \(flow(["host": "preview.example.com"], entry)) } }"
    case "canary-step": "{ canary: { steps: [\(flow(["weight": "5%"], entry))] } }"
    case "request-header": "{ ab: { header: \(pair) } }"
    case "request-cookie": "{ ab: { cookie: \(pair) } }"
    default: "{ \(id): { \(entry) } }"
    }
  }

  /// The entries, except the one that this one replaces.
  private static func flow(_ entries: [String: String], _ entry: String) -> String {
    let name = String(entry.prefix { $0 != ":" })
    let others = flow(entries.filter { $0.key != name }).dropFirst(2).dropLast(2)
    return others.isEmpty ? "{ \(entry) }" : "{ \(others), \(entry) }"
  }

  private static func flow(_ entries: [String: String]) -> String {
    let pairs = entries.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    return "{ " + pairs.joined(separator: ", ") + " }"
  }
}
