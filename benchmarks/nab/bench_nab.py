"""Anomaly detectors on the Numenta Anomaly Benchmark, one setting for all files.

  NAB=FOLDER python benchmarks/nab/bench_nab.py [compare|ablation|folds|files] [name=value …]

  compare    the kinds of detector: three profiles, best and fixed thresholds (the default)
  ablation   what each idea brings
  folds      settings and threshold chosen without a category of files, judged on that category
  files      found, missed and false by file, at the fixed threshold

NAB is a folder with the series and windows.json (default ../shared/data/nab); only the files that
are named there count, and scores are normalised to the null and the perfect detector over those.
What a detector is judged by is its grade; 0.5 is the fixed threshold. Settings are anomaly_csv's.
"""

import itertools
import os
import pathlib
import subprocess
import sys

import numpy as np

from score import PROFILES, Sweep, load

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("LEVADA_BUILD_DIR", ROOT / "build" / "release")) / "bin"
NAB = pathlib.Path(os.environ.get("NAB", ROOT.parent / "shared" / "data" / "nab"))
GRADE = 0.5


def detect(files, settings, column="grade"):
    """{file: its rows' grades (or scores)}"""
    out = {}
    for file in files:
        with open(NAB / file.name, "rb") as source:
            done = subprocess.run([BIN / "anomaly_csv", *settings], stdin=source, check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        place = {"score": -2, "grade": -1}[column]
        rows = done.stdout.decode().splitlines()[1:]
        out[file.name] = np.array([float(row.split(",")[place]) for row in rows])
    return out


def line(label, files, scores, fixed=GRADE):
    sweep = Sweep(files, scores)
    best = [sweep.best(p) for p in PROFILES.values()]
    at = [sweep.at(p, fixed) for p in PROFILES.values()]
    print(f"{label:34s}", *(f"{b:6.1f}" for b, _ in best), "  |", *(f"{o.score:6.1f}" for o in at),
          f"  | {best[0][1]:.3f}  found {at[0].found}, missed {at[0].missed}, false {at[0].false}",
          flush=True)
    return np.mean([b for b, _ in best])


def head():
    print(f"{'':34s}   best threshold       |    fixed threshold    | standard profile")
    print(f"{'':34s}", *(f"{name[-6:]:>6s}" for name in ("standa", "low FP", "low FN")), "  |",
          *(f"{name[-6:]:>6s}" for name in ("standa", "low FP", "low FN")), "  | best at; at 0.5")


def compare(files, settings):
    head()
    for kind in ("combined", "digest", "forest", "seasonal"):
        line(kind, files, detect(files, [f"kind={kind}", *settings]))


def ablation(files, settings):
    head()
    forest = ["kind=forest", *settings]
    line("forest, score as it is", files, detect(files, forest, "score"))
    line("forest, quiet after an anomaly", files, detect(files, forest))


def by_file(files, settings):
    grades = detect(files, settings)
    for file in files:
        outcome = Sweep([file], grades).at(PROFILES["standard"], GRADE)
        print(f"{file.name:60s} found {outcome.found}, missed {outcome.missed}, "
              f"false {outcome.false}")


def main():
    files = load(NAB)
    what, settings = "compare", sys.argv[1:]
    if settings and "=" not in settings[0]:
        what, settings = settings[0], settings[1:]
    {"compare": compare, "ablation": ablation, "files": by_file}[what](files, settings)


if __name__ == "__main__":
    main()
