import SegueModel

/// What may stand behind a key. The JSON Schema and the reference are derived from it; the reader's
/// own checks use the same limits.
indirect enum SpecType: Sendable {
  case version
  /// A project, a service, a step, an environment.
  case name
  case branch
  case command
  case boolean
  case integer(ClosedRange<Int>)
  case duration(ClosedRange<Milliseconds>)
  case size
  case cores
  /// Thousandths of the traffic, written in per cent.
  case share(ClosedRange<Int>)
  /// A number, perhaps with a point.
  case number
  /// The part of the requests that is to succeed, in per cent.
  case objective
  /// A number and a currency.
  case price
  /// A port, or a literal address with one.
  case address
  /// One of these words.
  case word([String])
  /// A list of these words.
  case wordList([String])
  /// The name of a header field.
  case headerName
  case headerNameList
  /// The value that a header field must have.
  case headerValue
  case cookieName
  /// The value that a cookie must have.
  case cookieValue
  case host
  /// Begins with `/`.
  case urlPath
  /// Begins with `https://`.
  case secureAddress
  case email
  case emailList
  /// Begins with `https://`, or is on this machine.
  case apiAddress
  /// The name of one secret.
  case secret
  /// `owner/name`, with groups where the forge has them.
  case repository
  /// A pattern of branches' names.
  case branchPattern
  /// An absolute path on the machine that Segue runs on.
  case machineFile
  /// A path inside the repository.
  case repositoryFile
  case nameList
  /// Names of people.
  case personList
  /// When something holds, as the calendar writes it.
  case timePattern
  case timePatternList
  /// Text for people.
  case sentence
  case secretList
  case variables
  case fileList
  case fileOrList
  /// A mapping with these keys.
  case section(SpecSection)
  /// The path alone, or a mapping.
  case pathOrSection(SpecSection)
  /// One of these words, or a mapping.
  case wordOrSection([String], SpecSection)
  /// A list of shares alone, or of mappings.
  case shareList(ClosedRange<Int>, SpecSection)
  /// A list of mappings.
  case sectionList(SpecSection)
  /// Mappings by name, so many.
  case sectionsByName(SpecSection, ClosedRange<Int>)
  /// A name alone, or a mapping with that name as its one key.
  case choice(SpecSection)
}

/// One key of `segue.yaml`: what the reader, the schema and the reference know about it.
struct SpecKey: Sendable {
  var name: String
  var type: SpecType
  var isRequired = false
  /// The key that may stand in place of this required one.
  var otherwise: String?
  /// As it would be written in the file; `nil` when there is none.
  var standard: String?
  /// Sentences for the reference and for editors.
  var summary: String
  /// The value as it would be written in the file, on one line.
  var example: String
  /// What people who come from other tools write.
  var otherNames: [String] = []
}

/// A mapping of `segue.yaml`: the keys that may stand in it.
struct SpecSection: Sendable {
  /// The anchor in the reference and the name of the schema's definition.
  var id: String
  var title: String
  var summary: String
  var keys: [SpecKey]
  /// Keys that Segue will know, but does not yet. They are refused, because a file that asks for an
  /// approval must not be deployed without one.
  var planned: [String] = []
  /// Keys that people expect here, and what to write instead.
  var misplaced: [(name: String, hint: String)] = []

  func key(_ name: String) -> SpecKey? { keys.first { $0.name == name } }

  /// The least that may be written: the required keys, or the first one.
  var example: String {
    let required = keys.filter(\.isRequired)
    let shown = required.isEmpty ? Array(keys.prefix(1)) : required
    if shown.isEmpty { return "{}" }
    return "{ " + shown.map { "\($0.name): \($0.example)" }.joined(separator: ", ") + " }"
  }
}
