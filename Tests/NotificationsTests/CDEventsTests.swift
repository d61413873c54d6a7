import Foundation
import Ports
import SegueModel
import Testing

@testable import Notifications

private let at = Instant(milliseconds: 1_800_000_000_000)

private func event(_ notice: Notice) throws -> [String: Any] {
  let bytes = try CanonicalJSON.encode(CloudEvent(notice, source: "https://segue.example"))
  return try #require(JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
}

@Test func aFinishedRolloutIsAServiceThatWasUpgraded() throws {
  var item = notice(1, at: at).notice
  item.previousRelease = "r-1"
  let event = try event(item)
  #expect(event["specversion"] as? String == "1.0")
  #expect(event["type"] as? String == "dev.cdevents.service.upgraded.0.2.0")
  #expect(event["id"] as? String == "n-1")
  #expect(event["source"] as? String == "https://segue.example")
  #expect(event["time"] as? String == "2027-01-15T08:00:00.000Z")
  let data = try #require(event["data"] as? [String: Any])
  let context = try #require(data["context"] as? [String: String])
  #expect(
    context == [
      "id": "n-1", "source": "https://segue.example", "version": "0.4.1",
      "type": "dev.cdevents.service.upgraded.0.2.0", "timestamp": "2027-01-15T08:00:00.000Z",
    ])
  let subject = try #require(data["subject"] as? [String: Any])
  #expect(subject["id"] as? String == "shop/web")
  #expect(subject["type"] as? String == "service")
  let content = try #require(subject["content"] as? [String: Any])
  // The schema of these events allows nothing else in there.
  #expect(content.keys.sorted() == ["artifactId", "environment"])
  #expect(content["artifactId"] as? String == "pkg:generic/shop/web@r-0123456789abcdef")
  #expect((content["environment"] as? [String: String])?["id"] == "production")
  #expect((data["customData"] as? [String: Any])?["kind"] as? String == "rollout-finished")
}

@Test(arguments: [
  (Notice.Kind.rolloutBegan, "dev.cdeventsx.segue-rollout.began.0.1.0"),
  (.rolloutFinished, "dev.cdevents.service.deployed.0.2.0"),
  (.rolledBack, "dev.cdevents.service.rolledback.0.2.0"),
  (.waitingForApproval, "dev.cdeventsx.segue-approval.requested.0.1.0"),
  (.frozen, "dev.cdeventsx.segue-rollout.frozen.0.1.0"),
  (.overridden, "dev.cdeventsx.segue-gate.overridden.0.1.0"),
  (.gateFailed, "dev.cdeventsx.segue-gate.failed.0.1.0"),
  (.incident, "dev.cdevents.incident.detected.0.2.0"),
  (.lateRegression, "dev.cdevents.incident.detected.0.2.0"),
  (.advisoryHit, "dev.cdevents.incident.detected.0.2.0"),
])
func everyKindHasAType(kind: Notice.Kind, type: String) throws {
  #expect(try event(notice(1, kind: kind, at: at).notice)["type"] as? String == type)
}

/// What the schemas of CDEvents 0.4 ask for (`service-deployed-event`, `-upgraded-`, `-rolledback-`,
/// `incident-detected-event`, and `custom` for everything else), whatever a notice leaves out.
@Test(arguments: Notice.Kind.allCases, ["", "environment", "service", "release", "project", "all"])
func everyEventIsAsItsSchemaWantsIt(kind: Notice.Kind, missing: String) throws {
  var item = notice(1, kind: kind, at: at).notice
  if ["environment", "all"].contains(missing) { item.environment = nil }
  if ["service", "all"].contains(missing) { item.service = nil }
  if ["release", "all"].contains(missing) { item.release = nil }
  if ["project", "all"].contains(missing) { item.project = "" }
  let event = try event(item)
  let data = try #require(event["data"] as? [String: Any])
  #expect(
    Set(data.keys) == ["context", "subject", "customData", "customDataContentType"],
    "no other keys are allowed")
  #expect(data["customData"] is [String: Any])
  let context = try #require(data["context"] as? [String: String])
  #expect(Set(context.keys) == ["version", "id", "source", "type", "timestamp"])
  #expect(context.values.allSatisfy { !$0.isEmpty })
  let moment = try #require(context["timestamp"])
  #expect(moment.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/) != nil)
  let subject = try #require(data["subject"] as? [String: Any])
  #expect(Set(subject.keys) == ["id", "source", "type", "content"])
  #expect(subject["id"] as? String != "")
  let content = try #require(subject["content"] as? [String: Any])
  let reference = content["environment"] as? [String: String]
  if let reference { #expect(Set(reference.keys).isSubset(of: ["id", "source"])) }
  let type = try #require(context["type"])
  let word = try #require(subject["type"] as? String)
  switch word {
  case "service":
    #expect(type.wholeMatch(of: /dev\.cdevents\.service\.[a-z]+\.0\.2\.0/) != nil)
    #expect(Set(content.keys) == ["environment", "artifactId"], "both are required")
    #expect(reference?["id"]?.isEmpty == false)
  case "incident":
    #expect(type == "dev.cdevents.incident.detected.0.2.0")
    #expect(reference?["id"]?.isEmpty == false, "an incident is in an environment")
    #expect(
      Set(content.keys).isSubset(of: ["description", "environment", "service", "artifactId"]))
  default:
    #expect(word.wholeMatch(of: /[a-zA-Z0-9]+-[a-zA-Z]+/) != nil)
    #expect(
      type.wholeMatch(of: /dev\.cdeventsx\.[a-zA-Z0-9]+-[a-zA-Z]+\.[a-zA-Z]+\.\d\.\d\.\d/) != nil)
  }
}

@Test func withoutAReleaseItIsNoServiceEvent() throws {
  var item = notice(1, at: at).notice
  item.release = nil
  #expect(try event(item)["type"] as? String == "dev.cdeventsx.segue-rollout.finished.0.1.0")
}
