/// `pyproject.toml`, `requirements.txt`, `manage.py`, `uv.lock`, `poetry.lock`
enum PythonDetector {
  /// Programs in `.venv/bin` begin with the absolute path they were installed at; `python -m` works
  /// wherever the release is put.
  private static let python = ".venv/bin/python"

  static func detect(_ files: ProjectFiles) -> Detection? {
    let marks = ["pyproject.toml", "requirements.txt", "manage.py", "uv.lock", "poetry.lock"]
    guard files.first(of: marks) != nil else { return nil }
    let mark = files.first(of: marks) ?? ""
    var detection = Detection(kind: "Python (\(mark))")
    let declared =
      ((files["requirements.txt"] ?? "") + "\n" + (files["pyproject.toml"] ?? "")).lowercased()
    let hasTests = declared.contains("pytest") || usesPytest(files)
    detection.steps.append(install(files, addsPytest: hasTests && !declared.contains("pytest")))
    if hasTests {
      detection.steps.append(
        ProposedStep(
          name: "test", run: "\(python) -m pytest --junitxml=junit.xml", needs: ["install"],
          junit: "junit.xml"))
    } else if files.has("manage.py") {
      detection.steps.append(
        ProposedStep(
          name: "test", run: "\(python) manage.py test", needs: ["install"],
          comments: ["With pytest-django, `--junitxml=junit.xml` makes a report that Segue reads."])
      )
    }
    if let service = service(files, declared) { detection.services.append(service) }
    return detection
  }

  private static func usesPytest(_ files: ProjectFiles) -> Bool {
    files.anyFile { path, text in
      let name = path.split(separator: "/").last.map(String.init) ?? ""
      return name == "conftest.py" || name == "pytest.ini"
        || (name.hasPrefix("test_") && name.hasSuffix(".py") && !text.contains("import unittest"))
    } != nil
  }

  private static func install(_ files: ProjectFiles, addsPytest: Bool) -> ProposedStep {
    if files.has("uv.lock") {
      return ProposedStep(name: "install", run: "uv sync --frozen")
    }
    if files.has("poetry.lock") {
      return ProposedStep(
        name: "install", run: "POETRY_VIRTUALENVS_IN_PROJECT=true poetry install --no-interaction")
    }
    var lines = ["python3 -m venv .venv"]
    if files.has("requirements.txt") {
      lines.append("\(python) -m pip install -r requirements.txt")
    } else if files.has("pyproject.toml") {
      lines.append("\(python) -m pip install .")
    }
    if addsPytest { lines.append("\(python) -m pip install pytest") }
    return ProposedStep(name: "install", run: lines.joined(separator: "\n"))
  }

  // MARK: The service

  private static func service(_ files: ProjectFiles, _ declared: String) -> ProposedService? {
    if files.has("manage.py") { return django(files, declared) }
    let candidates = [
      "app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "app/main.py", "app/__init__.py",
      "src/main.py", "src/app.py",
    ]
    for path in candidates {
      guard let text = files[path] else { continue }
      let module = module(path)
      if text.contains("FastAPI(") || text.contains("Starlette(") {
        return ProposedService(
          name: "web",
          run: "\(python) -m uvicorn \(module):\(variable(text, ["FastAPI(", "Starlette("])) "
            + "--host 127.0.0.1 --port $PORT")
      }
      guard text.contains("Flask(") else { continue }
      let application = "\(module):\(variable(text, ["Flask("]))"
      if declared.contains("gunicorn") {
        return ProposedService(
          name: "web", run: "\(python) -m gunicorn --bind 127.0.0.1:$PORT \(application)")
      }
      return ProposedService(
        name: "web", run: "\(python) -m flask --app \(application) run --port $PORT",
        comments: ["Flask's own server is for development; gunicorn is the usual one."])
    }
    return nil
  }

  private static func django(_ files: ProjectFiles, _ declared: String) -> ProposedService {
    let wsgi = files.paths.first { $0.hasSuffix("/wsgi.py") }
    if declared.contains("gunicorn"), let wsgi {
      return ProposedService(
        name: "web",
        run: "\(python) -m gunicorn --bind 127.0.0.1:$PORT \(module(wsgi)):application")
    }
    return ProposedService(
      name: "web", run: "\(python) manage.py runserver --noreload 127.0.0.1:$PORT",
      comments: ["Django's own server is for development; gunicorn is the usual one."])
  }

  /// `app/main.py` is `app.main`, `app/__init__.py` is `app`.
  private static func module(_ path: String) -> String {
    var parts = path.dropLast(3).split(separator: "/").map(String.init)
    if parts.last == "__init__" { parts.removeLast() }
    return parts.joined(separator: ".")
  }

  /// The variable that the application is assigned to; `app` when it cannot be told.
  private static func variable(_ text: String, _ constructors: [String]) -> String {
    for line in text.textLines {
      let sides = line.split(separator: "=", maxSplits: 1).map { String($0).trimmed }
      guard sides.count == 2, constructors.contains(where: { sides[1].hasPrefix($0) }),
        TextRules.isVariable(sides[0])
      else { continue }
      return sides[0]
    }
    return "app"
  }
}
