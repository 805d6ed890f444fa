"""The scoring of the Numenta Anomaly Benchmark, written from its published description.

Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark"
(2015): each labelled anomaly has a window around it, a tenth of the file's rows shared among the
file's windows. The earliest detection in a window counts, by a sigmoid of its place in the window;
detections outside count against the detector, less so shortly behind a window; a window without any
is missed. Detections in the first 15 % of a file (at most 750 rows) count neither way. Three
profiles weigh false detections and missed windows differently. The sum is normalised so that a
detector that never says anything has 0 and one that is at once right in every window has 100.

A detector's threshold is one for all files, the one that gives the best sum (per profile); beside
that, what a fixed threshold gives.

  files = load("/path/to/nab")               the series with their windows
  sweep = Sweep(files, scores)               scores: {name: numpy array, one number a row}
  sweep.best(PROFILES["standard"])           → (normalised score, threshold)
  sweep.at(PROFILES["standard"], 0.5)        → Outcome: score, found, missed, false detections
"""

import csv
import dataclasses
import json
import math
import pathlib

import numpy as np

PROBATION, PROBATION_ROWS = 0.15, 5000


@dataclasses.dataclass(frozen=True)
class Profile:
    name: str
    found: float
    missed: float
    false: float


PROFILES = {p.name: p for p in (Profile("standard", 1.0, 1.0, 0.11),
                                Profile("reward_low_FP", 1.0, 1.0, 0.22),
                                Profile("reward_low_FN", 1.0, 2.0, 0.11))}


@dataclasses.dataclass
class File:
    name: str
    times: list
    values: np.ndarray
    windows: list  # (first row, last row), both in the window
    probation: int

    @property
    def category(self):
        return self.name.split("/")[0]


def load(folder):
    """The series below `folder` that windows.json names."""
    folder = pathlib.Path(folder)
    files = []
    for name, windows in json.loads((folder / "windows.json").read_text()).items():
        with open(folder / name, newline="") as source:
            rows = list(csv.reader(source))[1:]
        times = [row[0] for row in rows]
        place = {time: row for row, time in reversed(list(enumerate(times)))}
        files.append(File(
            name, times, np.array([float(row[1]) for row in rows]),
            [(place[begin.split(".")[0]], place[end.split(".")[0]]) for begin, end in windows],
            int(min(PROBATION * len(rows), PROBATION * PROBATION_ROWS))))
    return files


def sigmoid(position):
    """−1 … 0 is the window from its first to its last row; beyond 3 windows behind it all is −1."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def worth(file):
    """For each row: what a detection there is worth before weights, and its window or −1."""
    rows = len(file.times)
    value, window = np.full(rows, -1.0), np.full(rows, -1)
    for number, (begin, end) in enumerate(file.windows):
        width = end - begin + 1
        for row in range(begin, end + 1):
            value[row] = sigmoid(-(end - row + 1) / width) / sigmoid(-1)
            window[row] = number
        until = file.windows[number + 1][0] if number + 1 < len(file.windows) else rows
        for row in range(end + 1, until):
            value[row] = sigmoid((row - end) / max(1, width - 1))
    return value, window


@dataclasses.dataclass
class Outcome:
    score: float
    found: int
    missed: int
    false: int


class Sweep:
    """Detectors' scores over some files, at any threshold."""

    def __init__(self, files, scores):
        value, window, score = [], [], []
        self.windows = 0
        for file in files:
            v, w = worth(file)
            v, w, s = v[file.probation:], w[file.probation:], scores[file.name][file.probation:]
            value.append(v)
            window.append(np.where(w >= 0, w + self.windows, -1))
            score.append(s)
            self.windows += len(file.windows)
        self.value, self.window, self.score = map(np.concatenate, (value, window, score))

    def at(self, profile, threshold):
        """A row is a detection if its score is at least the threshold."""
        hit = self.score >= threshold
        false = hit & (self.window < 0)
        total = profile.false * self.value[false].sum()
        best = np.full(self.windows, -np.inf)
        inside = hit & (self.window >= 0)
        np.maximum.at(best, self.window[inside], self.value[inside])
        found = np.isfinite(best)
        total += profile.found * best[found].sum() - profile.missed * (~found).sum()
        return Outcome(self._normalised(profile, total), int(found.sum()), int((~found).sum()),
                       int(false.sum()))

    def best(self, profile):
        """The best normalised score that one threshold gives, and that threshold."""
        order = np.argsort(-self.score, kind="stable")
        value, window, score = self.value[order], self.window[order], self.score[order]
        gain = np.where(window < 0, profile.false * value, 0.0)
        reached = {}
        for row in np.nonzero(window >= 0)[0]:
            number = window[row]
            if number not in reached:
                gain[row] = profile.missed + profile.found * value[row]
                reached[number] = value[row]
            elif value[row] > reached[number]:
                gain[row] = profile.found * (value[row] - reached[number])
                reached[number] = value[row]
        total = np.cumsum(gain) - profile.missed * self.windows
        # Rows of equal score are detected together.
        ends = np.nonzero(np.append(score[1:] != score[:-1], True))[0]
        nothing = -profile.missed * self.windows
        place = ends[np.argmax(total[ends])]
        if total[place] <= nothing:
            return self._normalised(profile, nothing), math.inf
        return self._normalised(profile, total[place]), float(score[place])

    def _normalised(self, profile, total):
        nothing, perfect = -profile.missed * self.windows, profile.found * self.windows
        if not self.windows:  # files without windows: points lost to false detections
            return total
        return 100 * (total - nothing) / (perfect - nothing)
