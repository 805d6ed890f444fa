"""Adds up the reports of all test suites in a folder; the closing line is `N passed, N failed`.

  ctest-LABEL.xml   what ctest saw of each test program
  cases/NAME.xml    GoogleTest's cases of the program NAME
  pytest.xml        pytest's cases

A program that failed without a failed case (a crash, a time-out, a leak at exit) is one failure. No test
at all is a failure too: exit code 1.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field


@dataclass
class Count:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add(self, other: "Count") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def cases(file: pathlib.Path) -> Count:
    """Counts the test cases of a JUnit-like file of GoogleTest or pytest."""
    count = Count()
    for case in ElementTree.parse(file).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed.append(name)
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            count.skipped.append(name)
        else:
            count.passed += 1
    return count


def programs(file: pathlib.Path, case_folder: pathlib.Path) -> Count:
    """Counts the cases of every program that ctest ran."""
    count = Count()
    for program in ElementTree.parse(file).iter("testcase"):
        name, good = program.get("name"), program.get("status") == "run"
        report = case_folder / f"{name}.xml"
        inner = cases(report) if report.exists() else Count(passed=1 if good else 0)
        if not good and not inner.failed:
            inner.failed.append(f"{name} (the program itself: {program.get('status')})")
        count.add(inner)
    return count


def main(folder: pathlib.Path) -> int:
    total = Count()
    suites = [(file.stem, programs(file, folder / "cases")) for file in sorted(folder.glob("ctest-*.xml"))]
    if (folder / "pytest.xml").exists():
        suites.append(("pytest", cases(folder / "pytest.xml")))
    for name, count in suites:
        print(f"  {name:18} {count.passed:6} passed {len(count.failed):4} failed {len(count.skipped):4} skipped")
        total.add(count)
    for name in total.skipped:
        print(f"  skipped: {name}")
    for name in total.failed:
        print(f"  FAILED: {name}")
    line = f"{total.passed} passed, {len(total.failed)} failed"
    print(line + (f", {len(total.skipped)} skipped" if total.skipped else ""))
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
