"""Faults at random below a pipeline of steps with state, and what is then to be there."""

import itertools
import os
import random
import signal
import subprocess
import threading
import time

from e2e import streams
from lib.wait import eventually

STAGES = ["enrich", "minutes", "visits", "shops", "shops-by-basket-event-shop"]

# How a worker ends that is told to: in order, or before it has got so far as to hear of it.
LEFT = (0, -signal.SIGTERM)


class Chaos:
    """Faults at random, one after the other, in a thread: workers of `levada run` and workers started by hand, of
    which each stage has up to four."""

    def __init__(self, pipeline: streams.Streams, dice: random.Random, named: bool, pause: float = 3.0, broker=None):
        self._pipeline, self._dice, self._named, self._pause, self._broker = pipeline, dice, named, pause, broker
        self._numbers = itertools.count()
        self._workers: dict[str, list[tuple[subprocess.Popen, str]]] = {stage: [] for stage in STAGES}
        self._stopped = threading.Event()
        self.done: dict[str, int] = {}
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """No more faults; those started by hand leave in order."""
        self._stopped.set()
        self._thread.join()
        workers = [(stage, *worker) for stage, workers in self._workers.items() for worker in workers]
        for _, worker, _ in workers:
            worker.send_signal(signal.SIGTERM)
        for stage, worker, instance in workers:
            assert worker.wait(120) in LEFT, f"{stage} {instance}"
        assert self.failure is None, self.failure

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()
        for workers in self._workers.values():
            for worker, _ in workers:
                if worker.poll() is None:
                    worker.kill()
                worker.wait()

    def _run(self) -> None:
        faults = [self._kill_of_run] * 3 + [self._join] * 3 + [self._kill] * 3 + [self._leave] * 2 + [self._freeze] * 2
        faults += [self._restart_broker] if self._broker else []
        try:
            while not self._stopped.wait(self._dice.uniform(0.1, 1) * self._pause):
                fault = self._dice.choice(faults)
                if fault(self._dice.choice(STAGES)):
                    name = fault.__name__.strip("_")
                    self.done[name] = self.done.get(name, 0) + 1
        except BaseException as failure:  # told by end()
            self.failure = failure

    def _kill_of_run(self, stage: str) -> bool:
        return self._pipeline.kill(stage)

    def _join(self, stage: str) -> bool:
        if len(self._workers[stage]) == 4:
            return False
        self._start(stage, f"by-hand-{next(self._numbers)}")
        return True

    def _start(self, stage: str, instance: str) -> None:
        pipeline = self._pipeline
        command = [pipeline.programs / "levada-scoring", "--pipeline", pipeline.state / f"{stage}.yaml", "--stage", stage,
                   "--kafka", pipeline.kafka, "--data", pipeline.data, "--state", pipeline.folder / f"{stage}-{instance}.state",
                   "--snapshot-every", "2s"]
        if self._named:
            command += ["--instance", instance]
        with open(pipeline.folder / f"{stage}-{instance}.log", "ab") as log:
            worker = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._workers[stage].append((worker, instance))

    def _take(self, stage: str) -> tuple[subprocess.Popen, str] | None:
        workers = self._workers[stage]
        return workers.pop(self._dice.randrange(len(workers))) if workers else None

    def _kill(self, stage: str) -> bool:
        taken = self._take(stage)
        if not taken:
            return False
        taken[0].kill()
        taken[0].wait()
        # Where the broker is restarted too, one of a name comes back, as it does on a cluster, and ends the transaction
        # that it left. Without it the broker does, and Kafka 4.3.1 may forget the marker when it is restarted just then
        # (docs/guide/troubleshooting.md).
        if (self._named and self._broker) or self._dice.random() < 0.7:
            self._start(stage, taken[1])
        return True

    def _leave(self, stage: str) -> bool:
        taken = self._take(stage)
        if not taken:
            return False
        taken[0].send_signal(signal.SIGTERM)
        try:
            code = taken[0].wait(60)
        except subprocess.TimeoutExpired:
            self._workers[stage].append(taken)
            raise
        assert code in LEFT, f"{stage} {taken[1]}"
        return True

    def _freeze(self, stage: str) -> bool:
        """Now and then for longer than a group waits for a member."""
        if not self._workers[stage]:
            return False
        worker, _ = self._dice.choice(self._workers[stage])
        os.kill(worker.pid, signal.SIGSTOP)
        self._stopped.wait(self._dice.choice([0.5, 2, 14]))
        os.kill(worker.pid, signal.SIGCONT)
        return True

    def _restart_broker(self, _stage: str) -> bool:
        self._dice.choice([self._broker.stop, self._broker.kill])()
        time.sleep(self._dice.uniform(0, 3))
        self._broker.start()
        return True


def run(pipeline: streams.Streams, chaos: Chaos, events, rate: float, minutes: float) -> dict[str, int]:
    pipeline.start()
    try:
        chaos.start()
        streams.feed(pipeline, events, rate)
        eventually(lambda: chaos.failure or pipeline.has_read_everything(), "all is read", 60 * minutes, every=1)
        chaos.end()
        assert pipeline.stop(600) == 0, pipeline.errors()
    finally:
        chaos.close()
    counts = streams.check(pipeline)
    print("faults", chaos.done, "records", counts)
    return counts
