"""Random expressions mean the same to Levada as to cel-go, the implementation in Go by CEL's own authors."""

import json
import os
import pathlib
import re
import subprocess

import pytest

from cel.differences import KNOWN, explanation

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BATCH = 20_000
# What a test run can afford, always the same expressions. A search of ten minutes: LEVADA_CEL_BATCHES=200.
BATCHES = int(os.environ.get("LEVADA_CEL_BATCHES", "10"))
# Others: LEVADA_CEL_SEED=1000.
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
@pytest.mark.timeout(600 + 60 * BATCHES)
def test_levada_agrees_with_cel_go(build_dir, generator, tmp_path):
    """Every difference that is found is mended, or is one of cel/differences.py."""
    passed, differences = 0, []
    for seed in range(FIRST_SEED, FIRST_SEED + BATCHES):
        good, found = unexplained(build_dir / "bin/levada", generator, tmp_path, seed)
        passed += good
        differences += [f"seed {seed}: {it}" for it in found]
    print(f"{passed} expressions agree")
    assert not differences, f"{len(differences)} differences\n" + "\n".join(sorted(differences, key=len)[:20])
    assert passed > 0.99 * BATCH * BATCHES, "the explanations explain too much"


def test_an_explanation_fits_its_own_difference_only():
    assert explanation("{1: 2, 1: 3}", "expected map, got the error 'the map has the key 1 twice'")
    assert explanation("1 + 1", "expected int 2, got int 3") is None
    assert explanation("size('a')", "expected int 1, got int 2") is None
    assert all(it.expression or it.outcome for it in KNOWN)
