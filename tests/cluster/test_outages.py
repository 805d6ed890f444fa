"""What breaks under a pipeline that runs: pods, Kafka, the operator. Every accepted event comes out once."""

import random
import time

import pytest

from cluster.pipeline import Traffic
from lib.wait import eventually

pytestmark = pytest.mark.cluster

AWAY_SECONDS = 20
LONG_AWAY_SECONDS = 300


def kill(shop, stage: str) -> None:
    """kill -9 of the worker, as a node that fails would do."""
    for pod in shop.pods(stage):
        shop.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")


def test_pods_that_are_killed_are_made_anew(shop, traffic):
    for stage in ("detect", "search", "lake", "alert", "gateway"):
        before = shop.all_pods()
        kill(shop, stage)
        eventually(lambda: not before[stage] & set(shop.pods(stage)), "the pods are gone", every=0.2)
        traffic.flows()
    shop.wait_ready()


def test_a_pod_that_is_deleted_in_order_is_not_noticed_by_clients(shop, traffic):
    with traffic.nothing_lost():
        first = next(iter(shop.pods("gateway")))
        shop.kubectl("delete", "pod", first, "--timeout=120s")
        shop.wait_ready()


def keep_kafka_away(shop, kafka, seconds: float) -> None:
    kafka.kill()
    try:
        shop.wait_for("TopicsReady", "Unknown", "KafkaUnavailable", seconds=180)
        assert shop.condition("Degraded")["status"] == "False", "what runs is as wanted"
        time.sleep(seconds)
        restarts = {name: pod["status"]["containerStatuses"][0]["restartCount"] for name, pod in shop.pods().items()}
        assert set(restarts.values()) == {0}, f"workers wait, they do not end: {restarts}"
    finally:
        kafka.start()
    shop.wait_ready(300)


def test_while_kafka_is_away_all_wait_and_then_go_on(shop, traffic, pods_kafka):
    keep_kafka_away(shop, pods_kafka, AWAY_SECONDS)
    traffic.flows()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_kafka_may_be_away_for_five_minutes(shop, traffic, pods_kafka):
    keep_kafka_away(shop, pods_kafka, LONG_AWAY_SECONDS)
    traffic.flows()


def test_without_an_operator_all_runs_on_and_a_change_waits_for_it(shop, traffic, release):
    before = shop.all_pods()
    with traffic.nothing_lost():
        release.operators(0)
        shop.apply(lambda document: shop.stage("search").update(pod={"annotations": {"example.com/a": "b"}}), ready=False)
        traffic.flows(300)
        assert shop.all_pods() == before
        release.operators(2)
        shop.wait_ready()
        assert shop.all_pods()["search"] != before["search"]
        assert {stage: pods for stage, pods in shop.all_pods().items() if stage != "search"} == {
            stage: pods for stage, pods in before.items() if stage != "search"}


def test_when_the_operator_that_acts_dies_the_other_one_takes_over(shop, traffic, release):
    leader = eventually(release.leader, "one operator acts")
    release.kubectl("delete", "pod", leader, "--grace-period=0", "--force")
    nonce = random.randrange(1, 1 << 30)
    shop.apply(lambda document: shop.stage("alert").update(pod={"annotations": {"example.com/nonce": str(nonce)}}))
    assert eventually(release.leader, "one operator acts") != leader


def test_every_event_that_was_accepted_has_come_out_once(shop, traffic, record_testsuite_property):
    traffic.flows()
    counts = traffic.check()
    record_testsuite_property("counts after outages", counts)
    assert counts["stored"] > 100
