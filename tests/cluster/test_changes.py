"""A pipeline that is changed while events come in all the time: none is lost, none comes out twice.

The tests change one pipeline one after the other, and the last one counts. Each can also run alone.
"""

import pytest

from lib import kafka as topics
from lib.cluster import ClusterError
from lib.wait import eventually

pytestmark = pytest.mark.cluster


def rolled(before: dict, after: dict) -> set[str]:
    """The stages that have other pods now."""
    return {stage for stage in before | after if before.get(stage) != after.get(stage)}


def rules(shop) -> list[dict]:
    return next(step["rules"]["rules"] for step in shop.stage("detect")["scoring"]["steps"] if "rules" in step)


def test_the_status_says_what_runs(shop, traffic):
    rows = shop.stages()
    assert {name: (row["replicas"], row["readyReplicas"]) for name, row in rows.items()} == {
        "gateway": (2, 2), "detect": (1, 1), "search": (1, 1), "lake": (1, 1), "alert": (1, 1)}
    topics = {name: (row["partitions"], row["ready"]) for name, row in shop.topic_rows().items()}
    assert topics[shop.events_topic] == topics[shop.results_topic] == (6, True) and len(topics) == 6
    eventually(lambda: shop.live()["status"]["eventsPerSecond"] > 10, "the rate is seen", 60, every=1)
    line = shop.kubectl("get", "pipeline", shop.name).splitlines()[1].split()
    assert line[1:4] == ["Running", "5/5", "6/6"]


def test_the_operator_may_not_be_noticed_in_what_it_says_of_a_pipeline_that_does_not_change(shop, traffic):
    """No object is written while nothing differs."""

    def versions() -> str:
        kinds = "deployments,configmaps,services,serviceaccounts,networkpolicies,poddisruptionbudgets,persistentvolumeclaims"
        return shop.kubectl("get", kinds, "-l", f"levada.dev/pipeline={shop.name}", "-o",
                            "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation} "
                            "{.metadata.managedFields[0].time}{\"\\n\"}{end}")

    before = versions()
    traffic.flows(500)
    assert versions() == before


def test_an_edit_of_one_stage_rolls_that_stage_alone(shop, traffic):
    before = shop.all_pods()
    with traffic.nothing_lost():
        shop.apply(lambda document: rules(shop)[-1].update(name="everything_else"))
        assert rolled(before, shop.all_pods()) == {"detect"}
    assert shop.live()["status"]["appliedGeneration"] == shop.live()["metadata"]["generation"]


def test_an_edit_of_the_gateway_is_not_noticed_by_its_clients(shop, traffic):
    before = shop.all_pods()
    with traffic.nothing_lost():
        shop.apply(lambda document: shop.stage("gateway")["ingest"]["http"].update(maxRequestSize="2Mi"))
        assert rolled(before, shop.all_pods()) == {"gateway"}


def test_a_stage_that_is_added_begins_at_the_topics_start_and_one_that_is_removed_goes(shop, traffic):
    before = shop.all_pods()
    second = {"name": "copy", "archiving": {"from": shop.results_topic, "ndjson": {"folder": "copy"},
                                            "roll": {"every": "2s"}}}
    shop.apply(lambda document: document["spec"]["stages"].append(second))
    assert rolled(before, shop.all_pods()) == {"copy"}
    with traffic.held():
        eventually(lambda: shop.stages()["copy"].get("lag") == 0, "the new stage has read everything", 120, every=1)
    shop.apply(lambda document: document["spec"]["stages"].pop())
    eventually(lambda: shop.all_pods() == before, "its pods are gone", 180, every=0.5)
    assert f"{shop.name}-copy" not in shop.kubectl("get", "deployments", "-o", "name")
    assert f"{shop.name}-copy" in shop.kubectl("get", "pvc", "-o", "name"), "data is never deleted by an edit"
    assert "copy" not in shop.stages()


def test_a_topic_grows_and_its_new_partitions_are_used(shop, traffic):
    """One of its own: nothing is remembered by its keys."""
    name = f"{shop.name}.more"
    more = {"name": "more", "archiving": {"from": name, "ndjson": {"folder": "more"}, "roll": {"every": "2s"}}}

    def add(document: dict) -> None:
        document["spec"]["topics"].append({"name": name, "partitions": 3})
        document["spec"]["stages"].append(more)

    def remove(document: dict) -> None:
        document["spec"]["topics"].pop()
        document["spec"]["stages"].pop()

    before = shop.all_pods()
    shop.apply(add)
    shop.apply(lambda document: document["spec"]["topics"][-1].update(partitions=5))
    assert shop.topic_rows()[name]["partitions"] == 5
    assert rolled(before, shop.all_pods()) == {"more"}
    wanted = {(name, partition) for partition in range(5)}

    def all_read() -> bool:
        topics.produce(shop.kafka, name, (b'{"n": %d}' % n for n in range(100)))
        return set(topics.group_offsets(shop.kafka, f"levada.{shop.namespace}.{shop.name}.more")) == wanted

    eventually(all_read, "all are written to and read", 120, every=1)
    shop.apply(remove)
    eventually(lambda: shop.all_pods() == before, "its pods are gone", 180, every=0.5)


