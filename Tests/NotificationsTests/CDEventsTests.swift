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

@Test func withoutAReleaseItIsNoServiceEvent() throws {
  var item = notice(1, at: at).notice
  item.release = nil
  #expect(try event(item)["type"] as? String == "dev.cdeventsx.segue-rollout.finished.0.1.0")
}
