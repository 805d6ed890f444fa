"""Anomaly detectors on the Numenta Anomaly Benchmark, one setting for all files.

  NAB=FOLDER python benchmarks/nab/bench_nab.py [pipe|compare|ablation|folds|files] [name=value …]

  pipe       the kinds of detector, each file a run of `levada pipe` with nab.yaml: CSV with the
             header in, score and grade out
  compare    the same detectors by themselves: three profiles, best and fixed thresholds (the
             default)
  ablation   what each idea brings
  folds      settings and threshold chosen without a category of files, judged on that category
  files      found, missed and false by file, at the fixed threshold

NAB is a folder with the series and windows.json (default ../shared/data/nab); only the files that
are named there count, and scores are normalised to the null and the perfect detector over those.
What a detector is judged by is its grade; 0.5 is the fixed threshold. Settings are anomaly_csv's
(not of `pipe`).
"""

import itertools
import os
import pathlib
import subprocess
import sys

import numpy as np

from score import PROFILES, Sweep, load

HERE = pathlib.Path(__file__).resolve().parent
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("LEVADA_BUILD_DIR", ROOT / "build" / "release")) / "bin"
NAB = pathlib.Path(os.environ.get("NAB", ROOT.parent / "shared" / "data" / "nab"))
GRADE = 0.5
KINDS = ("combined", "digest", "forest", "seasonal")
VIEWS = ("value", "size", "activity", "season")


def detect(files, settings):
    """{file: its rows' grades}"""
    out = {}
    for file in files:
        with open(NAB / file.name, "rb") as source:
            done = subprocess.run([BIN / "anomaly_csv", *settings], stdin=source, check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        rows = done.stdout.decode().splitlines()[1:]
        out[file.name] = np.array([float(row.split(",")[-1]) for row in rows])
    return out


def pipe(files, kind):
    """The same through the stage of nab.yaml."""
    out = {}
    for file in files:
        with open(NAB / file.name, "rb") as source:
            done = subprocess.run(
                [BIN / "levada", "pipe", HERE / "nab.yaml", "--stage", "detect", "--from", "csv", "--to", "csv",
                 "--fields", "timestamp,value,anomaly_score,anomaly_grade",
                 "--set", f"spec.stages[name=detect].scoring.steps[0].anomaly.method={kind}"],
                stdin=source, check=True, stdout=subprocess.PIPE)
        header, *rows = done.stdout.decode().splitlines()
        assert header == "timestamp,value,anomaly_score,anomaly_grade" and len(rows) == len(file.times)
        out[file.name] = np.array([float(row.split(",")[-1]) for row in rows])
    return out


def by_pipe(files, _):
    head()
    for kind in KINDS:
        line(kind, files, pipe(files, kind))


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
    for kind in KINDS:
        line(kind, files, detect(files, [f"kind={kind}", *settings]))


def ablation(files, settings):
    """Each line has one thing more than the one before."""
    head()

    def run(label, *more):
        line(label, files, detect(files, [*more, *settings]))

    run("forest of values", "kind=forest", "shingle=1", "quiet=0")
    run("forest of shingles of 8", "kind=forest", "quiet=0")
    run("and quiet after an anomaly", "kind=forest")
    run("digest of the value", "views=value", "kind=digest", "quiet=0")
    run("and quiet after an anomaly", "views=value", "kind=digest")
    run("and the size", "views=value,size", "kind=digest")
    run("and the activity", "views=value,size,activity", "kind=digest")
    run("and the season: kind digest", "kind=digest")
    run("and the forest: kind combined", "kind=combined")
    print("\nkind combined without")
    for without in VIEWS:
        views = ",".join(view for view in VIEWS if view != without)
        run(f"  {without}", f"views={views}")
    run("  quiet", "quiet=0")
    print("\nkind combined with other settings")
    for other in ("seed=2", "seed=3", "shingle=4", "shingle=16", "trees=30", "trees=100",
                  "samples=128", "samples=512", "window=24", "window=36", "window=64", "window=96",
                  "quiet=50", "quiet=150", "quiet=200", "memory=5000", "memory=100000",
                  "centroids=32", "centroids=128", "warm_up=100", "warm_up=300"):
        run("  " + other, other)


def folds(files, settings):
    """What a choice by some files is worth on others. The grid has what one might choose between."""
    grid = [["kind=forest", f"quiet={quiet}"] for quiet in (0, 100)]
    for kind, window, quiet in itertools.product(("combined", "digest"), (24, 48, 96),
                                                 (50, 100, 200)):
        grid.append([f"kind={kind}", f"window={window}", f"quiet={quiet}"])
    grades = [detect(files, [*choice, *settings]) for choice in grid]
    default = detect(files, settings)
    categories = sorted({file.category for file in files})
    halves = [[file for place, file in enumerate(files) if place % 2 == half] for half in (0, 1)]
    print("held out                 chosen: settings                          profile by profile")
    totals = {}
    for how, parts in (("category", [[f for f in files if f.category == c] for c in categories]),
                       ("half", halves)):
        for part in parts:
            rest = [file for file in files if file not in part]
            label = part[0].category if how == "category" else "every second file"
            for profile in PROFILES.values():
                mine = [Sweep(rest, each).best(profile) for each in grades]
                chosen = max(range(len(grid)), key=lambda k: mine[k][0])
                for name, each, threshold in (
                        ("settings and threshold chosen", grades[chosen], mine[chosen][1]),
                        ("threshold chosen", default, Sweep(rest, default).best(profile)[1]),
                        ("nothing chosen", default, GRADE)):
                    sweep = Sweep(part, each)
                    score = sweep.at(profile, threshold).score
                    # As points, which add up over the parts.
                    perfect = sweep.windows * (profile.found + profile.missed) / 100 or 1
                    total = totals.setdefault((how, name, profile.name), [0, 0])
                    total[0] += score * perfect
                    total[1] += sweep.windows * (profile.found + profile.missed)
                if profile.name == "standard":
                    print(f"{label:24s} {' '.join(grid[chosen]):40s} "
                          f"{Sweep(part, grades[chosen]).at(profile, mine[chosen][1])}")
    for (how, name, profile), (points, perfect) in totals.items():
        print(f"by {how:9s} {name:30s} {profile:15s} {100 * points / perfect:6.1f}")


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
    {"pipe": by_pipe, "compare": compare, "ablation": ablation, "folds": folds,
     "files": by_file}[what](files, settings)


if __name__ == "__main__":
    main()
