"""A random cut forest beside the Java reference, on the same stream with the same settings.

Each row is scored, then learned: BM_ForestUpdate of forest_bench, and peers/rcf on the JVM, which
Maven fetches the reference for. What counts is the thread's processor time once trees are full and
the JVM has compiled. The mean score is printed too: it has to be about the same.

  ROWS=200000   how many rows the JVM gets; the second half counts
"""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("LEVADA_BUILD_DIR", ROOT / "build" / "release"))
PEER = ROOT / "benchmarks" / "peers" / "rcf"
ROWS = os.environ.get("ROWS", "200000")


def reference():
    """{(dimensions, shingle, trees, samples): (updates a second, mean score)}"""
    classes = BUILD / "rcf-peer"
    subprocess.run(["mvn", "-q", "-B", "-f", PEER / "pom.xml", "dependency:copy-dependencies",
                    f"-DoutputDirectory={classes}"], check=True)
    path = f"{classes}/*:{classes}"
    subprocess.run(["javac", "-cp", path, "-d", classes, PEER / "RcfPeer.java"], check=True)
    lines = subprocess.run(["java", "-cp", path, "RcfPeer", ROWS], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    fields = [line.split() for line in lines]
    return {tuple(map(int, f[:4])): (float(f[4]), float(f[5])) for f in fields}


def ours():
    done = subprocess.run([BUILD / "bin" / "forest_bench", "--benchmark_format=json",
                           "--benchmark_filter=BM_ForestUpdate"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = {}
    for run in json.loads(done.stdout)["benchmarks"]:
        case = tuple(int(part.split(":")[1]) for part in run["name"].split("/")[1:])
        out[case] = (run["items_per_second"], run["score"], run["bytes"])
    return out


def main():
    java, levada = reference(), ours()
    print(f"{'dimensions shingle trees samples':34s}{'Levada':>10s}{'Java':>10s}{'ratio':>8s}"
          f"{'scores':>16s}{'kB':>8s}")
    for case, (rate, score, size) in levada.items():
        print(f"{case!s:34s}{rate:10,.0f}{java[case][0]:10,.0f}{rate / java[case][0]:8.1f}"
              f"{score:9.3f}{java[case][1]:7.3f}{size / 1000:8,.0f}")


if __name__ == "__main__":
    main()
