import SegueModel

/// The JSON Schema (draft 2020-12) of `segue.yaml`, for editors: derived from the keys that the
/// reader knows, so that the two cannot differ.
///
/// Only the reader checks what a schema cannot say: circles, names that must exist, two equal
/// routes, a range of durations.
public enum SpecSchema {
  public static let json: String = document.rendered() + "\n"

  private static var document: JSONText {
    let definitions = SpecKeys.all.dropFirst().map { ($0.id, object($0)) }
    guard case .object(let root) = object(SpecKeys.root) else { return .object([]) }
    return .object(
      [
        ("$schema", .string("https://json-schema.org/draft/2020-12/schema")),
        ("title", .string("segue.yaml")),
      ] + root + [("$defs", .object(definitions))])
  }

  private static func object(_ section: SpecSection) -> JSONText {
    let properties = section.keys.map { ($0.name, property($0)) }
    let required = section.keys.filter { $0.isRequired && $0.otherwise == nil }
      .map { JSONText.string($0.name) }
    var members: [(String, JSONText)] = [("description", .string(section.summary))]
    members.append(("type", required.isEmpty ? types("object", "null") : .string("object")))
    members.append(("properties", .object(properties)))
    if !required.isEmpty { members.append(("required", .array(required))) }
    members.append(("additionalProperties", .boolean(false)))
    for key in section.keys {
      guard let other = key.otherwise else { continue }
      let either = [key.name, other].map {
        JSONText.object([("required", .array([.string($0)]))])
      }
      members.append(("oneOf", .array(either)))
    }
    return .object(members)
  }

  private static func property(_ key: SpecKey) -> JSONText {
    var description = key.summary
    if let standard = key.standard { description += " Default: `\(standard)`." }
    return .object([("description", .string(description))] + members(key.type))
  }

  private static func whole(_ range: ClosedRange<Int>) -> [(String, JSONText)] {
    [
      ("type", .string("integer")), ("minimum", .integer(range.lowerBound)),
      ("maximum", .integer(range.upperBound)),
    ]
  }

  private static var cores: [(String, JSONText)] {
    [
      ("type", .string("number")),
      ("minimum", .number(CoresText.render(SpecLimits.cpu.lowerBound))),
      ("maximum", .number(CoresText.render(SpecLimits.cpu.upperBound))),
    ]
  }

  private static func members(_ type: SpecType) -> [(String, JSONText)] {
    switch type {
    case .version: [("const", .integer(1))]
    case .name: pattern(TextRules.namePattern)
    case .branch, .branchPattern: [("type", .string("string")), ("minLength", .integer(1))]
    // A command that looks like a number or like `true` is still a command.
    case .command: pattern("\\S", types: plainTypes)
    case .boolean: [("type", .string("boolean"))]
    case .integer(let range): whole(range)
    case .duration: pattern(DurationText.pattern)
    case .size: pattern(SizeText.pattern)
    case .cores: cores
    case .share: share
    case .price: pattern(PriceText.pattern)
    case .address:
      [
        ("type", types("string", "integer")), ("pattern", .string(AddressText.pattern)),
        ("minimum", .integer(1)), ("maximum", .integer(65_535)),
      ]
    case .word(let words): word(words)
    case .headerName, .cookieName: pattern(TextRules.tokenPattern)
    case .number: [("type", .string("number"))]
    case .objective: pattern(ObjectiveText.pattern)
    case .wordList(let words): list(.object(word(words)))
    case .headerNameList: list(.object(pattern(TextRules.tokenPattern)))
    case .headerValue: pattern(TextRules.headerValuePattern, types: plainTypes)
    case .cookieValue: pattern(TextRules.cookieValuePattern, types: plainTypes)
    case .host: pattern(TextRules.hostPattern)
    case .urlPath: pattern(TextRules.urlPathPattern)
    case .secureAddress: pattern(TextRules.secureAddressPattern)
    case .email: pattern(TextRules.emailPattern)
    case .emailList: list(.object(pattern(TextRules.emailPattern)))
    case .apiAddress: pattern(TextRules.apiAddressPattern)
    case .secret: pattern(TextRules.secretPattern)
    case .repository: pattern(TextRules.repositoryPattern)
    case .machineFile: pattern(TextRules.machineFilePattern)
    case .nameList: list(.object(pattern(TextRules.namePattern)))
    case .personList: list(.object(pattern(TextRules.personPattern)))
    case .timePattern, .sentence: sentence
    case .timePatternList: patternList
    case .secretList: list(.object(pattern(TextRules.secretPattern)))
    case .repositoryFile: fileText
    case .fileList: list(file)
    case .fileOrList: [("anyOf", .array([file, .object(list(file))]))]
    case .variables: variables
    case .section(let section): [("$ref", reference(section))]
    case .pathOrSection(let section):
      [("anyOf", .array([.object(pattern(TextRules.urlPathPattern)), referring(section)]))]
    case .sectionList(let section): sectionList(section)
    case .wordOrSection(let words, let section):
      [("anyOf", .array([.object(word(words)), referring(section)]))]
    case .shareList(_, let section): shareList(section)
    case .sectionsByName(let section, let range): byName(section, range)
    case .choice(let section): choice(section)
    }
  }

