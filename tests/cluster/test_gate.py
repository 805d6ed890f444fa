"""A pipeline with tests: on the cluster nothing of it is rolled before they have passed."""

import json

import pytest

from cluster.pipeline import Traffic
from lib.wait import eventually

pytestmark = pytest.mark.cluster

TEST = "a fraud is blocked"


def add_test(document: dict) -> None:
    """One that fails: the sample blocks such a transaction."""
    document["spec"]["tests"] = [{
        "name": TEST,
        "given": [{"topic": document["spec"]["topics"][0]["name"], "events": [
            {"event_id": "fraud", "event_time": "2026-11-02T14:00:03Z", "entity_id": "C3", "transaction_amt": 905,
             "distance_km": 20}]}],
        "expect": [{"stage": "detect", "events": [{"event_id": "fraud", "outcome": "approve"}]}],
    }]


def expect(document: dict, outcome: str) -> None:
    document["spec"]["tests"][0]["expect"][0]["events"][0]["outcome"] = outcome


def limit(document: dict, score: int) -> None:
    """Above which a transaction is blocked."""
    stage = next(one for one in document["spec"]["stages"] if one["name"] == "detect")
    rules = next(step["rules"]["rules"] for step in stage["scoring"]["steps"] if "rules" in step)
    rules[0]["when"] = f"score > {score}"


def jobs(pipeline) -> list[dict]:
    return json.loads(pipeline.kubectl("get", "jobs", "-o", "json"))["items"]


def test_tests_gate_the_rollout(make_pipeline, record_testsuite_property):
    with make_pipeline(add_test) as pipeline:
        pipeline.apply(ready=False)
        failed = pipeline.wait_for("TestsPassed", "False", "TestsFailed")["message"]
        record_testsuite_property("tests_failed_message", failed)
        assert failed.startswith(f"1 of 1 test failed: {TEST} (stage detect: ")
        assert pipeline.condition("Ready")["reason"] == "TestsFailed"
        job, = jobs(pipeline)
        assert TEST in pipeline.kubectl("logs", f"job/{job['metadata']['name']}"), "the log has all of what differs"
        assert pipeline.pods() == {} and pipeline.all_topics() == set(), "nothing is made"
        assert pipeline.kubectl("get", "deployments", "-o", "name") == ""

        pipeline.apply(lambda document: expect(document, "block"))
        assert pipeline.condition("TestsPassed")["status"] == "True"
        assert len(jobs(pipeline)) == 1, "the one before is gone"
        traffic = Traffic(pipeline, pipeline.name)
        traffic.flows()
        before = pipeline.all_pods()

        applied = pipeline.live()["status"]["appliedGeneration"]
        with traffic.nothing_lost():
            pipeline.apply(lambda document: limit(document, 2000), ready=False)
            assert TEST in pipeline.wait_for("TestsPassed", "False", "TestsFailed")["message"]
            pipeline.wait_for("Degraded", "True", "TestsFailed")
            assert pipeline.live()["status"]["appliedGeneration"] == applied
            assert pipeline.all_pods() == before, "what runs goes on"
            rows = pipeline.stages()
            assert {name: row["readyReplicas"] for name, row in rows.items()} == dict.fromkeys(rows, 1)
            again(pipeline, traffic, before)
        pipeline.apply(lambda document: limit(document, 900))
        assert pipeline.all_pods() == before and jobs(pipeline) == [], "as it was: nothing to roll, nothing to test"
        pipeline.apply(lambda document: limit(document, 850))
        assert pipeline.all_pods()["detect"] != before["detect"]
        counts = traffic.check()
        record_testsuite_property("counts behind a gate", counts)
        assert counts["stored"] > 100 and counts["repeated mails"] == 0
    with make_pipeline(add_test) as pipeline:
        while_they_cannot_run(pipeline)


def again(pipeline, traffic: Traffic, before: dict) -> None:
    """An operator that is new knows the result, and a person can have them run again."""
    job, = jobs(pipeline)
    said = pipeline.condition("TestsPassed")["message"]
    pipeline.cluster.kubectl("-n", "levada-system", "delete", "pods", "-l", "app.kubernetes.io/name=levada-operator")
    pipeline.cluster.kubectl("-n", "levada-system", "rollout", "status", "deployment/levada-operator", "--timeout=120s")
    traffic.flows(500)
    assert pipeline.condition("TestsPassed")["message"] == said
    assert [one["metadata"]["uid"] for one in jobs(pipeline)] == [job["metadata"]["uid"]]
    pipeline.kubectl("delete", "job", job["metadata"]["name"])
    eventually(lambda: jobs(pipeline) and jobs(pipeline)[0]["metadata"]["uid"] != job["metadata"]["uid"],
               "another Job", every=0.2)
    pipeline.wait_for("TestsPassed", "False", "TestsFailed")
    assert pipeline.all_pods() == before


def while_they_cannot_run(pipeline) -> None:
    """No node is one for them: that is told, and a change of it is taken at once, as is a deletion."""

    def only_on(document: dict, nodes: dict) -> None:
        for stage in document["spec"]["stages"]:
            stage["pod"] = {"nodeSelector": nodes}

    pipeline.apply(lambda document: only_on(document, {"disk": "none"}), ready=False)
    pipeline.wait_for("TestsPassed", "Unknown", "no node: ")
    first, = jobs(pipeline)
    pipeline.apply(lambda document: only_on(document, {}), ready=False)
    pipeline.wait_for("TestsPassed", "False", TEST)
    assert [one["metadata"]["uid"] for one in jobs(pipeline)] != [first["metadata"]["uid"]]
    pipeline.apply(lambda document: only_on(document, {"disk": "none"}), ready=False)
    pipeline.wait_for("TestsPassed", "Unknown", "no node: ")
    pipeline.kubectl("delete", "pipeline", pipeline.name, "--timeout=60s")
    eventually(lambda: not jobs(pipeline) and not json.loads(pipeline.kubectl("get", "pods", "-o", "json"))["items"],
               "its Job and pods are gone", every=0.5)
