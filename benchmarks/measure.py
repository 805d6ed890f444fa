"""A program that reads a topic in a consumer group, measured between two of its commits."""

import os
import pathlib
import platform
import signal
import subprocess
import time

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from process import cpu_seconds, peak_megabytes

BEGIN, END = 0.2, 0.9


class Measured:
    """`command` works through the `events` of `source` in `group`; what it says goes to `log`."""

    def __init__(self, kafka: str, command: list, group: str, source: str, events: int, log: pathlib.Path):
        self.group, self.source, self.events, self.log = group, source, events, log
        self.admin = AdminClient({"bootstrap.servers": kafka})
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def committed(self) -> int:
        asked = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.group)])
        partitions = asked[self.group].result(30).topic_partitions
        return sum(max(entry.offset, 0) for entry in partitions if entry.topic == self.source)

    def measure(self, exit_codes: tuple[int, ...] = (0,), slack: int = 0) -> dict:
        """`slack`: offsets of the end that are markers and no events, or that it commits late."""
        begin = self._sample(BEGIN * self.events)
        end = self._sample(END * self.events)
        self._sample(self.events - slack)
        memory = peak_megabytes(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert code in exit_codes, f"exit code {code}: {self.log.read_text()}"
        events, cpu = end[0] - begin[0], end[1] - begin[1]
        assert events > 0, f"the program took all of it between two commits: more events than {self.events:,} are needed"
        return {"events_per_cpu_second": events / cpu, "cpu_us": cpu * 1e6 / events,
                "events_per_second": events / (end[2] - begin[2]), "peak_mb": memory}

    def _sample(self, events: float) -> tuple[int, float, float]:
        """(events committed, processor time, time) at the first commit seen behind `events`."""
        deadline = time.monotonic() + 300
        before = self.committed()
        while True:
            now = self.committed()
            # A sample is taken just behind a commit, so that all have the same distance to one.
            if now >= events and (now > before or now >= self.events):
                return now, cpu_seconds(self.process.pid), time.monotonic()
            before = now
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{now} of {self.events} events: {self.log.read_text()}"
            time.sleep(0.05)


def machine() -> dict:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(),
            "load": round(os.getloadavg()[0], 1), "date": time.strftime("%Y-%m-%d")}
