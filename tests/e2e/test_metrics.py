"""What a running pipeline tells of itself: metrics as docs/metrics.md says, health, readiness, control."""

import collections
import re
import time

import grpc
import pytest
import requests

from e2e import books, events
from e2e.pipeline import ROOT, add_feed
from e2e.rpc import Service, enum_name
from lib.wait import eventually

# By the parts of docs/metrics.md: "Every stage", then one for each service.
SERVICE_OF = {"gateway": "ingest", "feed": "ingest", "detect": "scoring", "search": "indexing", "lake": "archiving",
              "alert": "notify"}
EVERY = "Every stage"
OPERATOR = "The operator"  # runs on a cluster only


def documented() -> dict[str, dict[str, str]]:
    """Type by name, by part."""
    parts: dict[str, dict[str, str]] = collections.defaultdict(dict)
    part = ""
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        if line.startswith("## "):
            part = line[3:].strip()
        elif match := re.match(r"\| `(levada_\w+)` \| (\w+) \|", line):
            parts[part][match[1]] = match[2]
    return parts


class Scrape:
    """The text format, taken apart."""

    def __init__(self, pipeline, stage: str):
        answer = requests.get(f"http://{pipeline.ports(stage)['http']}/metrics", timeout=10)
        assert answer.ok and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        self.types = dict(re.findall(r"^# TYPE (\S+) (\w+)$", answer.text, re.M))
        self.helps = dict(re.findall(r"^# HELP (\S+) (.+)$", answer.text, re.M))
        self.samples = [(name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for name, labels, value in
                        re.findall(r"^(levada_\w+)\{([^}]*)\} (\S+)", answer.text, re.M)]

    def sum(self, name: str, **labels: str) -> float:
        return sum(value for sample, has, value in self.samples if sample == name and labels.items() <= has.items())


def add_feed_and_lookup(document: dict) -> None:
    """A stage that follows a file, and in `detect` the one step with metrics that the sample does not have."""
    add_feed(document)
    steps = next(stage for stage in document["spec"]["stages"] if stage["name"] == "detect")["scoring"]["steps"]
    steps.insert(1, {"lookup": {"csv": "places.csv", "by": "entity_id", "as": "place"}})
    next(step for step in steps if "drop" in step)["drop"].append("place")


@pytest.fixture
def pipeline(make_pipeline):
    made = make_pipeline(edit=add_feed_and_lookup)
    (made.folder / "places.csv").write_text("id,country\nC1,PT\n")
    made.feed_file.touch()
    made.start()
    return made


def test_metrics_are_those_of_the_documentation(pipeline):
    sent = events.make(pipeline.name, 1000)
    pipeline.feed_file.write_bytes(events.lines(sent[:300]))
    pipeline.send(sent[300:])
    assert pipeline.post(b"{broken").status_code == 400
    books.wait_for(pipeline, {event["event_id"] for event in sent}, events.blocked_ids(sent))
    parts = documented()
    assert set(parts) - {OPERATOR} == {EVERY, *SERVICE_OF.values()} and len(parts[EVERY]) >= 10
    seen = collections.defaultdict(set)
    for stage, service in SERVICE_OF.items():
        scrape = Scrape(pipeline, stage)
        expected = {**parts[EVERY], **parts[service]}
        for name, kind in scrape.types.items():
            assert expected.get(name) == kind, f"{name} of {service} is not in docs/metrics.md as a {kind}"
            assert len(scrape.helps[name]) > 10, name
        seen[service] |= set(scrape.types)
        for name, labels, _ in scrape.samples:
            assert labels.items() >= {"pipeline": pipeline.name, "stage": stage, "namespace": "default"}.items(), name
    for service, names in seen.items():
        missing = (set(parts[EVERY]) | set(parts[service])) - names
        assert not missing, f"docs/metrics.md has what {service} does not: {missing}"

    # And they say what happened.
    scrapes = {stage: Scrape(pipeline, stage) for stage in SERVICE_OF}
    assert scrapes["gateway"].sum("levada_records_out_total") == 700
    assert scrapes["gateway"].sum("levada_ingest_events_total", result="accepted") == 700
    assert scrapes["gateway"].sum("levada_ingest_events_total", result="not_json") == 1
    assert scrapes["feed"].sum("levada_records_out_total") == 300
    assert scrapes["detect"].sum("levada_records_in_total") == 1000
    assert scrapes["detect"].sum("levada_scoring_decisions_total", **{"as": "outcome"}) == 1000
    assert scrapes["detect"].sum("levada_scoring_decisions_total", outcome="block") == 10
    assert scrapes["detect"].sum("levada_scoring_prediction_count", **{"as": "score"}) == 1000
    assert scrapes["search"].sum("levada_indexing_documents_total", result="written") == 1000
    assert scrapes["lake"].sum("levada_archiving_rows_total") == 1000
    assert scrapes["alert"].sum("levada_notify_events_total") == 10
    counted = ("levada_records_in_total", "levada_records_out_total", "levada_records_filtered_total")
    eventually(lambda: [Scrape(pipeline, "alert").sum(name) for name in counted] == [1000, 10, 990],
               "each event counts once: sent on, or left out by `when`")
    assert scrapes["alert"].sum("levada_notify_sent_total") == len(books.mails(pipeline))
    for stage, scrape in scrapes.items():
        assert scrape.sum("levada_dead_letters_total") == 0
        assert scrape.sum("levada_ready") == 1
        if stage not in ("gateway", "feed"):
            assert scrape.sum("levada_partitions") == 6 and scrape.sum("levada_lag_records") == 0
    assert scrapes["search"].sum("levada_latency_seconds_count") > 0
    assert pipeline.stop() == 0


def get(pipeline, stage: str, path: str) -> requests.Response:
    return requests.get(f"http://{pipeline.ports(stage)['http']}{path}", timeout=10)


def test_ready_only_while_the_destination_is_there(make_pipeline, private_smtp):
    pipeline = make_pipeline(smtp=private_smtp)
    pipeline.start()
    pipeline.send(events.make(pipeline.name, 200))
    eventually(lambda: books.mails(pipeline), "a mail")
    for stage in pipeline.stages():
        assert get(pipeline, stage, "/readyz").status_code == 200 and get(pipeline, stage, "/healthz").status_code == 200
    private_smtp.stop()
    pipeline.send(events.make(pipeline.name, 200, first=200))
    # Between two attempts it may look well for a moment.
    text = eventually(lambda: not_ready(get(pipeline, "alert", "/readyz")), "not ready")
    assert text.startswith("retrying ") and str(private_smtp.port) in text
    assert get(pipeline, "alert", "/healthz").status_code == 200, "restarting it would not help"
    eventually(lambda: health(pipeline, "alert") == "NOT_SERVING", "the health service says so")
    assert get(pipeline, "search", "/readyz").status_code == 200
    assert Scrape(pipeline, "alert").sum("levada_errors_total", error_type="destination") > 0
    private_smtp.start()
    eventually(lambda: get(pipeline, "alert", "/readyz").status_code == 200, "ready again", 60)
    eventually(lambda: health(pipeline, "alert") == "SERVING", "serving again")
    assert pipeline.stop() == 0


def not_ready(answer: requests.Response) -> str:
    """Its text, if it says so. (A Response of 503 is itself false.)"""
    return answer.text if answer.status_code == 503 else ""


def health(pipeline, stage: str) -> str:
    """The standard health check; gRPC's reflection does not describe it, so its one field is read here."""
    with grpc.insecure_channel(pipeline.ports(stage)["grpc"]) as channel:
        answer = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
    return {b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}[answer]


def test_a_hanging_loop_is_not_alive_but_an_idle_one_is(pipeline):
    time.sleep(3)
    assert all(get(pipeline, stage, "/healthz").status_code == 200 for stage in SERVICE_OF)
    assert get(pipeline, "detect", "/nothing").status_code == 404
    assert requests.post(f"http://{pipeline.ports('detect')['http']}/metrics", timeout=10).status_code == 405
    assert pipeline.stop() == 0


def test_control_pauses_and_resumes_each_stage(pipeline):
    done = events.make(pipeline.name, 100, first=1)
    pipeline.send(done[:-1])
    ids = [event["event_id"] for event in done]
    books.wait_for(pipeline, set(ids[:-1]), set())
    with Service(pipeline.ports("detect")["grpc"], "levada.v1.Control") as control:
        assert "levada.v1.Control" in control.database.get_services()
        status = control.call("GetStatus")
        assert (status.pipeline, status.stage, status.service) == (pipeline.name, "detect", "scoring")
        assert enum_name(status, "state") == "RUNNING" and status.records_in == 99 and status.partitions == 6
        control.call("Pause")
        eventually(lambda: pipeline.state_of("detect") == "paused", "levada run shows it")
        pipeline.send(done[-1:])
        time.sleep(2)
        assert len(pipeline.results()) == 99
        assert control.call("GetStatus").records_in == 99
        control.call("Resume")
        books.wait_for(pipeline, set(ids), set())
        assert enum_name(control.call("GetStatus"), "state") == "RUNNING"
    with Service(pipeline.ports("gateway")["grpc"], "levada.v1.Control") as control:
        control.call("Pause")
        answer = pipeline.post(events.lines(events.make(pipeline.name, 1, first=1000)))
        assert answer.status_code == 503 and "paused" in answer.text and answer.headers["Retry-After"]
        control.call("Resume")
        assert eventually(lambda: pipeline.post(events.lines(events.make(pipeline.name, 1, first=1001))).ok, "it takes")
    assert pipeline.stop() == 0


def test_the_public_services_are_described_too(pipeline):
    """For grpcurl and the like."""
    for port, service in ((pipeline.grpc_port, "levada.v1.IngestService"), (pipeline.detect_grpc_port, "levada.v1.Detector")):
        with Service(f"127.0.0.1:{port}", service) as described:
            assert service in described.database.get_services()
    assert pipeline.stop() == 0
