/// Writes a first `segue.yaml` from what the files of a repository tell: what `segue init` does.
///
/// Pure: the same files give the same text. Nothing is run to find out more.
public enum Initialiser {
  /// - Parameters:
  ///   - name: The directory's name; the project's name is made from it.
  ///   - files: See ``ProjectFiles``.
  public static func propose(name: String, files: ProjectFiles) -> ProposedSpec {
    var proposal = Proposal(project: TextRules.nameMade(from: name) ?? "app")
    let languages = [
      SwiftDetector.detect(files), NodeDetector.detect(files), PythonDetector.detect(files),
      GoDetector.detect(files), RustDetector.detect(files),
    ].compactMap(\.self)
    for language in languages { proposal.add(language, files: files) }
    if let procfile = ProcfileDetector.detect(files) { proposal.replaceServices(procfile) }
    if let makefile = MakefileDetector.detect(files) { proposal.fill(from: makefile) }
    if let dockerfile = DockerfileDetector.detect(files) { proposal.fill(from: dockerfile) }
    proposal.guessHealth(files)
    if proposal.project != name {
      proposal.notes.append("The project is called `\(proposal.project)`, after the directory.")
    }
    return proposal.written
  }
}

/// A proposal that grows with every detector.
struct Proposal {
  var project: String
  var kinds: [String] = []
  var steps: [ProposedStep] = []
  var services: [ProposedService] = []
  var notes: [String] = []

  init(project: String) { self.project = project }

  /// The steps of a language, under names of their own, and its services when there are none yet.
  mutating func add(_ detection: Detection, files: ProjectFiles) {
    let taken = Set(steps.map(\.name))
    let suffix =
      "-" + (TextRules.nameMade(from: String(detection.kind.prefix { $0.isLetter })) ?? "2")
    let collides = detection.steps.contains { taken.contains($0.name) }
    for step in detection.steps {
      var renamed = step
      if collides {
        renamed.name += suffix
        renamed.needs = step.needs.map { $0 + suffix }
      }
      steps.append(renamed)
    }
    kinds.append(detection.kind)
    notes += detection.notes
    if services.isEmpty {
      services = detection.services
    } else if let other = detection.services.first {
      notes.append(
        "\(detection.kind) could be started with `\(other.run)`; only the first service was "
          + "written, since two services cannot take the same requests.")
    }
  }

  /// Whoever wrote a Procfile said what runs.
  mutating func replaceServices(_ detection: Detection) {
    kinds.append(detection.kind)
    notes += detection.notes
    if !detection.services.isEmpty { services = detection.services }
  }

  /// Takes what is still missing.
  mutating func fill(from detection: Detection) {
    kinds.append(detection.kind)
    notes += detection.notes
    if steps.isEmpty { steps = detection.steps }
    if services.isEmpty { services = detection.services }
  }

  mutating func guessHealth(_ files: ProjectFiles) {
    guard let index = services.firstIndex(where: { !$0.isWorker }),
      services[index].healthPath == nil, let guess = files.healthPath
    else { return }
    services[index].healthPath = guess.path
    notes.append("The health path `\(guess.path)` was found in \(guess.file).")
  }

  var written: ProposedSpec {
    let isComplete = !steps.isEmpty || !services.isEmpty
    var notes = notes
    if !isComplete {
      notes.insert(
        "Nothing was recognised here: fill in what builds and what runs, where the file says so.",
        at: 0)
    } else {
      notes.insert("Recognised: \(kinds.joined(separator: ", ")).", at: 0)
    }
    return ProposedSpec(
      text: ProposalWriter(self).text, notes: notes, isComplete: isComplete)
  }
}
