import Testing

@testable import TrafficRouting

@Suite struct AnswerComparisonTests {
  static func answer(
    _ body: String, type: String = "application/json", status: Int = 200,
    headers: [String?] = []
  ) -> ComparedAnswer {
    ComparedAnswer(
      status: status, contentType: Array(type.utf8),
      headers: headers.map { $0.map { Array($0.utf8) } }, body: Array(body.utf8))
  }

  static func body(_ there: String, _ here: String, type: String = "application/json") -> String? {
    AnswerComparison(
      there: answer(there, type: type), here: answer(here, type: type), names: []
    ).body
  }

  @Test(arguments: [
    (#"{"a":1,"b":2}"#, #"{ "b" : 2,  "a":1 }"#),
    ("[1, 2.50, -0]", "[10e-1,2.5,0]"),
    ("1e2", "100"),
    (#""A/é""#, #""\u0041\/\u00e9""#),
    (#""😀""#, #""\ud83d\ude00""#),
    (#""\ud83dx""#, #""\uD83Dx""#),
    ("{}", "{ }"),
    (#"{"a":{"x":[],"y":null}}"#, #"{"a":{"y":null,"x":[ ]}}"#),
    ("123456789012345678901234567890", "123456789012345678901234567890.000"),
    ("true", " true\n"),
  ])
  func equalInMeaning(_ there: String, _ here: String) {
    #expect(Self.body(there, here) == nil)
    #expect(Self.body(here, there) == nil)
  }

  @Test(arguments: [
    (
      #"{"items":[{},{},{"price":3}]}"#, #"{"items":[{},{},{"price":4}]}"#,
      "$.items[2].price is 3 there, 4 here"
    ),
    (#"{"a":1}"#, #"{"a":"1"}"#, #"$.a is 1 there, "1" here"#),
    (#"{"a":1}"#, #"{}"#, "$.a is 1 there, absent here"),
    (#"{}"#, #"{"a":null}"#, "$.a is absent there, null here"),
    ("[1]", "[1,2]", "$[1] is absent there, 2 here"),
    ("[1,[]]", "[1]", "$[1] is an array of 0 there, absent here"),
    ("[]", "{}", "$ is an array of 0 there, an object of 0 here"),
    (#"{"odd key":true}"#, #"{"odd key":false}"#, #"$["odd key"] is true there, false here"#),
    (
      "9007199254740993", "9007199254740992",
      "$ is 9007199254740993 there, 9007199254740992 here"
    ),
    (#"{"b":1,"a":1}"#, #"{"b":2,"a":2}"#, "$.a is 1 there, 2 here"),
    (#"{"a":1,"a":2}"#, #"{"a":1,"a":3}"#, "$.a is 2 there, 3 here"),
    (#""\u001b[2J""#, #""x""#, #"$ is "?[2J" there, "x" here"#),
    ("0.1", "-0.1", "$ is 0.1 there, -0.1 here"),
  ])
  func saysWhereJSONDiffers(_ there: String, _ here: String, _ sentence: String) {
    #expect(Self.body(there, here) == "body: \(sentence)")
  }

  @Test(arguments: [
    ("application/json; charset=utf-8", true), ("Application/JSON", true),
    ("application/problem+json", true), ("text/html", false), ("", false), ("+json", false),
    ("application/jsonx", false),
  ])
  func knowsJSONByItsType(_ type: String, _ isJSON: Bool) {
    #expect((Self.body("[1]", "[ 1 ]", type: type) == nil) == isJSON)
  }

  @Test func whatIsNoJSONIsComparedByOctets() {
    #expect(
      Self.body("[1,]", "[1, ]")
        == "body: differs from octet 3 on; 4 octets there, 5 here")
    #expect(
      Self.body("abcd", "abxd", type: "text/plain")
        == "body: differs from octet 2 on; 4 octets there, 4 here")
    #expect(
      Self.body("ab", "abc", type: "")
        == "body: differs from octet 2 on; 2 octets there, 3 here")
    let mixed = AnswerComparison(
      there: Self.answer("[1]"), here: Self.answer("[ 1]", type: "text/plain"), names: [])
    #expect(mixed.body != nil)
  }

  @Test func countsEachWayAndNamesTheFirstField() {
    let there = Self.answer("[1]", headers: ["a", "b", nil])
    let here = Self.answer("[2]", status: 500, headers: ["a", nil, "c"])
    let found = AnswerComparison(there: there, here: here, names: ["x-a", "x-b", "x-c"])
    #expect(found.status == "status: 200 there, 500 here")
    #expect(found.headers == "header x-b: b there, absent here")
    #expect(
      found.sentence == "status: 200 there, 500 here; header x-b: b there, absent here; "
        + "body: $[0] is 1 there, 2 here")
    #expect(!found.isEqual)
    #expect(AnswerComparison(there: there, here: there, names: ["x-a", "x-b", "x-c"]).isEqual)
  }

  @Test func whatIsShownIsShort() {
    let long = String(repeating: "k", count: 100_000)
    let found = Self.body(#"{"\#(long)":"\#(long)"}"#, #"{"\#(long)":1}"#)
    #expect((found?.utf8.count ?? 0) < 300)
    let deep = String(repeating: #"{"abcdefghij":"#, count: 60) + "1"
    let other = String(repeating: #"{"abcdefghij":"#, count: 60) + "2"
    let end = String(repeating: "}", count: 60)
    #expect((Self.body(deep + end, other + end)?.utf8.count ?? 0) < 300)
  }

  @Test func pathsAreShownWithoutTheirQuery() {
    #expect(MirrorLabel.path("/a?token=secret".utf8) == "/a")
    #expect(MirrorLabel.path("/\u{1b}[2J\u{e9}".utf8) == "/?[2J??")
    let long = MirrorLabel.path(String(repeating: "/abc", count: 1_000).utf8)
    #expect(long.utf8.count == MirrorLabel.pathLimit && long.hasSuffix("..."))
    #expect(MirrorLabel.path(String(repeating: "x", count: 200).utf8).utf8.count == 200)
  }
}

@Suite struct JSONReaderTests {
  @Test(arguments: [
    "", " ", "[", "]", "{", "[1", "[1,", "[1,]", "[,1]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#,
    "{a:1}", "{'a':1}", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "1 2", "tru", "TRUE",
    "nul", "NaN", "Infinity", #"""#, #""\"#, #""\x""#, #""\u12"#, #""\u12g4""#, "\"a\nb\"",
    "\u{FEFF}1", "// c\n1", "1e1000000000", "[1]x",
  ])
  func refuses(_ text: String) { #expect(JSONReader.read(Array(text.utf8)) == nil) }

  @Test func isBoundedInDepth() {
    func nested(_ depth: Int) -> [UInt8] {
      Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    }
    #expect(JSONReader.read(nested(JSONReader.depthLimit)) != nil)
    #expect(JSONReader.read(nested(JSONReader.depthLimit + 2)) == nil)
    #expect(JSONReader.read(Array(String(repeating: "[", count: 262_144).utf8)) == nil)
  }

  @Test func isBoundedInValues() {
    func flat(_ count: Int) -> [UInt8] {
      Array(("[" + Array(repeating: "1", count: count).joined(separator: ",") + "]").utf8)
    }
    #expect(JSONReader.read(flat(JSONReader.valueLimit - 1)) != nil)
    #expect(JSONReader.read(flat(JSONReader.valueLimit)) == nil)
  }

  /// Every text that a few octets can make, whether JSON or not, is read or refused.
  @Test func survivesAnything() {
    let alphabet = Array(#"{}[]",:\ue10-.tn \#u{80}"#.utf8)
    var random = FastRandom(seed: 7)
    for _ in 0..<20_000 {
      let text = (0..<random.next(below: 24)).map { _ in
        alphabet[random.next(below: alphabet.count)]
      }
      let value = JSONReader.read(text)
      if let value { #expect(JSONDifference.first(there: value, here: value) == nil) }
    }
  }
}
