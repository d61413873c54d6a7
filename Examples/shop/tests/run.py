"""Runs the tests and writes build/junit.xml, with the standard library only."""

import pathlib
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).parent.parent


class JUnitResult(unittest.TextTestResult):
    """Keeps one <testcase> for each test."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cases = ElementTree.Element("testsuite", name="shop")
        self.began = 0.0
        self.subtest_problems = []

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        self.subtest_problems = []

    def add_case(self, test, tag=None, message="", text=""):
        class_name, _, name = test.id().rpartition(".")
        case = ElementTree.SubElement(
            self.cases,
            "testcase",
            classname=class_name,
            name=name,
            time=f"{time.monotonic() - self.began:.3f}",
        )
        if tag:
            ElementTree.SubElement(case, tag, message=message).text = text

    def addSuccess(self, test):
        super().addSuccess(test)
        self.add_case(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.add_case(test, "failure", str(err[1]), self._exc_info_to_string(err, test))

    def addError(self, test, err):
        super().addError(test, err)
        self.add_case(test, "error", str(err[1]), self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.add_case(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.subtest_problems.append(f"{subtest}: {self._exc_info_to_string(err, test)}")

    def stopTest(self, test):
        # A test with failed subtests is reported to none of the methods above.
        if self.subtest_problems:
            self.add_case(test, "failure", "a subtest failed", "\n".join(self.subtest_problems))
        super().stopTest(test)


def main():
    sys.path.insert(0, str(ROOT))
    suite = unittest.defaultTestLoader.discover(str(ROOT / "tests"), top_level_dir=str(ROOT))
    runner = unittest.TextTestRunner(resultclass=JUnitResult, verbosity=2)
    result = runner.run(suite)
    cases = result.cases
    for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        cases.set(name, str(len(cases.findall(f"testcase/{tag}"))))
    cases.set("tests", str(len(cases)))
    report = ROOT / "build" / "junit.xml"
    report.parent.mkdir(exist_ok=True)
    ElementTree.ElementTree(cases).write(report, encoding="utf-8", xml_declaration=True)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
