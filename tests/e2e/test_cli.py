"""levada as people type it: what it prints, where, and its exit codes."""

import json
import os
import re
import subprocess

import pytest

from e2e import events
from e2e.pipeline import ROOT, SAMPLE
from lib import kafka as topics

COMMANDS = ["validate", "test", "plan", "run", "status", "top", "pause", "resume", "logs", "dlq", "pipe", "eval", "generate",
            "completion"]
SERVICES = ["ingest", "scoring", "indexing", "archiving", "notify"]


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_explains_itself(self, levada, command):
        done = levada(command, "--help")
        assert done.returncode == 0 and not done.stderr
        assert "Usage: levada " + command in done.stdout and len(done.stdout) > 60

    @pytest.mark.parametrize("service", SERVICES)
    def test_every_service_explains_itself(self, build_dir, service):
        done = subprocess.run([build_dir / "bin" / f"levada-{service}", "--help"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "--pipeline" in done.stdout and service in done.stdout

    def test_the_list_of_commands(self, levada):
        done = levada("--help")
        assert done.returncode == 0
        assert [c for c in COMMANDS if f"\n  {c} " in done.stdout] == COMMANDS
        assert levada("commands").stdout.split() == COMMANDS
        assert levada().returncode == 2
        assert levada("version").stdout.startswith("levada ")

    def test_a_command_that_there_is_not(self, levada):
        done = levada("validte")
        assert done.returncode == 2 and not done.stdout
        assert 'did you mean "validate"?' in done.stderr

    def test_a_flag_that_there_is_not(self, levada):
        done = levada("run", "--jsn", SAMPLE)
        assert done.returncode == 2 and "--jsn" in done.stderr


class TestCompletion:
    def complete(self, levada, build_dir, *words: str) -> set[str]:
        """What bash offers for the last word."""
        script = levada("completion", "bash").stdout
        typed = " ".join(f"'{word}'" for word in words)
        done = subprocess.run(
            ["bash", "-c", f"{script}\nCOMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _levada; "
             'printf "%s\\n" "${COMPREPLY[@]}"'],
            capture_output=True, text=True, timeout=30, cwd=ROOT,
            env={**os.environ, "PATH": f"{build_dir / 'bin'}:{os.environ['PATH']}"})
        assert done.returncode == 0 and not done.stderr, done.stderr
        return set(done.stdout.split())

    def test_commands_options_and_files(self, levada, build_dir):
        assert self.complete(levada, build_dir, "levada", "") == set(COMMANDS)
        assert self.complete(levada, build_dir, "levada", "va") == {"validate"}
        assert self.complete(levada, build_dir, "levada", "run", "--j") == {"--json"}
        assert self.complete(levada, build_dir, "levada", "run", "READ") == {"README.md"}
        assert self.complete(levada, build_dir, "levada", "dlq", "re") == {"replay"}
        assert self.complete(levada, build_dir, "levada", "dlq", "replay", "--dry") == {"--dry-run"}

    @pytest.mark.parametrize("shell", ["bash", "zsh"])
    def test_the_shell_takes_the_script(self, levada, shell):
        done = subprocess.run([shell, "-n"], input=levada("completion", shell).stdout, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr

    def test_zsh_knows_the_command(self, levada):
        script = levada("completion", "zsh").stdout
        done = subprocess.run(["zsh", "-fc", 'autoload -U compinit && compinit -D -u && eval "$1" && print $_comps[levada]',
                               "zsh", script], capture_output=True, text=True, timeout=30)
        assert "_levada" in done.stdout and not done.stderr, done.stderr

    def test_fish(self, levada):
        """No fish is here to try it: each command that it calls is, and its blocks are closed."""
        script = levada("completion", "fish").stdout
        opened = len(re.findall(r"^\s*(?:function|if) ", script, re.M))
        assert "complete -c levada" in script and len(re.findall(r"^\s*end$", script, re.M)) == opened

    def test_other_shells(self, levada):
        assert levada("completion", "csh").returncode == 2


class TestValidate:
    def test_good_files_and_standard_input(self, levada, small):
        done = levada("validate", SAMPLE, small())
        assert done.returncode == 0
        assert "fraud-prevention: 3 topics, 6 stages: good" in done.stdout and done.stdout.count(": good\n") == 2
        assert ": 2 topics, 1 stage: good" in done.stdout
        assert levada("validate", "-", input=small().read_text()).returncode == 0
        assert levada("validate", "-q", SAMPLE).stdout == ""

    def test_all_problems_at_once_with_their_places(self, levada, small, tmp_path):
        text = SAMPLE.read_text()
        changes = [("partitions: 6", "partitons: 6"), ("retention: 7d", "retention: 7 days"),
                   ("      to: processed_transactions", "      to: processed_transaction"),
                   ("score > 900", "score >> 900"), ("      via: search", "      via: serch")]
        bad = tmp_path / "bad.yaml"
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        bad.write_text(text)
        done = levada("validate", bad, small())
        assert done.returncode == 2
        assert done.stdout.count(": good\n") == 1, "the other file is checked too"
        for old, new in changes:
            line = 1 + next(i for i, line in enumerate(text.splitlines()) if new in line)
            assert f"bad.yaml:{line}:" in done.stderr, (new, done.stderr)
        for hint in ("`partitions`", "`processed_transactions`", "`search`"):
            assert hint in done.stderr

    @pytest.mark.parametrize("file", ["/nowhere/x.yaml", "/"])
    def test_what_cannot_be_read(self, levada, file):
        done = levada("validate", file)
        assert done.returncode == 2 and file in done.stderr

    def test_the_overridden_value_is_checked(self, levada):
        assert levada("validate", SAMPLE, "--set", "spec.topics[name=transactions].partitions=3").returncode == 0
        for wrong in ("spec.topics[name=transactions].partitions=many", "spec.topics[name=nothing].partitions=3",
                      "spec.topix=3", "nonsense"):
            done = levada("validate", SAMPLE, "--set", wrong)
            assert done.returncode == 2 and done.stderr, wrong


class TestPlan:
    def changes(self, done) -> dict[str, str]:
        assert done.returncode == 0, done.stderr
        return {change["topic"]: change["action"] for change in json.loads(done.stdout)["changes"]}

    def test_before_after_drift_and_refusal(self, levada, small, kafka, unique, make_runner):
        plan = ("plan", "--kafka", kafka.address, "--json")
        wanted = {f"{unique}.a", f"{unique}.b", f"levada.default.{unique}.dead-letters"}
        assert self.changes(levada(*plan, small())) == dict.fromkeys(wanted, "create")
        assert self.changes(levada(*plan, small())) == dict.fromkeys(wanted, "create"), "it only says so"
        text = levada("plan", "--kafka", kafka.address, small()).stdout
        assert f"create {unique}.a: 2 partitions" in text
        assert f"work: levada-scoring reads {unique}.a as group levada.default.{unique}.work" in text

        runner = make_runner(small())
        assert runner.stop() == 0
        assert self.changes(levada(*plan, small())) == {}
        assert "all as they should be" in levada("plan", "--kafka", kafka.address, small()).stdout

        assert self.changes(levada(*plan, small(retention="9d"))) == {f"{unique}.a": "configure"}
        assert self.changes(levada(*plan, small(partitions=4))) == {f"{unique}.a": "grow"}
        assert self.changes(levada(*plan, small(partitions=1))) == {f"{unique}.a": "refuse"}
        runner = make_runner(small(partitions=4, retention="9d"))
        assert runner.stop() == 0
        assert len(topics.end_offsets(kafka.address, f"{unique}.a")) == 4
        assert self.changes(levada(*plan, small(partitions=4, retention="9d"))) == {}

    def test_no_kafka(self, levada, small):
        done = levada("plan", "--kafka", "127.0.0.1:1", small())
        assert done.returncode == 1 and "127.0.0.1:1" in done.stderr


class TestPipe:
    LINES = [{"event_id": "1", "event_time": "2026-11-02T08:00:00Z", "entity_id": "C1", "transaction_amt": 12.5},
             {"event_id": "2", "event_time": "2026-11-02T08:00:00Z", "entity_id": "C1", "transaction_amt": 999.0}]
    RESULT = {"score": 990.0, "outcome": "block", "outcome_rules": ["certain"]}

    def pipe(self, levada, stage: str, *lines: dict | str, code: int = 0) -> list[dict]:
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        done = levada("pipe", SAMPLE, "--stage", stage, input=text)
        assert done.returncode == code, done.stderr
        self.dead = [json.loads(line) for line in done.stderr.splitlines()]
        assert bool(self.dead) == (code == 1)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_ingest(self, levada):
        assert self.pipe(levada, "gateway", *self.LINES) == self.LINES
        assert self.pipe(levada, "gateway", {"event_id": "1"}, self.LINES[0], code=1) == self.LINES[:1]
        assert self.dead[0]["line"] == 1 and "missing" in self.dead[0]["error"]

    def test_scoring(self, levada):
        results = self.pipe(levada, "detect", *self.LINES, "{broken", {**self.LINES[0], "transaction_amt": -1}, code=1)
        assert [result["outcome"] for result in results] == ["approve", "block"]
        assert results[0].items() >= self.LINES[0].items()
        assert [(dead["line"], dead["record"]) for dead in self.dead] == [(3, "{broken")]

    def test_indexing(self, levada):
        action, document = self.pipe(levada, "search", {**self.LINES[0], **self.RESULT})
        assert action["index"]["_id"] == "1" and action["index"]["_index"] == "transactions-2026.11.02"
        assert document == {**self.LINES[0], **self.RESULT}

    def test_archiving(self, levada):
        (row,) = self.pipe(levada, "lake", {**self.LINES[0], **self.RESULT})
        assert row["event_id"] == "1" and row["terminal_id"] is None and row["_offset"] == 0

    def test_notify(self, levada):
        mails = self.pipe(levada, "alert", {**self.LINES[1], **self.RESULT}, {**self.LINES[0], **self.RESULT, "outcome": "approve"})
        assert len(mails) == 1 and "transaction 2" in mails[0]["body"] and mails[0]["to"] == ["fraud-desk@example.com"]

    def test_wrong_use(self, levada):
        done = levada("pipe", SAMPLE, "--stage", "detct")
        assert done.returncode == 2 and "gateway, producer, detect, search, lake, alert" in done.stderr
        assert levada("pipe", "-", "--stage", "detect").returncode == 2
        assert levada("pipe", SAMPLE).returncode == 2

    def test_a_hundred_thousand_lines(self, levada):
        done = levada("pipe", SAMPLE, "--stage", "detect", input=events.lines(events.make("x", 100_000)).decode())
        ids = [json.loads(line)["event_id"] for line in done.stdout.splitlines()]
        assert ids == [f"x-{n}" for n in range(100_000)], "in order"


class TestEval:
    def test_over_events(self, levada):
        done = levada("eval", "n > 1 && has(event.x)", input='{"n":1}\n{"n":2,"x":0}\n{"x":1}\nbroken\n')
        assert done.returncode == 1
        assert done.stdout.splitlines() == ["false", "true"]
        assert "line 3" in done.stderr and "line 4" in done.stderr

    def test_an_expression_that_does_not_parse(self, levada):
        done = levada("eval", "n >", input='{"n":1}\n')
        assert done.returncode == 2 and done.stderr

    def test_cases(self, levada, tmp_path):
        file = tmp_path / "cases.json"
        good = {"name": "sum", "expr": "1 + 1", "value": {"int": "2"}}
        bad = {"name": "odd/one", "expr": "1 + 1", "value": {"int": "3"}}
        file.write_text(json.dumps([good]))
        done = levada("eval", "--cases", file)
        assert done.returncode == 0 and "FAIL" not in done.stdout and "1" in done.stdout.splitlines()[-1]
        file.write_text(json.dumps([good, bad]))
        done = levada("eval", "--cases", file)
        assert done.returncode == 1 and "FAIL odd/one:" in done.stdout
        assert levada("eval", "--cases", tmp_path / "none.json").returncode != 0


class TestGenerate:
    def test_the_same_seed_makes_the_same_events(self, levada):
        one, two = (levada("generate", "fraud", "--count", 500, "--seed", 3) for _ in range(2))
        assert one.returncode == 0 and one.stdout == two.stdout
        assert one.stdout != levada("generate", "fraud", "--count", 500, "--seed", 4).stdout
        made = [json.loads(line) for line in one.stdout.splitlines()]
        assert len(made) == 500 and len({event["event_id"] for event in made}) == 500
        assert [event["event_time"] for event in made] == sorted(event["event_time"] for event in made)
        assert "is_fraud" not in made[0]

    def test_to_file_and_topic(self, levada, kafka, unique, tmp_path):
        done = levada("generate", "fraud", "--count", 300, "--to", "out.jsonl", "--labels", "file:labels.jsonl")
        assert done.returncode == 0
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 300
        assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 300
        topics.create_topic(kafka.address, unique, 2)
        done = levada("generate", "fraud", "--count", 300, "--to", f"kafka:{unique}", "--kafka", kafka.address)
        assert done.returncode == 0
        records = topics.read_all(kafka.address, unique)
        assert len(records) == 300
        assert all(json.loads(record.value)["entity_id"].encode() == record.key for record in records)

    @pytest.mark.parametrize("wrong", [["flood"], ["fraud", "--count", "x"]])
    def test_wrong_use(self, levada, wrong):
        assert levada("generate", *wrong).returncode == 2