  /// What a YAML parser makes of text without quotes.
  private static let plainTypes = ["string", "boolean", "number"]
  private static var share: [(String, JSONText)] { pattern(ShareText.pattern) }

  private static func word(_ words: [String]) -> [(String, JSONText)] {
    [("enum", .array(words.map { .string($0) }))]
  }

  private static func types(_ names: String...) -> JSONText { .array(names.map { .string($0) }) }

  private static func pattern(
    _ pattern: String, types: [String] = ["string"]
  ) -> [(String, JSONText)] {
    let names = types.map { JSONText.string($0) }
    return [("type", names.count == 1 ? names[0] : .array(names)), ("pattern", .string(pattern))]
  }

  private static var fileText: [(String, JSONText)] {
    [
      ("type", .string("string")), ("minLength", .integer(1)),
      ("not", .object([("pattern", .string("^[/~]|(^|/)\\.\\.(/|$)"))])),
    ]
  }
  private static var file: JSONText { .object(fileText) }

  private static var sentence: [(String, JSONText)] {
    [
      ("type", .string("string")), ("minLength", .integer(1)),
      ("maxLength", .integer(SpecLimits.sentence)),
    ]
  }

  private static var patternList: [(String, JSONText)] {
    [
      ("type", .string("array")), ("items", .object(members(.timePattern))),
      ("uniqueItems", .boolean(true)), ("minItems", .integer(1)),
      ("maxItems", .integer(SpecLimits.windows)),
    ]
  }

  private static func list(_ item: JSONText) -> [(String, JSONText)] {
    [
      ("type", .string("array")), ("items", item), ("uniqueItems", .boolean(true)),
      ("maxItems", .integer(SpecLimits.entries)),
    ]
  }

  private static var variables: [(String, JSONText)] {
    [
      ("type", .string("object")),
      ("propertyNames", .object([("pattern", .string(TextRules.variablePattern))])),
      ("additionalProperties", .object([("type", types("string", "number", "boolean"))])),
      ("maxProperties", .integer(SpecLimits.entries)),
    ]
  }

  private static func byName(
    _ section: SpecSection, _ range: ClosedRange<Int>
  ) -> [(String, JSONText)] {
    let mayBeEmpty = range.lowerBound == 0
    return [
      ("type", mayBeEmpty ? types("object", "null") : .string("object")),
      ("propertyNames", .object([("pattern", .string(TextRules.namePattern))])),
      ("additionalProperties", referring(section)),
    ] + (mayBeEmpty ? [] : [("minProperties", .integer(range.lowerBound))])
      + [("maxProperties", .integer(range.upperBound))]
  }

  private static func sectionList(_ section: SpecSection) -> [(String, JSONText)] {
    [
      ("type", .string("array")), ("items", referring(section)),
      ("maxItems", .integer(SpecLimits.steps)),
    ]
  }

  private static func shareList(_ section: SpecSection) -> [(String, JSONText)] {
    [
      ("type", .string("array")),
      ("items", .object([("anyOf", .array([.object(share), referring(section)]))])),
      ("minItems", .integer(1)), ("maxItems", .integer(SpecLimits.canarySteps)),
    ]
  }

  private static func choice(_ section: SpecSection) -> [(String, JSONText)] {
    let names = JSONText.object([("enum", .array(section.keys.map { .string($0.name) }))])
    guard case .object(let members) = object(section) else { return [] }
    let withOne = members.map { key, value in
      key == "type" ? (key, JSONText.string("object")) : (key, value)
    }
    let mapping = JSONText.object(
      withOne + [("minProperties", .integer(1)), ("maxProperties", .integer(1))])
    return [("anyOf", .array([names, mapping]))]
  }

  private static func reference(_ section: SpecSection) -> JSONText {
    .string("#/$defs/\(section.id)")
  }

  private static func referring(_ section: SpecSection) -> JSONText {
    .object([("$ref", reference(section))])
  }
}
