"""levada status, top, pause, resume and logs beside a `levada run`: found by name, told apart, and after a crash."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from e2e.runner import SMALL, Runner
from lib import kafka as topics
from lib.wait import eventually


@pytest.fixture
def home(tmp_path, monkeypatch) -> pathlib.Path:
    """Runs of this test alone are found, and no cluster."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LEVADA_KAFKA", raising=False)
    return tmp_path


@pytest.fixture
def levada(build_dir, home):
    def run(*arguments, seconds: float = 60) -> subprocess.CompletedProcess:
        return subprocess.run([str(build_dir / "bin" / "levada"), *map(str, arguments)], text=True,
                              capture_output=True, timeout=seconds, cwd=home, stdin=subprocess.DEVNULL)
    return run


@pytest.fixture
def runner(build_dir, home, kafka, unique):
    """A run of one stage that reads <unique>.a and writes <unique>.b."""
    file = home / "small.yaml"
    file.write_text(SMALL.format(name=unique, partitions=2, retention="7d"))
    made = Runner(build_dir, home, kafka, file)
    made.wait_ready()
    yield made
    made.stop()


@pytest.fixture
def status(levada, unique):
    def read(*arguments) -> dict:
        return json.loads(levada("status", unique, "--json", *arguments).stdout)
    return read


def events(count: int, first: int = 0) -> list[bytes]:
    return [json.dumps({"n": n}).encode() for n in range(first, first + count)]


