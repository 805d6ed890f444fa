"""levada-operator as a process, with an API server of its own and a real Kafka, while things go wrong."""

import json
import random
import subprocess
import time

import pytest

from lib.kube import Api, install_crd, served
from lib.operator_space import ROOT, all_settled, at_rest, carried_out, collect_garbage, made_for, names_of, time_to_apply
from lib.operator_space import api, operators, server, silent, space  # noqa: F401, fixtures
from lib.operators import applied, condition, pipeline, settled
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes

BROKEN = {"stages": [{"name": "gateway", "ingest": {"http": {"path": "/orders"}, "to": "nowhere"}}]}


def test_the_api_server_is_killed_while_the_operator_works(api, space, server, operators):
    operator = operators("only")
    operator.wait_until_leading()
    names = names_of(space, 20)
    for name in names:
        api.apply(pipeline(space, name))
    time.sleep(1)
    server.kill()
    time.sleep(3)
    server.start()
    eventually(lambda: api.get("namespaces", "", "default"), "the API server is back", 60)
    for name in names:
        api.apply(pipeline(space, name, 300))
    all_settled(api, space, names)
    for name in names:
        carried_out(api, space, name, 300)
    assert operator.process.poll() is None


def test_changes_in_a_gap_of_the_watch_are_not_missed(api, space, server, operators):
    """The operator sleeps while things change and what it had seen last is compacted away: 410 Gone."""
    operator = operators("only", "--no-elect")
    names = names_of(space, 6)
    for name in names:
        api.apply(pipeline(space, name))
    all_settled(api, space, names)
    operator.freeze()
    stays, edited, deleted, damaged, remade, robbed = names
    api.apply(pipeline(space, edited, 300))
    api.delete("pipelines", space, deleted)
    api.merge("deployments", space, f"{damaged}-filter",
              {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}})
    api.delete("pipelines", space, remade)
    collect_garbage(api, space)
    api.apply(pipeline(space, remade, 400))
    api.delete("deployments", space, f"{robbed}-filter")
    for i in range(20):
        api.apply({"apiVersion": "v1", "kind": "Namespace",
                   "metadata": {"name": f"{space}-fill", "labels": {"n": str(i)}}})
    revision = api.request("GET", api.path("namespaces"))["metadata"]["resourceVersion"]
    etcd = f"http://127.0.0.1:{int(server.url.rsplit(':', 1)[1]) + 1}"
    subprocess.run(["curl", "-sf", "-o", "/dev/null", f"{etcd}/v3/kv/compaction", "-d",
                    json.dumps({"revision": revision, "physical": True})], check=True)
    server.kill()  # what the API server itself remembers goes too
    server.start()
    operator.thaw()
    # It may see that objects are gone before it sees that their pipeline is, and make them for that. Kubernetes takes
    # those, too, and they must not come back.
    all_settled(api, space, [stays, edited, damaged, remade, robbed], meanwhile=lambda: collect_garbage(api, space))
    for name, amount in ((stays, 100), (edited, 300), (damaged, 100), (remade, 400), (robbed, 100)):
        carried_out(api, space, name, amount)
    collect_garbage(api, space)
    time.sleep(3)
    assert not made_for(api, space, deleted)
    grace = api.get("deployments", space, f"{damaged}-filter")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > 1
    assert operator.metric("levada_operator_relists_total", why="expired") > 0


def test_a_hundred_broken_pipelines_beside_a_good_one(api, space, operators, silent):
    """Wrong manifests, names that are taken, a Kafka that hangs: the good one is carried out as quickly."""
    operator = operators("only")
    operator.wait_until_leading()
    good = names_of(space, 1)[0]
    api.apply(pipeline(space, good))
    all_settled(api, space, [good])
    alone = sorted(time_to_apply(api, space, good, 200 + i) for i in range(20))

    for i in range(40):
        wrong = pipeline(space, f"wrong{i}")
        wrong["spec"].update(BROKEN)
        api.apply(wrong)
    for i in range(30):
        api.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                   "metadata": {"name": f"{space}-taken{i}-levada", "namespace": space}})
        api.apply(pipeline(space, f"{space}-taken{i}"))
    for i in range(30):
        api.apply(pipeline(space, f"hangs{i}", connections={"kafka": {"kafka": {"brokers": silent}}}))

    def broken() -> int:
        live = api.list("pipelines", space)
        return sum(condition(one, "Valid").get("status") == "False"
                   or condition(one, "StagesReady").get("reason") == "WriteFailed"
                   or condition(one, "TopicsReady").get("reason") == "KafkaUnavailable" for one in live)

    beside_at_first = sorted(time_to_apply(api, space, good, 300 + i) for i in range(20))
    eventually(lambda: broken() == 100, "a hundred are broken", 90, every=1)
    beside = sorted(time_to_apply(api, space, good, 400 + i) for i in range(50))
    print(f"apply to applied, ms: alone {1000 * alone[10]:.0f} (slowest {1000 * alone[-1]:.0f}), "
          f"while a hundred broken ones come {1000 * beside_at_first[10]:.0f} ({1000 * beside_at_first[-1]:.0f}), "
          f"beside them {1000 * beside[25]:.0f} ({1000 * beside[-1]:.0f})")
    assert beside[-1] < 1.0
    carried_out(api, space, good, 449)
    # They do not keep the API server busy either.
    before = operator.requests_made("create", "update", "apply", "patch", "delete", "get", "list")
    time.sleep(10)
    assert operator.requests_made("create", "update", "apply", "patch", "delete", "get", "list") - before < 200


