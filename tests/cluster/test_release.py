"""The chart over its life, and everything deleted in every order: nothing hangs, and what is data stays."""

import json
import pathlib
import shutil

import pytest
import yaml

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


def older(chart: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The chart with a CRD that lacks a field."""
    copied = shutil.copytree(chart, folder / "levada")
    file = copied / "files" / f"{CRD}.yaml"
    head, _, text = file.read_text().partition("\napiVersion:")
    crd = yaml.safe_load("apiVersion:" + text)
    del fields_of(crd)["restartNonce"]
    # The template looks for how the file begins.
    top = text[:text.index("spec:\n")]
    file.write_text(f"{head}\napiVersion:{top}" + yaml.safe_dump({"spec": crd["spec"]}, sort_keys=False))
    return copied


def fields_of(crd: dict) -> dict:
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def spec_of(release) -> dict:
    """The fields of a pipeline's spec that the API server knows."""
    return fields_of(json.loads(release.kubectl("get", "crd", CRD, "-o", "json")))


def test_an_upgrade_changes_no_pipeline_and_brings_the_crd(release, make_pipeline, tmp_path):
    with make_pipeline() as pipeline:
        pipeline.apply()
        traffic = Traffic(pipeline, pipeline.name)
        before = pipeline.all_pods()
        operators = release.pods()
        with traffic.nothing_lost():
            release.helm("upgrade", "levada", str(older(release.chart, tmp_path)), "--reset-then-reuse-values")
            assert "restartNonce" not in spec_of(release)
            release.helm("upgrade", "levada", str(release.chart), "--reset-then-reuse-values", "--set", "log.level=debug")
            release.wait()
            assert "restartNonce" in spec_of(release)
            eventually(lambda: not set(operators) & set(release.pods()), "the operators are new", 60, every=0.5)
            assert pipeline.all_pods() == before
        traffic.check()


def test_a_deleted_pipeline_leaves_its_data_and_one_of_its_name_goes_on_with_it(release, make_pipeline):
    with make_pipeline() as pipeline:
        pipeline.apply()
        first = Traffic(pipeline, pipeline.name)
        first.flows(300)
        first.stop()
        pipeline.kubectl("delete", "pipeline", pipeline.name, "--timeout=60s")
        eventually(lambda: not pipeline.pods(), "the workers go", 180, every=0.5)
        assert len(pipeline.all_topics()) == 6
        assert "persistentvolumeclaim/" in pipeline.kubectl("get", "pvc", "-o", "name")
        pipeline.apply()
        second = Traffic(pipeline, f"{pipeline.name}-again")
        second.flows(300)
        second.accepted += first.accepted
        second.open += first.open
        second.check()


def test_a_pipeline_takes_its_data_along_when_told(release, make_pipeline):
    with make_pipeline(delete_policy) as pipeline:
        pipeline.apply()
        assert len(pipeline.all_topics()) == 6
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
