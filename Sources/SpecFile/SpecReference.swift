import SegueModel

/// The reference of `segue.yaml` in Markdown: `docs/guide/segue-yaml.md` is this text.
public enum SpecReference {
  public static let markdown: String =
    introduction + "\n" + SpecKeys.all.map(section).joined(separator: "\n") + ending

  private static let introduction = """
    # segue.yaml

    Everything Segue does with a repository is written in one file in its root, and every release \
    carries the file of its own commit: a rollback brings back the earlier configuration together \
    with the earlier program.

    ```yaml
    \(example)```

    `segue init` writes a first file for the repository it stands in. \
    [segue.schema.json](../segue.schema.json) lets editors complete and check it: put \
    `# yaml-language-server: $schema=…` with the path to it in the first line.

    ## How it is read

    The file is UTF-8, at most \(SpecLimits.fileBytes / 1_024) KiB, and YAML with less of it that \
    can surprise:

    - Only `true` and `false` are booleans. `yes`, `no`, `on` and `off` are refused where a \
    boolean belongs, and stay text where text belongs.
    - Numbers are written in digits, without quotes: `instances: 3`.
    - A length of time is whole numbers with units, the larger first: `250ms`, `30s`, `10m`, `1h`, \
    `1h30m`, `14d`. A day is 24 hours. A bare number is refused, since nobody can see what it means.
    - A share is a percentage, to a tenth of one: `5%`, `0.5%`.
    - A size has a binary or a decimal unit: `512MiB`, `1GiB`, `500MB`.
    - Names of projects, services, steps and environments are a lower-case letter and then up to \
    39 letters, digits or `-`.
    - Anchors, aliases, merge keys, tags and several documents are refused.
    - An unknown key is refused, and so is a key that this version of Segue does not act on yet: a \
    file that asks for an approval must not be deployed without one.

    All that is wrong is reported at once, each with its place and what to do:

    ```
    \(report)
    ```

    ## Keys

    """

  /// Read by a test: it has to be accepted without a warning.
  static let example = """
    version: 1
    project: shop
    deploy: { branch: main }

    pipeline:
      - step: build
        run: make build
        cache: [node_modules]
      - step: test
        run: make test
        needs: [build]
        timeout: 10m
        reports: { junit: "build/junit/*.xml" }

    services:
      web:
        run: ./build/web --port $PORT
        instances: 3
        secrets: [DATABASE_URL]
        health: /up
        route: { host: shop.example.com }
        strategy: { canary: { steps: [1%, 5%, 25%, 50%], hold: 5m } }
      mailer:
        run: ./build/mailer
        worker: true

    environments:
      staging:
        services: { web: { instances: 1, route: { host: staging.shop.example.com } } }
      production: { after: staging }

    """

  /// What the reader really says.
  private static var report: String {
    let text = example.replacing("instances: 3", with: "instnaces: 3")
    do throws(SpecReport) {
      _ = try SpecReader.read(bytes: Array(text.utf8))
      return ""
    } catch {
      return error.rendered
    }
  }

  private static func section(_ section: SpecSection) -> String {
    var text = "### \(section.title)\n\n\(section.summary)\n"
    for key in section.keys {
      text += "\n#### `\(key.name)`\n\n\(key.summary)\n\n- Value: \(words(key.type))\n"
      if key.isRequired {
        text += "- Required" + (key.otherwise.map { ", or `\($0)` in its place" } ?? "") + "\n"
      } else {
        text += "- Default: \(key.standard.map { "`\($0)`" } ?? "none")\n"
      }
      text += "- Example: `\(key.name): \(key.example)`\n"
    }
    if !section.planned.isEmpty {
      text += "\nNot supported by this version, and refused: "
      text += section.planned.map { "`\($0)`" }.joined(separator: ", ") + ".\n"
    }
    return text
  }

  private static let ending = """

    ## Limits

    | what | at most |
    |---|---|
    | bytes of the file | \(SpecLimits.fileBytes) |
    | levels of nesting | \(SpecLimits.depth) |
    | services | \(SpecLimits.services) |
    | steps of the pipeline | \(SpecLimits.steps) |
    | steps of a canary | \(SpecLimits.canarySteps) |
    | environments | \(SpecLimits.environments) |
    | teams | \(SpecLimits.teams) |
    | windows of an environment | \(SpecLimits.windows) |
    | freezes | \(SpecLimits.freezes) |
    | milestones | \(SpecLimits.milestones) |
    | beginnings of a window or freeze on one day | \(SpecLimits.beginnings) |
    | entries of a list, or of `env` | \(SpecLimits.entries) |
    | errors shown at once | \(SpecLimits.diagnostics) |

    """