def test_a_topic_whose_keys_would_move_grows_only_when_that_is_accepted(shop, traffic):
    """The index tells newer from older by the place in the partition."""
    shop.apply(lambda document: document["spec"]["topics"][2].update(partitions=8), ready=False)
    shop.wait_for("TopicsReady", "False", f"levada.dev/accept-repartition: {shop.results_topic}=8")
    assert len(topics.end_offsets(shop.kafka, shop.results_topic)) == 6
    shop.kubectl("annotate", "pipeline", shop.name, f"levada.dev/accept-repartition={shop.results_topic}=8")
    shop.wait_ready()
    assert len(topics.end_offsets(shop.kafka, shop.results_topic)) == 8


def test_workers_that_are_added_and_taken_away_share_the_work(shop, traffic):
    with traffic.nothing_lost():
        for replicas in (3, 1):
            shop.apply(lambda document: shop.stage("detect").update(replicas=replicas))
            eventually(lambda: len(shop.pods("detect")) == replicas, f"{replicas} workers", every=0.5)


def test_a_paused_pipeline_stops_whole_and_goes_on_where_it_was(shop, traffic):
    shop.apply(lambda document: document["spec"].update(paused=True), ready=False)
    eventually(lambda: not shop.pods(), "every worker has drained and gone", 240, every=1)
    eventually(lambda: shop.live()["status"]["phase"] == "Paused", "the status says so")
    shop.apply(lambda document: document["spec"].pop("paused"))
    traffic.flows()


def test_a_restart_nonce_restarts_every_stage(shop, traffic):
    before = shop.all_pods()
    with traffic.nothing_lost():
        shop.apply(lambda document: document["spec"].update(restartNonce=document["spec"].get("restartNonce", 0) + 1))
        assert rolled(before, shop.all_pods()) == set(before)


def test_a_rotated_secret_rolls_the_stages_that_use_it_alone(shop, traffic):
    """First to a password that the mail server refuses, then back."""
    for password in ("wrong", shop.smtp.password):
        before = shop.all_pods()
        secret = '{"stringData": {"password": "%s"}}' % password
        shop.kubectl("patch", "secret", "mail-login", "--patch", secret)
        eventually(lambda: rolled(before, shop.all_pods()), "a stage is rolled", 60, every=0.5)
        assert rolled(before, shop.all_pods()) == {"alert"}
    shop.wait_ready()


def test_a_secret_that_is_missing_is_waited_for(shop, traffic):
    hook = {"name": "hook", "notify": {"from": shop.results_topic, "when": "false",
                                       "webhook": {"via": "hook", "subject": "-"}}}

    def add(document: dict) -> None:
        document["spec"]["connections"]["hook"] = {
            "webhook": {"url": "http://host.levada.internal:9/", "secretRef": "hook-key"}}
        document["spec"]["stages"].append(hook)

    def remove(document: dict) -> None:
        document["spec"]["stages"].pop()
        del document["spec"]["connections"]["hook"]

    before = shop.all_pods()
    shop.apply(add, ready=False)
    shop.wait_for("StagesReady", "False", "Secret hook-key")
    shop.kubectl("create", "secret", "generic", "hook-key", "--from-literal=secret=0123456789")
    shop.wait_ready()
    shop.apply(remove)
    eventually(lambda: shop.all_pods() == before, "it is gone again", 180, every=0.5)


def test_a_wrong_manifest_changes_nothing_that_runs(shop, traffic):
    before = shop.all_pods()
    right = rules(shop)[0]["when"]
    with traffic.nothing_lost():
        try:
            shop.apply(lambda document: rules(shop)[0].update(when="score >"), ready=False)
            said = shop.wait_for("Valid", "False")["message"]
            shop.wait_for("Degraded", "True", "OldManifestRuns")
        except ClusterError as error:  # an admission webhook has refused it
            said = str(error)
        assert "spec.stages[" in said and "when" in said
        assert shop.all_pods() == before
    shop.apply(lambda document: rules(shop)[0].update(when=right))
    assert shop.all_pods() == before
    assert shop.live()["status"]["phase"] == "Running"


def test_what_the_schema_does_not_know_is_refused_at_once(shop):
    with pytest.raises(ClusterError, match="replica"):
        shop.apply(lambda document: shop.stage("detect").update(replica=3), ready=False)


def test_an_image_that_cannot_be_had_leaves_the_old_workers_running(shop, traffic):
    before = shop.all_pods()
    with traffic.nothing_lost():
        shop.apply(lambda document: shop.stage("detect").update(pod={"image": "localhost/levada:not-there"}), ready=False)
        shop.wait_for("StagesReady", "False", "detect")
        eventually(lambda: len(shop.pods("detect")) == 2, "a new pod is tried", every=0.5)
        assert before["detect"] < set(shop.pods("detect"))
    shop.apply(lambda document: shop.stage("detect").pop("pod"))
    eventually(lambda: shop.all_pods() == before, "the new pod is gone, the old one was never touched", 120, every=0.5)


def test_every_event_that_was_accepted_has_come_out_once(traffic, record_testsuite_property):
    traffic.flows()
    counts = traffic.check()
    record_testsuite_property("counts after changes", counts)
    assert counts["stored"] > 100 and counts["repeated mails"] == 0
