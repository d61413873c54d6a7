/// Scanners that a step can call by name alone: the command, the report that it leaves, and how to get
/// it. What they find is for the gate to judge, so a finding is no failure of the command, and a
/// scanner that could not scan is one.
public enum SecurityScanner: String, Hashable, Sendable, CaseIterable {
  case osvScanner = "osv-scanner"
  case trivy
  case grype
  case semgrep
  case gitleaks
  case debsecan

  /// The program; it must be on the step's `PATH`.
  public var program: String { rawValue }

  /// Where the report goes, in SARIF, relative to the checkout.
  public func report(of step: String) -> String { ".segue-scan/\(step).sarif" }

  /// For `/bin/sh -ec` in the root of a checkout. Settings of a scanner's own are given by its
  /// environment variables.
  public func command(report: String) -> String {
    "mkdir -p .segue-scan\n" + scan.replacing("REPORT", with: report)
  }

  private var scan: String {
    switch self {
    // 1 says that something was found; 128, that there was nothing to look into.
    case .osvScanner: "osv-scanner --format sarif -r . > REPORT || [ $? -eq 1 ]"
    case .trivy: "trivy filesystem --quiet --exit-code 0 --format sarif --output REPORT ."
    case .grype: "grype dir:. --quiet --output sarif > REPORT"
    case .semgrep:
      """
      # Rules of the repository go before those of the registry.
      for rules in .semgrep.yml .semgrep.yaml .semgrep; do
        if [ -z "${SEMGREP_RULES:-}" ] && [ -e "$rules" ]; then export SEMGREP_RULES="$rules"; fi
      done
      export SEMGREP_RULES="${SEMGREP_RULES:-p/default}"
      semgrep scan --quiet --metrics off --disable-version-check --sarif --output REPORT .
      """
    case .gitleaks:
      """
      gitleaks detect --no-git --source . --no-banner --redact --exit-code 0 \\
        --report-format sarif --report-path REPORT
      """
    case .debsecan:
      """
      debsecan --format summary ${DEBSECAN_SUITE:+--suite "$DEBSECAN_SUITE"} \\
        ${DEBSECAN_SOURCE:+--source "$DEBSECAN_SOURCE"} > REPORT.txt

      """ + Self.debsecanToSARIF
    }
  }

  /// debsecan prints `CVE-2030-1 libfoo1 (fixed, remotely exploitable, high urgency)`; identifiers and
  /// names of packages hold nothing that JSON would have to escape, and what does is left out. Without
  /// an urgency nobody has rated it yet, and the rule has no score.
  private static let debsecanToSARIF = """
    awk '
      BEGIN {
        printf "{\\"version\\":\\"2.1.0\\",\\"runs\\":[{\\"results\\":["
      }
      {
        id = $1; package = $2
        gsub(/[^A-Za-z0-9._:-]/, "", id); gsub(/[^A-Za-z0-9.+:-]/, "", package)
        if (id == "" || package == "") { exit 3 }
        score = ""
        if (/low urgency/) score = "2.0"
        if (/medium urgency/) score = "5.0"
        if (/high urgency/) score = "8.0"
        fixed = /[(]fixed/ ? "; an update mends it" : ""
        printf "%s{\\"ruleId\\":\\"%s\\",\\"message\\":{\\"text\\":\\"the package %s is vulnerable%s\\"},", \\
          (NR > 1 ? "," : ""), id, package, fixed
        printf "\\"locations\\":[{\\"physicalLocation\\":{\\"artifactLocation\\":{\\"uri\\":\\"%s\\"}}}]}", package
        if (!(id in seen) || score > scores[id]) scores[id] = score
        seen[id] = 1
      }
      END {
        printf "],\\"tool\\":{\\"driver\\":{\\"name\\":\\"debsecan\\",\\"rules\\":["
        for (id in scores) {
          printf "%s{\\"id\\":\\"%s\\"", comma, id; comma = ","
          if (scores[id] != "") printf ",\\"properties\\":{\\"security-severity\\":\\"%s\\"}", scores[id]
          printf "}"
        }
        print "]}}}]}"
      }' REPORT.txt > REPORT
    """

  /// How to get the program: a sentence that follows "it is not installed".
  public var installation: String {
    switch self {
    case .osvScanner:
      "it comes as one program from its releases, and as a package of Homebrew and Go"
    case .trivy: "it comes as a package for Debian and others from its makers, and as one program"
    case .grype: "it comes as one program from its releases, and as a package of Homebrew"
    case .semgrep: "`pipx install semgrep`"
    case .gitleaks: "`apt-get install gitleaks`, or as one program from its releases"
    case .debsecan: "`apt-get install debsecan`"
    }
  }

  /// Why a step cannot run, and what to do: one sentence without a final period.
  public var absence: String {
    "\(program) is not installed where this step looks for programs: install it "
      + "(\(installation)), or set `PATH` under `env` of the step"
  }
}
