"""The script `dev`: its help, its exit codes, and that its count of results misses no failure."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COMMANDS = sorted(file.stem for file in (ROOT / "scripts").glob("*.sh"))


def dev(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "dev", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_help_lists_every_command():
    done = dev("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_does_nothing_but_tell(command):
    done = dev(command, "--help")
    assert done.returncode == 0
    usage, summary = done.stdout.splitlines()[:2]
    assert usage.startswith("Usage: ") and f"./dev {command}" in usage
    assert summary.endswith(".")


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("test", "--nonsense"), ("servers", "up", "nonsense")])
def test_wrong_arguments_exit_with_2(arguments):
    assert dev(*arguments).returncode == 2


def count(folder: pathlib.Path) -> tuple[int, str]:
    """Exit code and closing line of count_results.py."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/lib/count_results.py", folder], capture_output=True, text=True
    )
    return done.returncode, done.stdout.splitlines()[-1]


def reports(folder: pathlib.Path, ctest: dict[str, str], cases: dict[str, str]) -> pathlib.Path:
    """Writes reports: of each program what ctest says of it, and the inside of its own report."""
    (folder / "cases").mkdir()
    programs = "".join(f'<testcase name="{name}" status="{status}"/>' for name, status in ctest.items())
    (folder / "ctest-unit.xml").write_text(f"<testsuite>{programs}</testsuite>")
    for name, inside in cases.items():
        (folder / "cases" / f"{name}.xml").write_text(f"<testsuites><testsuite>{inside}</testsuite></testsuites>")
    return folder


GOOD = '<testcase classname="A" name="good" status="run" result="completed"/>'
BAD = '<testcase classname="A" name="bad" status="run" result="completed"><failure message="x"/></testcase>'
SKIPPED = '<testcase classname="A" name="left_out" status="run" result="skipped"><skipped message="x"/></testcase>'


@pytest.mark.parametrize(
    ("ctest", "cases", "expected"),
    [
        ({"a": "run", "b": "run"}, {"a": GOOD + GOOD, "b": GOOD}, (0, "3 passed, 0 failed")),
        ({"a": "fail"}, {"a": GOOD + BAD}, (1, "1 passed, 1 failed")),
        # It crashed before it could write its report, or after it had.
        ({"a": "fail", "b": "run"}, {"b": GOOD}, (1, "1 passed, 1 failed")),
        ({"a": "fail"}, {"a": GOOD}, (1, "1 passed, 1 failed")),
        ({"a": "run"}, {"a": GOOD + SKIPPED}, (0, "1 passed, 0 failed, 1 skipped")),
        ({}, {}, (1, "0 passed, 0 failed")),
    ],
)
def test_count_of_results(tmp_path, ctest, cases, expected):
    assert count(reports(tmp_path, ctest, cases)) == expected
