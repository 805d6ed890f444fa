"""Random expressions mean the same to Levada as to cel-go, the implementation in Go by CEL's own authors."""

import json
import os
import pathlib
import re
import subprocess
import time

import pytest

from cel.differences import KNOWN, explanation

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BATCH = 20_000
# By default what a test run can afford. A search of ten minutes: LEVADA_CEL_SECONDS=600.
SECONDS = int(os.environ.get("LEVADA_CEL_SECONDS", "60"))
# Other expressions than last time: LEVADA_CEL_SEED=1000.
FIRST_SEED = int(os.environ.get("LEVADA_CEL_SEED", "1"))


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> pathlib.Path:
    """The program that writes cases, with what cel-go makes of them; go.sum says what it is built from."""
    wanted = re.search(r"^go (\S+)", (HERE / "generator/go.mod").read_text(), re.M).group(1)
    go = subprocess.run([ROOT / "scripts/lib/find_go.sh", wanted], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    program = tmp_path_factory.mktemp("cel") / "generator"
    subprocess.run(
        [go, "build", "-mod=readonly", "-o", program, "."],
        cwd=HERE / "generator",
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
        check=True,
    )
    return program


def unexplained(levada: pathlib.Path, generator: pathlib.Path, folder: pathlib.Path, seed: int) -> tuple[int, list[str]]:
    """How many cases of one batch passed, and the differences that nobody has given a reason for."""
    path = folder / "cases.json"
    with path.open("wb") as file:
        subprocess.run([generator, f"--seed={seed}", f"--count={BATCH}"], stdout=file, check=True)
    cases = {case["name"]: case for case in json.loads(path.read_bytes())}
    result = subprocess.run([levada, "eval", "--cases", path], stdout=subprocess.PIPE, text=True, errors="replace")
    *lines, summary = result.stdout.splitlines()
    found = []
    for line in lines:
        name, _, outcome = line.removeprefix("FAIL ").partition(": ")
        if not line.startswith("FAIL ") or name not in cases:
            continue  # a text with line ends goes on in the next line
        case = cases[name]
        outcome = f"{outcome} {case.get('message', '')}"
        if explanation(case["expr"], outcome) is None:
            found.append(f"{case['expr']}\n  with {json.dumps(case.get('bindings', {}))}\n  {outcome}")
    return int(re.match(r"(\d+) passed", summary).group(1)), sorted(found, key=len)


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 600)
def test_levada_agrees_with_cel_go(build_dir, generator, tmp_path):
    """Every difference that is found is mended, or is one of cel/differences.py."""
    passed, seed, end = 0, FIRST_SEED, time.monotonic() + SECONDS
    while time.monotonic() < end:
        good, differences = unexplained(build_dir / "bin/levada", generator, tmp_path, seed)
        assert not differences, f"seed {seed}: {len(differences)} differences\n" + "\n".join(differences[:10])
        passed += good
        seed += 1
    print(f"{passed} expressions agree, seeds {FIRST_SEED} to {seed - 1}")
    assert passed > 0.99 * BATCH * (seed - FIRST_SEED), "the explanations explain too much"


def test_an_explanation_fits_its_own_difference_only():
    assert explanation("{1: 2, 1: 3}", "expected map, got the error 'the map has the key 1 twice'")
    assert explanation("1 + 1", "expected int 2, got int 3") is None
    assert explanation("string(1e20)", "expected bool true, got bool false") is None
    assert all(it.expression or it.outcome for it in KNOWN)
