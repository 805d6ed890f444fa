"""What the steps of `streams` are to give, record by record.

It knows nothing of transactions, batches or workers. It goes through each partition's records in their order,
and keeps for a key what docs/steps says that a step keeps.
"""

import bisect
import collections
import json

DEDUP_MS, BASKET_MS = 3_600_000, 600_000
SPANS = {"1m": (60_000, 1_000), "10m": (600_000, 10_000)}  # span, its panes
WINDOW_MS, LATENESS_MS, GAP_MS = 60_000, 10_000, 30_000


class Dedup:
    """Of one partition."""

    def __init__(self, within: int):
        self._within, self._kept = within, {}

    def keeps(self, key, at: int, newest: int) -> bool:
        times = [kept for kept in self._kept.get(key, ()) if newest - kept <= self._within]
        if any(abs(at - kept) <= self._within for kept in times):
            return False
        if newest - at <= self._within:
            self._kept[key] = sorted([*times, at])
        return True


class Sources:
    """Of one partition of a topic in between: what its records say of the partitions that they come from."""

    def __init__(self):
        self._times, self._idle, self.newest = {}, set(), -1 << 60

    def take(self, text: str) -> None:
        """`3/6 1750000000000000 idle`: of which of how many, microseconds (none yet: left out), nothing comes."""
        place, *words = text.split()
        source, of = map(int, place.split("/"))
        for number in range(of):
            self._times.setdefault(number, -1 << 60)
        if words and words[0] != "idle":
            self._times[source] = max(self._times[source], int(words[0]) // 1000)
        (self._idle.add if "idle" in words else self._idle.discard)(source)
        behind = min((time for number, time in self._times.items() if number not in self._idle),
                     default=max(self._times.values()))
        self.newest = max(self.newest, behind)


class Features:
    """Of one key."""

    def __init__(self):
        self._times, self._amounts = [], []

    def add(self, at: int, amount: int) -> dict:
        place = bisect.bisect(self._times, at)
        self._times.insert(place, at)
        self._amounts.insert(place, amount)
        oldest = bisect.bisect_left(self._times, self._times[-1] - 1_200_000)
        del self._times[:oldest], self._amounts[:oldest]
        values = {}
        for span, (length, pane) in SPANS.items():
            begin = bisect.bisect_left(self._times, at // pane * pane - (length // pane - 1) * pane)
            end = bisect.bisect_left(self._times, at // 1000 * 1000 + 1000)
            values[f"count_{span}"] = end - begin
            values[f"spent_{span}"] = sum(self._amounts[begin:end])
        return values


class Partition:
    """One partition of the input, and what the stages make of it."""

    def __init__(self, users: dict):
        self._users = users
        self._newest = -1 << 60
        self._dedup = Dedup(DEDUP_MS)
        self._features = collections.defaultdict(Features)
        self._windows = collections.defaultdict(dict)  # beginning → user → [count, total, most]
        self._sessions = collections.defaultdict(list)  # user → [[first, last, count, total]]
        self._ends = collections.defaultdict(set)  # moment → users whose sessions may close

    def take(self, event: dict, out) -> None:
        at = event["at"]
        moved, self._newest = at > self._newest, max(self._newest, at)
        self._enrich(event, at, out)
        watermark = self._newest - LATENESS_MS
        if moved:
            self._close(watermark, out)
        self._minute(event, at, watermark, out)
        self._visit(event, at, watermark)
        if event["amount"] > 20:
            out("between", event)

    def _enrich(self, event: dict, at: int, out) -> None:
        if not self._dedup.keeps((event["user"], event["id"]), at, self._newest):
            return
        features = self._features[event["user"]].add(at, event["amount"])
        if not isinstance(event["items"], list):
            return out.dead("enrich")
        for place, item in enumerate(event["items"]):
            out("out", dict(event, profile=self._users.get(event["user"]), item=item, place=place, **features))

    def _minute(self, event: dict, at: int, watermark: int, out) -> None:
        start = at // WINDOW_MS * WINDOW_MS
        if watermark >= start + WINDOW_MS:
            return out("late", event)
        amount = event["amount"]
        count, total, most = self._windows[start].get(event["user"], (0, 0, -1))
        self._windows[start][event["user"]] = (count + 1, total + amount, max(most, amount))

    def _visit(self, event: dict, at: int, watermark: int) -> None:
        mine = self._sessions[event["user"]]
        joined = [one for one in mine if one[0] - GAP_MS <= at <= one[1] + GAP_MS]
        session = [at, at, 1, event["amount"]]
        for one in joined:
            mine.remove(one)
            session = [min(session[0], one[0]), max(session[1], one[1]), session[2] + one[2], session[3] + one[3]]
        if not joined and at + GAP_MS < watermark:
            return  # late
        mine.append(session)
        self._ends[(session[1] + GAP_MS) // 1000].add(event["user"])

    def _close(self, watermark: int, out) -> None:
        for start in [start for start in self._windows if watermark >= start + WINDOW_MS]:
            for user, (count, total, most) in self._windows.pop(start).items():
                out("minutes", {"user": user, "count": count, "total": total, "most": most, "window_start": start,
                                "window_end": start + WINDOW_MS})
        for second in [second for second in self._ends if second * 1000 < watermark]:
            for user in self._ends.pop(second):
                left = []
                for one in self._sessions[user]:
                    if one[1] + GAP_MS < watermark:
                        out("visits", {"user": user, "count": one[2], "total": one[3], "window_start": one[0],
                                       "window_end": one[1]})
                    else:
                        left.append(one)
                        self._ends[max(second, (one[1] + GAP_MS) // 1000)].add(user)
                self._sessions[user] = left


class Expected:
    """What each topic should hold, as a number a record; and how many dead letters each stage makes."""

    def __init__(self, show: dict[str, set[int]] | None = None):
        self.records = collections.defaultdict(collections.Counter)
        self.dead_letters = collections.Counter()
        self.where = None  # place of the input that is looked at
        self._show = show or {}
        self.shown: list[str] = []

    def __call__(self, topic: str, record: dict) -> None:
        text = canonical(record)
        number = hash(text)
        self.records[topic][number] += 1
        if number in self._show.get(topic, ()):
            self.shown.append(f"{topic}: expected {text}")

    def dead(self, stage: str) -> None:
        self.dead_letters[(stage, *self.where)] += 1


def canonical(record: dict) -> str:
    return json.dumps(record, sort_keys=True)
