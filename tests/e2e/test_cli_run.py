"""levada run as people type it: what it refuses, and what it shows."""

import json
import socket
import subprocess

import pytest
import yaml

from e2e.pipeline import ROOT, SAMPLE
from lib.wait import eventually


class TestRun:
    def test_a_second_run_with_the_same_state_is_refused(self, make_runner, small, tmp_path):
        make_runner(small())
        second = make_runner(small(), ready=False)
        assert second.process.wait(30) == 1
        assert "another run uses .levada/" in second.errors() and "--state" in second.errors()

    def test_a_wrong_manifest(self, make_runner, small):
        file = small()
        file.write_text(file.read_text().replace("n * 2", "n * "))
        runner = make_runner(file, ready=False)
        assert runner.process.wait(30) == 2 and "small.yaml:14:" in runner.errors()

    def test_stages_that_want_the_same_port(self, make_runner):
        runner = make_runner(SAMPLE, "--set", "spec.stages[name=detect].scoring.serve.port=8080", ready=False)
        assert runner.process.wait(30) == 2
        assert "gateway and detect both listen on port 8080" in runner.errors() and "--set" in runner.errors()

    def test_a_port_that_is_taken_by_another_program(self, make_pipeline):
        pipeline = make_pipeline()
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", pipeline.http_port))
            taken.listen()
            pipeline.start(ready=False)
            eventually(lambda: pipeline.stages() and f"{pipeline.http_port}" in pipeline.state_of("gateway"),
                       "the gateway says which port it cannot have")
        pipeline.wait_ready()
        assert pipeline.stop() == 0

    @pytest.mark.parametrize("damage", ["missing", "truncated", "not a model", "other inputs"])
    def test_a_model_that_cannot_be_used(self, make_runner, small, tmp_path, damage):
        model = ROOT / "models" / "fraud" / "fraud.json"
        mine = tmp_path / "my-model.json"
        if damage == "truncated":
            mine.write_bytes(model.read_bytes()[:5000])
        elif damage == "not a model":
            mine.write_text('{"a": 1}')
        elif damage == "other inputs":
            mine.write_bytes(model.read_bytes())
        document = yaml.safe_load(small(partitions=1).read_text())
        inputs = ["transaction_amt", "distance_km", "hour", "is_night", "is_weekend"]
        if damage == "other inputs":
            inputs.pop()
        document["spec"]["stages"][0]["scoring"]["steps"] = [
            {"model": {"xgboost": "my-model.json", "inputs": inputs, "as": "score"}}]
        file = tmp_path / "model.yaml"
        file.write_text(yaml.safe_dump(document))
        runner = make_runner(file, ready=False)
        assert runner.process.wait(30) in (1, 2)
        assert "my-model.json" in runner.errors() and "work" in runner.errors()

    def test_programs_that_cannot_be_started(self, make_runner, levada, build_dir, kafka, unique, small, tmp_path):
        """All of them are told, before anything is done."""
        file, programs = small(), tmp_path / "programs"
        programs.mkdir()
        document = yaml.safe_load(file.read_text())
        document["spec"]["stages"] += [
            {"name": "in", "ingest": {"http": {"path": "/in"}, "to": f"{unique}.a"}},
            {"name": "keep", "archiving": {"from": f"{unique}.b", "ndjson": {"folder": "keep"}}}]
        file.write_text(yaml.safe_dump(document))
        (programs / "levada-ingest").symlink_to(build_dir / "bin" / "levada-ingest")
        (programs / "levada-archiving").write_text("not a program")
        runner = make_runner(file, "--programs", programs, ready=False)
        assert runner.process.wait(30) == 2
        assert f"{programs}/levada-scoring is not there" in runner.errors()
        assert f"{programs}/levada-archiving cannot be executed" in runner.errors()
        assert "levada-ingest" not in runner.errors()
        plan = json.loads(levada("plan", "--kafka", kafka.address, "--json", file).stdout)
        assert {change["action"] for change in plan["changes"]} == {"create"}, "no topic was made"

    def test_the_table_for_people(self, build_dir, tmp_path, kafka, small):
        """Without --json: a table at once and at the end, with a line a stage."""
        table = tmp_path / "table"
        with open(table, "wb") as out:
            run = subprocess.Popen([build_dir / "bin" / "levada", "run", small(), "--kafka", kafka.address],
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        try:
            eventually(lambda: "\nwork " in table.read_text(), "the table")
            run.terminate()
            _, err = run.communicate(timeout=60)
        finally:
            run.kill()
        assert run.returncode == 0 and "draining" in err
        text = table.read_text()
        assert text.count("STAGE") >= 2 and text.count("\nwork ") >= 2 and "logs: .levada/" in text
