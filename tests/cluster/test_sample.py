"""manifests/samples on the node, with `kubectl apply -k` and nothing else that is not in its first lines."""

import time

import pytest
from confluent_kafka import KafkaException

from cluster.pipeline import Traffic
from lib import kafka as topics
from lib.wait import eventually

pytestmark = pytest.mark.cluster

FIRST_EVENT_SECONDS = 60  # about five on a machine that does nothing else


def test_soon_after_apply_the_first_event_is_scored_and_in_the_end_all_have_come_out_once(
        make_pipeline, record_testsuite_property):
    with make_pipeline() as pipeline:
        began = time.monotonic()
        pipeline.apply(ready=False)
        eventually(lambda: pipeline.pods("gateway"), "the gateway has a pod", every=0.1)
        traffic = Traffic(pipeline, pipeline.name, rate=200)
        eventually(lambda: results(pipeline), "an event is scored", FIRST_EVENT_SECONDS, every=0.1)
        record_testsuite_property("apply_to_first_event_seconds", round(time.monotonic() - began, 1))
        pipeline.wait_ready()
        traffic.flows(2000)
        counts = traffic.check()
        assert counts["stored"] >= 2000 and counts["mails"] >= 20 and counts["repeated mails"] == 0
        eventually(lambda: pipeline.live()["status"]["lag"] == 0, "nothing waits", every=1)
        status = pipeline.live()["status"]
        assert status["phase"] == "Running"
        assert status["stagesReady"] == "5/5" and status["topicsReady"] == "6/6"


def results(pipeline) -> int:
    try:
        return sum(topics.end_offsets(pipeline.kafka, pipeline.results_topic).values())
    except KafkaException:  # there is no such topic yet
        return 0