class TestStatus:
    def test_tables_and_exit_code(self, levada, status, runner, unique, kafka):
        topics.produce(kafka.address, f"{unique}.a", [*events(5), b"no JSON"])
        # Results are counted when they are committed, a moment after the records are read.
        eventually(lambda: status()["stages"][0].get("records_out") == 5, "all results are counted")
        done = levada("status", unique)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"default/{unique} (run on this machine, process {runner.process.pid}): Running\n")
        stage = next(line.split() for line in done.stdout.splitlines() if line.startswith("work "))
        assert stage[:4] == ["work", "scoring", "6", "5"] and stage[-1] == "running"
        assert f"{unique}.a " in done.stdout and "TopicsReady" in done.stdout

    def test_json_has_the_same_and_what_is_not_known_is_left_out(self, status, runner, unique):
        seen = status()
        assert seen["name"] == unique and seen["ready"] and seen["phase"] == "Running"
        assert [stage["name"] for stage in seen["stages"]] == ["work"]
        assert seen["stages"][0]["restarts"] == 0 and "replicas" not in seen["stages"][0]
        assert {topic["name"]: topic["partitions"] for topic in seen["topics"]} == {
            f"{unique}.a": 2, f"{unique}.b": 2, f"levada.default.{unique}.dead-letters": 1}
        assert {row["type"]: row["status"] for row in seen["conditions"]} == dict.fromkeys(
            ["TopicsReady", "StagesReady", "Ready"], "True")

    def test_all_runs_without_a_name(self, levada, runner, unique):
        done = levada("status")
        assert done.returncode == 0
        assert [line.split()[:4] for line in done.stdout.splitlines()[1:]] == [["default", unique, "Running", "1/1"]]
        assert [one["name"] for one in json.loads(levada("status", "--json").stdout)] == [unique]

    def test_a_topic_that_somebody_changed_is_told(self, levada, status, runner, unique, kafka):
        from confluent_kafka.admin import AdminClient, NewPartitions
        admin = AdminClient({"bootstrap.servers": kafka.address})
        admin.create_partitions([NewPartitions(f"{unique}.a", 3)])[f"{unique}.a"].result(30)
        seen = eventually(lambda: (now := status()) and not now["ready"] and now, "the topic differs")
        assert seen["message"].startswith(f"{unique}.a: ")
        assert levada("status", unique).returncode == 1

    def test_what_is_not_there_is_said_for_both_places(self, levada, runner, unique):
        wrong = unique[:-1] + "x"
        done = levada("status", wrong)
        assert done.returncode == 1 and not done.stdout
        assert f'did you mean "{unique}"?' in done.stderr and "kube" in done.stderr
        done = levada("status", wrong, "--local")
        assert done.returncode == 1 and "on this machine" in done.stderr and "kube" not in done.stderr

    def test_flags_that_do_not_go_together(self, levada, home):
        done = levada("status", "--local", "--context", "prod")
        assert done.returncode == 2 and "--local" in done.stderr
        assert levada("status", "--interval", "soon").returncode == 2

    def test_nothing_is_left_after_an_end_in_order(self, levada, runner, home):
        assert len(list((home / "levada").iterdir())) == 1
        assert runner.stop() == 0
        assert list((home / "levada").iterdir()) == []
        assert levada("status", "--local").returncode == 1

    def test_top_shows_rates(self, levada, runner, unique, kafka):
        topics.produce(kafka.address, f"{unique}.a", events(2000))
        done = levada("top", unique, "--times", "2", "--interval", "500ms", "--json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0 and len(lines) == 2
        assert all(line["stages"][0]["records_per_second"] >= 0 for line in lines)
        text = levada("top", unique, "--times", "1").stdout
        assert "REC/S" in text and "LAG" in text


class TestPause:
    def test_a_paused_pipeline_reads_nothing_until_it_goes_on(self, levada, status, runner, unique, kafka):
        done = levada("pause", unique)
        assert done.returncode == 0 and "paused" in done.stdout and "this machine" in done.stdout
        eventually(lambda: status()["phase"] == "Paused", "it is paused")
        assert status()["ready"]
        topics.produce(kafka.address, f"{unique}.a", events(10))
        time.sleep(2)
        assert topics.read_all(kafka.address, f"{unique}.b") == []
        assert levada("resume", unique).returncode == 0
        eventually(lambda: len(topics.read_all(kafka.address, f"{unique}.b")) == 10, "it has gone on")
        eventually(lambda: status()["phase"] == "Running", "it says so")

    def test_one_stage_and_one_that_there_is_not(self, levada, status, runner, unique):
        done = levada("pause", unique, "--stage", "wrok")
        assert done.returncode == 1 and 'did you mean "work"?' in done.stderr
        assert levada("pause", unique, "--stage", "work").returncode == 0
        eventually(lambda: status()["stages"][0]["state"] == "paused", "the stage is paused")

    def test_a_stage_that_dies_while_it_is_paused_stays_so(self, levada, status, runner, unique, home):
        assert levada("pause", unique).returncode == 0
        eventually(lambda: runner.state() == "paused", "the run knows")
        ports = json.loads((home / ".levada" / unique / "work.ports.json").read_text())
        os.kill(ports["pid"], signal.SIGKILL)
        eventually(lambda: status()["stages"][0]["restarts"] == 1, "it is started again")
        eventually(lambda: status()["stages"][0]["state"] == "paused", "and paused again")

    def test_the_end_does_not_wait_for_what_is_paused(self, levada, status, runner, unique, kafka):
        assert levada("pause", unique).returncode == 0
        eventually(lambda: runner.state() == "paused", "the run knows")
        topics.produce(kafka.address, f"{unique}.a", events(10))
        begin = time.monotonic()
        assert runner.stop() == 0
        assert time.monotonic() - begin < 20


class TestLogs:
    def test_readable_and_raw(self, levada, runner, unique):
        done = levada("logs", unique)
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert lines and all(line.startswith("work | 20") for line in lines)
        assert any(" INFO " in line for line in lines) and '"msg"' not in done.stdout
        raw = levada("logs", unique, "--raw", "--stage", "work").stdout.splitlines()
        assert all(json.loads(line)["stage"] == "work" for line in raw)
        assert levada("logs", unique, "--tail", "1").stdout.splitlines() == lines[-1:]

    def test_since(self, levada, runner, unique):
        time.sleep(2)
        assert levada("logs", unique, "--since", "1s").stdout == ""
        assert levada("logs", unique, "--since", "10m").stdout != ""
        assert levada("logs", unique, "--since", "yesterday").returncode == 2

    def test_follow_goes_on_with_the_next_worker(self, build_dir, runner, unique, home):
        log = home / "followed"
        with open(log, "wb") as out:
            follow = subprocess.Popen([build_dir / "bin" / "levada", "logs", unique, "-f", "--tail", "0"],
                                      stdout=out, cwd=home)
        try:
            time.sleep(1)
            ports = json.loads((home / ".levada" / unique / "work.ports.json").read_text())
            os.kill(ports["pid"], signal.SIGKILL)
            eventually(lambda: "work | " in log.read_text(), "lines of the worker that came")
            assert follow.poll() is None
        finally:
            follow.terminate()
            follow.wait()


class TestAfterACrash:
    @pytest.fixture
    def killed(self, runner):
        runner.process.kill()
        runner.process.wait()
        return runner

    def test_it_is_told_and_its_logs_can_be_read(self, levada, killed, unique):
        done = levada("status", unique)
        assert done.returncode == 1 and "Ended" in done.stdout and "levada logs" in done.stdout
        assert "work | " in levada("logs", unique).stdout
        assert levada("status", "--local").returncode == 1, "it is not among those that run"
        assert levada("pause", unique, "--local").returncode == 1

    def test_the_next_run_takes_its_place(self, build_dir, home, kafka, levada, killed, status):
        # Workers of the run that was killed may still drain: what they write last is not taken for the new ones'.
        again = Runner(build_dir, home, kafka, home / "small.yaml")
        try:
            again.wait_ready()
            assert f"process {again.process.pid}" in status()["where"] and status()["ready"]
            assert len(list((home / "levada").iterdir())) == 1
        finally:
            again.stop()


def test_two_runs_of_one_name_are_told_apart_by_their_folders(build_dir, levada, runner, unique, home, kafka):
    second = Runner(build_dir, home, kafka, home / "small.yaml", "--state", home / "second")
    try:
        second.wait_ready()
        done = levada("status", unique, "--json", "--local")
        assert done.returncode == 2 and "--state" in done.stderr and "second" in done.stderr
        seen = json.loads(levada("status", unique, "--json", "--state", home / "second").stdout)
        assert f"process {second.process.pid}" in seen["where"]
    finally:
        second.stop()


class TestPlugin:
    @pytest.fixture
    def kubectl_levada(self, build_dir, home):
        link = home / "kubectl-levada"
        link.symlink_to(build_dir / "bin" / "levada")

        def run(*arguments) -> subprocess.CompletedProcess:
            return subprocess.run([str(link), *map(str, arguments)], text=True, capture_output=True, timeout=60, cwd=home)
        return run

    def test_its_help_says_how_it_was_called(self, kubectl_levada):
        assert "Usage: kubectl levada COMMAND" in kubectl_levada("--help").stdout
        assert "Usage: kubectl levada status" in kubectl_levada("status", "--help").stdout
        assert "Usage: kubectl levada dlq" in kubectl_levada("dlq", "--help").stdout

    def test_it_means_the_cluster_unless_told_otherwise(self, kubectl_levada, runner, unique):
        done = kubectl_levada("status", unique)
        assert done.returncode == 1 and "kube" in done.stderr
        assert kubectl_levada("status", unique, "--local").returncode == 0