  private static func words(_ type: SpecType) -> String {
    switch type {
    case .version: "the number 1"
    case .name: "a name"
    case .branch: "the name of a branch"
    case .command: "a shell command"
    case .boolean: "`true` or `false`"
    case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .duration(let range):
      "a length of time from `\(DurationText.render(range.lowerBound))` to "
        + "`\(DurationText.render(range.upperBound))`"
    case .size:
      "a size from `\(SizeText.render(SpecLimits.memory.lowerBound))` to "
        + "`\(SizeText.render(SpecLimits.memory.upperBound))`"
    case .cores:
      "a number of cores from \(CoresText.render(SpecLimits.cpu.lowerBound)) to "
        + CoresText.render(SpecLimits.cpu.upperBound)
    case .share(let range):
      "a share from `\(ShareText.render(range.lowerBound))` to "
        + "`\(ShareText.render(range.upperBound))`"
    case .address: "a port, or a literal address with one: `0.0.0.0:8080`"
    case .price: "a number with up to six digits after the point, and a currency: `0.04 EUR`"
    case .word(let words): words.map { "`\($0)`" }.joined(separator: " or ")
    case .headerName: "the name of a header field"
    case .number: "a number, with at most six digits behind a point"
    case .objective: "a part of the requests from `50%` to `99.9999%`"
    case .wordList(let words):
      "a list of " + words.map { "`\($0)`" }.joined(separator: ", ")
    case .headerNameList: "a list of names of header fields"
    case .headerValue, .cookieValue: "text"
    case .cookieName: "the name of a cookie"
    case .host: "a host name in lower case, without scheme and port"
    case .urlPath: "a path that begins with `/`"
    case .secureAddress: "an address that begins with `https://`"
    case .email: "an address for mail"
    case .machineFile: "an absolute path on the machine that Segue runs on"
    case .repositoryFile: "a path inside the repository"
    case .emailList: "a list of addresses for mail"
    case .apiAddress: "an address that begins with `https://`, or with `http://127.0.0.1`"
    case .secret: "the name of a secret, in capital letters, digits and `_`"
    case .repository: "`owner/name`"
    case .branchPattern: "a pattern, see [policy](policy.md#patterns)"
    case .nameList: "a list of names"
    case .personList: "a list of names of people"
    case .timePattern: "a time, such as `Mon-Thu 09:00-16:00 Europe/Paris`"
    case .timePatternList: "a list of times"
    case .sentence: "text for people, up to \(SpecLimits.sentence) characters"
    case .secretList: "a list of names in capital letters, digits and `_`"
    case .variables: "a mapping from names to text"
    case .fileList: "a list of paths inside the repository"
    case .fileOrList: "a path inside the repository, or a list of them"
    case .section(let section): "a mapping, see \(link(section))"
    case .pathOrSection(let section): "a path, or a mapping, see \(link(section))"
    case .wordOrSection(let words, let section):
      words.map { "`\($0)`" }.joined(separator: " or ") + ", or a mapping, see \(link(section))"
    case .shareList(let range, let section):
      "a list of shares from `\(ShareText.render(range.lowerBound))` to "
        + "`\(ShareText.render(range.upperBound))`, or of mappings, see \(link(section))"
    case .sectionList(let section): "a list, see \(link(section))"
    case .sectionsByName(let section, _): "a mapping from names to what \(link(section)) says"
    case .choice(let section): "a name, or a mapping, see \(link(section))"
    }
  }

  /// As renderers make anchors of headings: lower case, spaces to `-`, the rest of the marks gone.
  private static func link(_ section: SpecSection) -> String {
    let anchor = section.title.lowercased().compactMap { character -> Character? in
      if character == " " { return "-" }
      return character.isLetter || character.isNumber || character == "-" ? character : nil
    }
    return "[\(section.title)](#\(String(anchor)))"
  }
}
