"""The chart over its life, and everything deleted in every order: nothing hangs, and what is data stays."""

import json

import pytest

from cluster.pipeline import Traffic
from cluster.release import CRD
from lib.cluster import ClusterError
from lib.wait import eventually

pytestmark = pytest.mark.cluster


def named(release, kind: str) -> set[str]:
    return set(release.cluster.kubectl("get", kind, "-A", "-o", "name").split())


def delete_policy(document: dict) -> None:
    document["spec"]["deletionPolicy"] = "Delete"


def test_helm_test_says_that_the_operator_answers(release):
    assert "Phase:          Succeeded" in release.helm("test", "levada")


def test_an_upgrade_changes_no_pipeline_and_brings_the_crd(release, make_pipeline):
    with make_pipeline() as pipeline:
        pipeline.apply()
        traffic = Traffic(pipeline, pipeline.name)
        before = pipeline.all_pods()
        operators = release.pods()
        crd = json.loads(release.kubectl("get", "crd", CRD, "-o", "json"))
        del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["paused"]
        release.kubectl("replace", "-f", "-", stdin=json.dumps(crd))
        with traffic.nothing_lost():
            release.helm("upgrade", "levada", str(release.chart), "--reset-then-reuse-values", "--set", "log.level=debug")
            release.wait()
            assert not set(operators) & set(release.pods())
            crd = json.loads(release.kubectl("get", "crd", CRD, "-o", "json"))
            assert "paused" in crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            assert pipeline.all_pods() == before
        traffic.check()


def test_a_deleted_pipeline_leaves_its_data_and_takes_it_along_when_told(release, make_pipeline):
    with make_pipeline() as pipeline:
        pipeline.apply()
        made = pipeline.all_topics()
        assert len(made) == 4
        pipeline.kubectl("delete", "pipeline", pipeline.name, "--timeout=60s")
        eventually(lambda: not pipeline.pods(), "the workers go", 180, every=0.5)
        assert pipeline.all_topics() == made
        assert "persistentvolumeclaim/" in pipeline.kubectl("get", "pvc", "-o", "name")
        # Made again, it takes all of it over.
        pipeline.apply(delete_policy)
        pipeline.kubectl("delete", "pipeline", pipeline.name, "--timeout=120s")
        eventually(lambda: not pipeline.all_topics(), "the topics go too", 60, every=0.5)
        eventually(lambda: not pipeline.kubectl("get", "pvc", "-o", "name"), "and the volume", 180, every=0.5)


def test_a_namespace_is_deleted_while_kafka_is_down(release, make_pipeline, pods_kafka, node):
    with make_pipeline(delete_policy) as pipeline:
        pipeline.apply()
        pods_kafka.kill()
        try:
            node.kubectl("delete", "namespace", pipeline.namespace, "--timeout=240s", seconds=250)
        finally:
            pods_kafka.start()
        with pytest.raises(ClusterError, match="NotFound"):
            node.kubectl("get", "namespace", pipeline.namespace)


def test_without_an_operator_a_pipeline_that_keeps_its_topics_is_deleted_at_once(release, make_pipeline):
    with make_pipeline() as pipeline:
        pipeline.apply()
        release.operators(0)
        try:
            pipeline.kubectl("delete", "pipeline", pipeline.name, "--timeout=30s")
            eventually(lambda: not pipeline.pods(), "its workers go with it", 180, every=0.5)
        finally:
            release.operators(2)


def test_uninstall_leaves_what_runs_and_install_takes_it_over_again(release, make_pipeline):
    with make_pipeline() as pipeline:
        pipeline.apply()
        traffic = Traffic(pipeline, pipeline.name)
        before = pipeline.all_pods()
        with traffic.nothing_lost():
            release.uninstall()
            traffic.flows(300)
            assert pipeline.all_pods() == before and pipeline.live()["status"]["phase"] == "Running"
            roles = named(release, "clusterroles,clusterrolebindings")
            assert not [role for role in roles if "levada" in role]
            release.install()
            pipeline.wait_ready()
            assert pipeline.all_pods() == before
        traffic.check()


def test_the_crd_is_deleted_with_every_pipeline_while_the_operator_runs(release, make_pipeline):
    with make_pipeline(delete_policy) as pipeline:
        pipeline.apply()
        assert pipeline.all_topics()
        release.kubectl("delete", "crd", CRD, "--timeout=120s", seconds=130)
        eventually(lambda: not pipeline.pods(), "the workers go", 180, every=0.5)
        assert not pipeline.all_topics()
        # The operator is none the worse for it when the CRD is back.
        release.install()
        pipeline.apply()


def test_crd_and_operator_go_at_the_same_time(release, make_pipeline):
    with make_pipeline() as pipeline:
        pipeline.apply()
        release.uninstall()
        release.kubectl("delete", "crd", CRD, "--timeout=120s", seconds=130)
        eventually(lambda: not pipeline.pods(), "the workers go", 180, every=0.5)
    release.install()