@pytest.mark.long
def test_kafka_is_away_for_minutes(api, space, operators, private_kafka):
    """What runs goes on, edits are carried out, and topics are made when it is back."""
    operator = operators("only", brokers=private_kafka.address)
    operator.wait_until_leading()
    before, during = names_of(space, 2)
    api.apply(pipeline(space, before))
    all_settled(api, space, [before])
    had = made_for(api, space, before)
    private_kafka.kill()
    eventually(lambda: condition(api.get("pipelines", space, before), "TopicsReady").get("reason") == "KafkaUnavailable",
               "it says so", 90)
    assert made_for(api, space, before) == had
    api.apply(pipeline(space, before, 200))
    api.apply(pipeline(space, during))
    eventually(lambda: applied(api.get("pipelines", space, before)), "an edit is carried out", 10)
    writes = operator.writes()
    time.sleep(180)
    assert operator.writes() - writes < 60, "it says so once, not again and again"
    private_kafka.start()
    all_settled(api, space, [before, during], 60)
    carried_out(api, space, before, 200)


def test_a_kafka_that_hangs_delays_no_pipeline_of_another(api, space, operators, kafka, silent):
    """All pipelines of the installation hang; one has a Kafka of its own."""
    operator = operators("only", brokers=silent)
    operator.wait_until_leading()
    for i in range(20):
        api.apply(pipeline(space, f"hangs{i}"))
    good = names_of(space, 1)[0]
    own = {"connections": {"kafka": {"kafka": {"brokers": kafka.address}}}}
    began = time.monotonic()
    api.apply(pipeline(space, good, **own))
    eventually(lambda: settled(api.get("pipelines", space, good)), "the good one has its topics", 30)
    assert time.monotonic() - began < 10
    began = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - began < 20, "nor does it hold up the operator's end"


def test_the_crd_is_deleted_with_all_pipelines(api, space, server, operators, silent):
    """Also those that have topics to delete on a Kafka that hangs; then it is installed again."""
    operator = operators("only")
    operator.wait_until_leading()
    good, stuck = names_of(space, 2)
    api.apply(pipeline(space, good, deletionPolicy="Delete"))
    api.apply(pipeline(space, stuck, deletionPolicy="Delete", connections={"kafka": {"kafka": {"brokers": silent}}}))
    all_settled(api, space, [good])
    eventually(lambda: (api.get("pipelines", space, stuck)["metadata"].get("finalizers")), "it is held")
    api.delete("customresourcedefinitions", "", "pipelines.levada.dev")
    eventually(lambda: api.get("customresourcedefinitions", "", "pipelines.levada.dev") is None, "the CRD goes", 100)
    collect_garbage(api, space)
    time.sleep(3)
    for name in (good, stuck):
        assert not made_for(api, space, name), "nothing is made for a pipeline that is gone"
    install_crd(api, ROOT)
    eventually(lambda: served(api), "the CRD is served")
    again = names_of(space, 3)[2]
    api.apply(pipeline(space, again))
    all_settled(api, space, [again], 60)
    assert operator.process.poll() is None


def test_pipelines_wait_for_an_operator_that_is_gone_and_go_with_the_next(api, space, operators):
    first = operators("first")
    first.wait_until_leading()
    names = names_of(space, 5)
    for name in names:
        api.apply(pipeline(space, name, deletionPolicy="Delete"))
    all_settled(api, space, names)
    first.kill()
    for name in names:
        api.delete("pipelines", space, name)
    assert len(api.list("pipelines", space)) == 5
    operators("second")
    eventually(lambda: not api.list("pipelines", space), "they go", 60)


def test_an_operator_that_is_killed_twenty_times_while_fifty_pipelines_are_edited(api, space, operators):
    names = names_of(space, 50)
    for name in names:
        api.apply(pipeline(space, name))
    operator = operators("only", "--no-elect")
    dice = random.Random(4)
    amounts = dict.fromkeys(names, 100)
    for _ in range(20):
        for name in dice.sample(names, 5):
            amounts[name] += 1
            api.apply(pipeline(space, name, amounts[name]))
        time.sleep(dice.uniform(0.1, 1.5))
        operator.kill()
        operator.start()
    all_settled(api, space, names)
    eventually(lambda: not leftovers(api, space, names), "nothing is left over")
    for name in names:
        carried_out(api, space, name, amounts[name])
        assert len(made_for(api, space, name)) == len(made_for(api, space, names[0]))
        assert all(topic["managed"] for topic in api.get("pipelines", space, name)["status"]["topics"]), name
    at_rest(operator)


def leftovers(api: Api, space: str, names: list[str]) -> list[str]:
    return [name for name in names
            if len(api.list("configmaps", space, f"levada.dev/pipeline={name},levada.dev/stage=filter")) != 1]
