"""The validation webhook as users meet it: the chart's objects, the operator with the chart's rights, kubectl."""

import pytest
import requests

from lib.installation import CHART, NAME, SYSTEM, Installation
from lib.servers import free_ports
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes


@pytest.fixture(scope="module")
def levada(build_dir, tmp_path_factory):
    levada = Installation(build_dir, tmp_path_factory.mktemp("webhook"), "--set", "kafka.brokers=127.0.0.1:1")
    levada.port = free_ports()
    levada.call("127.0.0.1", levada.port)
    yield levada
    levada.close()


@pytest.fixture
def namespace(levada, unique):
    levada.kubectl("create", "namespace", unique)
    return unique


def pipeline(namespace: str, name: str = "orders", to: str = "orders", steps: tuple = (), topics: tuple = ()) -> dict:
    return {
        "apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": name, "namespace": namespace},
        "spec": {"topics": [{"name": "orders"}, {"name": "large"}, *topics],
                 "stages": [{"name": "gateway", "ingest": {"http": {"path": "/orders"}, "to": to}},
                            {"name": "large", "scoring": {"from": "orders", "to": "large", "steps": list(steps) or
                                                          [{"filter": "amount > 100"}]}}]},
    }


def bad(namespace: str, name: str = "orders") -> dict:
    """Nothing that the CRD's own rules find."""
    return pipeline(namespace, name, to="order", steps=({"filter": "amount >"},))


def valid(levada, namespace: str) -> str:
    return levada.condition(namespace, "orders", "Valid").get("status", "")


def test_before_an_operator_runs_pipelines_are_taken(levada, namespace):
    assert levada.secret() == {} and "caBundle" not in levada.configuration()["clientConfig"]
    levada.apply(bad(namespace))


class TestWithTwoOperators:
    @pytest.fixture(scope="class", autouse=True)
    def ports(self, levada):
        other = free_ports()
        metrics = (levada.start_operator("a", levada.port), levada.start_operator("b", other))
        # The API server hears of the authority.
        eventually(lambda: levada.configuration()["clientConfig"].get("caBundle") == levada.secret()["ca.crt"],
                   "the authority is known")
        eventually(lambda: levada.apply(bad("default"), "--dry-run=server", good=None).returncode != 0, "it is asked")
        yield levada.port, other, *metrics
        assert levada.stop_operators() == [0, 0]

    def test_a_bad_manifest_is_refused_with_every_problem(self, levada, namespace):
        refused = levada.apply(bad(namespace), good=False).stderr
        assert 'The Pipeline "orders" is invalid' in refused
        assert "* spec.stages[0].ingest.to: no topic `order`" in refused
        assert "did you mean `orders`?" in refused
        assert "* spec.stages[1].scoring.steps[0].filter: " in refused

    def test_a_good_one_is_taken_and_what_is_odd_is_warned_of(self, levada, namespace):
        assert levada.apply(pipeline(namespace)).stderr == ""
        eventually(lambda: valid(levada, namespace) == "True", "the operator has looked at it")
        odd = levada.apply(pipeline(namespace, topics=({"name": "unused"},)))
        assert "Warning: spec.topics[2]" in odd.stderr
        # The operator wrote the status and the objects with the webhook between them.
        without = levada.apply(pipeline(namespace)).stderr
        assert "Warning: spec.topics: `unused` is no longer declared; it is kept with its data" in without

    def test_a_mistake_in_an_edit_leaves_what_there_is(self, levada, namespace):
        levada.apply(pipeline(namespace))
        levada.apply(bad(namespace), good=False)
        live = levada.get("pipeline", "orders", "-n", namespace)
        assert live["spec"]["stages"][0]["ingest"]["to"] == "orders"

    def test_both_serve_the_certificate_of_the_secret(self, levada, ports):
        a, b, *_ = ports
        assert levada.served(a) == levada.served(b)
        assert set(levada.secret()) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}

    def test_an_upgrade_leaves_certificate_and_authority(self, levada, namespace):
        before = levada.secret(), levada.configuration()["clientConfig"]["caBundle"]
        levada.call_service()
        levada.helm("upgrade", "levada", CHART, "-n", SYSTEM, "--reset-then-reuse-values", "--set",
                    "webhook.timeoutSeconds=7")
        assert levada.configuration()["timeoutSeconds"] == 7
        assert (levada.secret(), levada.configuration()["clientConfig"]["caBundle"]) == before
        levada.call("127.0.0.1", levada.port)
        levada.apply(bad(namespace), good=False)

    def test_certificates_that_are_lost_are_made_anew(self, levada, namespace, ports):
        before = levada.served(levada.port)
        levada.kubectl("patch", "secret", f"{NAME}-webhook", "-n", SYSTEM, "--type=json",
                       "-p", '[{"op": "remove", "path": "/data"}]')
        eventually(lambda: levada.served(levada.port) not in ("", before), "another certificate", seconds=60)
        eventually(lambda: levada.apply(bad(namespace), good=None).returncode != 0, "it is trusted", seconds=60)

    def test_what_it_does_is_counted(self, levada, namespace, ports):
        levada.apply(bad(namespace), good=False)
        text = requests.get(f"http://127.0.0.1:{ports[2]}/metrics", timeout=10).text
        assert 'levada_operator_webhook_seconds_count{result="refused"}' in text
        assert "levada_operator_webhook_certificate_end_timestamp_seconds" in text


def test_where_it_is_down_a_pipeline_is_taken_and_the_operator_says_what_is_wrong(levada, namespace):
    levada.call("127.0.0.1", free_ports())
    levada.apply(bad(namespace))
    levada.start_operator("c")
    eventually(lambda: valid(levada, namespace) == "False", "Valid=False", seconds=60)
    # Repaired, it is taken; and so is the deletion of one that is invalid.
    levada.apply(pipeline(namespace))
    eventually(lambda: valid(levada, namespace) == "True", "Valid=True")
    assert levada.stop_operators() == [0]
