"""Several of levada-operator as processes: one leads, and none that has led before it writes."""

import time

import pytest

from lib.operator_space import all_settled, at_rest, carried_out, names_of, versions
from lib.operator_space import api, operators, server, space  # noqa: F401, fixtures
from lib.operators import pipeline
from lib.wait import eventually

pytestmark = pytest.mark.kubernetes


def test_of_two_operators_only_the_leader_writes(api, space, operators):
    first = operators("first")
    first.wait_until_leading()
    second = operators("second")
    names = names_of(space, 5)
    for name in names:
        api.apply(pipeline(space, name))
    all_settled(api, space, names)
    eventually(second.answers, "the second one is up")
    assert first.writes() > 5 and second.requests_made() == 0


def test_the_leader_changes_under_load(api, space, operators):
    """Stopped once, killed once; edits go on all the while, and the last ones win."""
    names = names_of(space, 20)
    for name in names:
        api.apply(pipeline(space, name))
    one, two, three = operators("one"), operators("two"), operators("three")
    eventually(lambda: any(other.leads() for other in (one, two, three)), "one leads")
    amount = 200
    for how in ("stop", "kill"):
        leader = eventually(lambda: next((o for o in (one, two, three) if o.process.poll() is None and o.leads()), None),
                            "one leads")
        for name in names:
            api.apply(pipeline(space, name, amount := amount + 1))
        if how == "stop":
            assert leader.stop() == 0
        else:
            leader.kill()
        for name in names:
            api.apply(pipeline(space, name, amount := amount + 1))
    all_settled(api, space, names)
    for i, name in enumerate(names):
        carried_out(api, space, name, amount - len(names) + 1 + i)


@pytest.mark.parametrize("round", range(3))
def test_a_leader_that_was_frozen_past_its_lease_does_not_write(api, space, operators, round):
    """Frozen in the middle of its work; meanwhile another one leads and the manifests change."""
    names = names_of(space, 30)
    frozen = operators("frozen")
    frozen.wait_until_leading()
    for name in names:
        api.apply(pipeline(space, name))
    time.sleep(0.3 + round)
    frozen.freeze()
    next_one = operators("next")
    next_one.wait_until_leading()
    for i, name in enumerate(names):
        api.apply(pipeline(space, name, 1000 + i))
    all_settled(api, space, names)
    eventually(lambda: all("lag" in stage for one in api.list("pipelines", space) for stage in one["status"]["stages"]
                           if stage["kind"] != "ingest"), "it has looked at the lags, which it writes down once", 60)
    at_rest(next_one)
    before = versions(api, space)
    frozen.thaw()
    eventually(frozen.answers, "it is awake")
    time.sleep(5)
    # What was under way when it froze is refused too: it was made from an old view.
    assert versions(api, space) == before
    assert not frozen.leads()
    for i, name in enumerate(names):
        carried_out(api, space, name, 1000 + i)
