"""levada pipe with CSV: rows in, typed by the topic's fields, and rows with chosen fields out."""

import json
import subprocess

import pytest

MANIFEST = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: rows}
spec:
  topics:
  - name: readings
    timestamp: at
    fields:
    - {name: sensor, type: string}
    - {name: at, type: timestamp}
    - {name: celsius, type: double}
  - {name: warm}
  stages:
  - name: select
    scoring:
      from: readings
      steps:
      - filter: celsius > 20
      - set:
        - {name: fahrenheit, value: celsius * 9 / 5 + 32}
        - {name: said, value: '"number " + sensor + (has(event.note) ? ", " + note : "")'}
      to: warm
"""

ROWS = b"""sensor,at,celsius,note\r
7,2014-04-01 00:00:00,25.50,"so ""warm"", here\r
and there"\r
8,2014-04-01 00:05:00,19,\r
\r
007,2014-04-01 00:10:00,30,\r
"""


@pytest.fixture
def pipe(build_dir, tmp_path):
    manifest = tmp_path / "rows.yaml"
    manifest.write_text(MANIFEST)

    def run(rows: bytes, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([build_dir / "bin" / "levada", "pipe", manifest, "--stage", "select", *arguments],
                              input=rows, capture_output=True, timeout=60)
    return run


def test_rows_in_and_rows_out(pipe):
    done = pipe(ROWS, "--from", "csv", "--to", "csv", "--fields", "at,sensor,celsius,fahrenheit,said,nothing")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"at,sensor,celsius,fahrenheit,said,nothing\n"
                           b'2014-04-01 00:00:00,7,25.50,77.9,"number 7, so ""warm"", here\r\nand there",\n'
                           b"2014-04-01 00:10:00,007,30,86,number 007,\n")


def test_rows_in_and_json_out(pipe):
    done = pipe(ROWS, "--from", "csv")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["sensor"], event["celsius"]) for event in events] == [("7", 25.5), ("007", 30)]
    assert "note" not in events[1]


def test_a_row_that_is_wrong_is_a_dead_letter_and_the_others_go_on(pipe):
    done = pipe(b"sensor,celsius\n1,21\n2\n3,hot\n4,23\n", "--from", "csv", "--to", "csv", "--fields", "sensor")
    assert done.returncode == 1
    assert done.stdout == b"sensor\n1\n4\n"
    dead = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(entry["line"], entry["record"]) for entry in dead] == [(2, "2"), (3, '{"sensor":"3","celsius":"hot"}')]
    assert dead[0]["error"] == "1 fields where the header has 2"


@pytest.mark.parametrize("arguments", [("--to", "csv"), ("--fields", "a"), ("--from", "xml")])
def test_wrong_use(pipe, arguments):
    assert pipe(b"", *arguments).returncode == 2


def test_a_header_that_is_wrong_is_an_error(pipe):
    done = pipe(b"a,a\n1,2\n", "--from", "csv")
    assert done.returncode == 1 and b"column 2" in done.stderr
