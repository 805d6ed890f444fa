"""The sample manifest from end to end, as a user runs it, counted in every place that it reaches."""

import collections
import json
import signal
import time

import requests

from e2e import books, events
from e2e.pipeline import ROOT, SAMPLE
from e2e.rpc import Service, enum_name
from lib.wait import eventually

INVALID = [b"{broken", b'{"event_id":"x"}', b'{"event_id":"x","event_time":"soon","entity_id":"c","transaction_amt":1}']


def test_every_event_arrives_everywhere_once(make_pipeline):
    """HTTP and gRPC in; topic, index, files and mails out; then a second run on top of the first."""
    pipeline = make_pipeline()
    pipeline.start()
    sent = events.make(pipeline.name, 4000)
    refunds = [{**event, "event_id": event["event_id"] + "-refund", "transaction_amt": -1.0}
               for event in events.make(pipeline.name, 50)]
    pipeline.send(sent[:1500])
    answer = pipeline.post(json.dumps(sent[1500]).encode(), Content_Type="application/json")
    assert answer.status_code == 200 and answer.json()["accepted"] == 1
    answer = pipeline.post(json.dumps(sent[1501:2000]).encode(), Content_Type="application/json")
    assert answer.json()["accepted"] == 499
    with Service(f"127.0.0.1:{pipeline.grpc_port}", "levada.v1.IngestService") as gateway:
        bodies = [json.dumps(event).encode() for event in sent[2000:]]
        response = gateway.call("Publish", events=[*bodies[:500], INVALID[0]])
        assert [enum_name(result, "code") for result in response.results] == ["ACCEPTED"] * 500 + ["INVALID"]
        streamed = gateway.stream("PublishStream", [{"events": bodies[i:i + 100]} for i in range(500, 2000, 100)])
        assert [enum_name(result, "code") for one in streamed for result in one.results] == ["ACCEPTED"] * 1500
    pipeline.send(refunds)
    for body in INVALID:
        assert pipeline.post(body, Content_Type="application/json").status_code == 400

    wanted, blocked = {event["event_id"] for event in sent}, events.blocked_ids(sent)
    assert len(blocked) == 40
    books.wait_for(pipeline, wanted, blocked)
    assert books.check(pipeline, wanted, blocked) == 0
    assert len(pipeline.events()) == len(sent) + len(refunds)
    check_values(pipeline, sent)
    check_status(pipeline.stages(), len(sent), len(refunds), len(books.mails(pipeline)))
    check_detector(pipeline, sent[:20])

    assert pipeline.stop() == 0, pipeline.errors()
    final = pipeline.reports()[-1]
    assert final["final"] is True and not any(report["final"] for report in pipeline.reports()[:-1])
    check_status({stage["name"]: stage for stage in final["stages"]}, len(sent), len(refunds), None)

    # Once more: what was done stays done, and the new goes on top.
    more = events.make(pipeline.name, 1000, first=len(sent))
    pipeline.start()
    pipeline.send(more)
    wanted |= {event["event_id"] for event in more}
    blocked |= events.blocked_ids(more)
    books.wait_for(pipeline, wanted, blocked)
    assert pipeline.stop() == 0, pipeline.errors()
    assert books.check(pipeline, wanted, blocked) == 0
    assert not pipeline.dead_letters()


def check_values(pipeline, sent: list[dict]) -> None:
    """Topic, index and files say the same of each event, and what the rules want."""
    inputs = {event["event_id"]: event for event in sent}
    documents = books.documents(pipeline)
    rows = {row["event_id"]: row for row in books.rows(pipeline)}
    for record in pipeline.results():
        result = json.loads(record.value)
        event = inputs[result["event_id"]]
        assert record.key.decode() == event["entity_id"]
        assert not {"hour", "is_weekend", "is_night", "card_bin"} & set(result)
        kept = {name: value for name, value in event.items() if name != "card_bin"}
        assert {name: result[name] for name in kept} == kept
        block = event["transaction_amt"] > 900
        assert result["outcome"] == ("block" if block else "approve")
        assert result["outcome_rules"] == (["certain"] if block else ["rest"])
        assert (result["score"] > 900) == block and 0 <= result["score"] <= 1000
        assert result["score_model"].startswith("fraud.json@") and result["took_us"] >= 0
        assert documents[event["event_id"]] == result
        row = rows[event["event_id"]]
        for name in ("entity_id", "transaction_amt", "outcome", "score", "score_model", "took_us"):
            assert row[name] == result[name], name
        assert json.loads(row["outcome_rules"]) == result["outcome_rules"]  # lists are kept as JSON
        assert row["event_time"].isoformat(timespec="milliseconds") == event["event_time"]


def check_status(stages: dict, count: int, refunds: int, mails: int | None) -> None:
    numbers = {name: (stage["records_in"], stage["records_out"]) for name, stage in stages.items()}
    assert numbers["gateway"][1] == count + refunds
    assert numbers["detect"] == (count + refunds, count) and stages["detect"]["filtered"] == refunds
    assert numbers["search"] == (count, count) and numbers["lake"] == (count, count)
    assert numbers["alert"][0] == count
    for name, stage in stages.items():
        assert stage["dead_letters"] == 0 and stage["restarts"] == 0, name
        if name != "alert":  # it waits for its group by intent
            assert 0 <= stage["p50_ms"] <= stage["p99_ms"] < 120_000, name


def check_detector(pipeline, sample: list[dict]) -> None:
    """REST and gRPC give what the stream gave, except for the time it took, and change nothing by it."""
    streamed = {}
    for record in pipeline.results():
        result = json.loads(record.value)
        streamed[result["event_id"]] = result
    with Service(f"127.0.0.1:{pipeline.detect_grpc_port}", "levada.v1.Detector") as detector:
        for event in sample:
            rest = requests.post(pipeline.detect_url, data=json.dumps(event), timeout=30).json()
            rpc = detector.call("Detect", event=json.dumps(event).encode())
            assert rest["kept"] and rpc.kept
            assert rest["topics"] == list(rpc.topics) == [pipeline.results_topic]
            expected = {name: value for name, value in streamed[event["event_id"]].items() if name != "took_us"}
            # What is known of the customer counts the event that is asked about beside the one that came.
            expected["tx_count_1h"] += 1
            expected["spent_24h"] += event["transaction_amt"]
            for answer in (rest["event"], json.loads(rpc.event)):
                assert answer.pop("took_us") >= 0
                assert answer == expected
        refund = {**sample[0], "transaction_amt": -5}
        assert requests.post(pipeline.detect_url, data=json.dumps(refund), timeout=30).json()["kept"] is False
        assert detector.call("Detect", event=json.dumps(refund).encode()).kept is False
    before = len(pipeline.results())
    assert requests.post(pipeline.detect_url, data=b"{broken", timeout=30).status_code == 400
    assert len(pipeline.results()) == before, "the detector only answers"


def test_the_sample_as_it_is(private_kafka, private_smtp, opensearch, make_pipeline, unique):
    """The file in manifests/, changed by nothing but --set, with its own producer, SIGTERM instead of Ctrl-C."""
    pipeline = make_pipeline(kafka=private_kafka, smtp=private_smtp)
    pipeline.manifest = SAMPLE
    pipeline.events_topic, pipeline.results_topic = "transactions", "processed_transactions"
    pipeline.sets = {
        "spec.connections.search.opensearch.url": opensearch.url,
        "spec.connections.mail.smtp.host": private_smtp.host,
        "spec.connections.mail.smtp.port": private_smtp.port,
        "spec.connections.mail.smtp.tls.caFile": private_smtp.ca,
        "spec.stages[name=gateway].ingest.http.port": pipeline.http_port,
        "spec.stages[name=gateway].ingest.grpc.port": pipeline.grpc_port,
        "spec.stages[name=detect].scoring.serve.port": pipeline.detect_port,
        "spec.stages[name=detect].scoring.serve.grpcPort": pipeline.detect_grpc_port,
        "spec.stages[name=producer].ingest.schedule.every": "1s",
        "spec.stages[name=search].indexing.index": unique,
        "spec.stages[name=lake].archiving.roll.every": "2s",
    }
    pipeline.start()
    pipeline.send(events.make(pipeline.name, 300))
    eventually(lambda: len(pipeline.events()) >= 700, "the producer adds to it", 60)
    pipeline.runner.send_signal(signal.SIGTERM)
    assert pipeline.runner.wait(180) == 0, pipeline.errors()
    # Drained: whatever came in has gone everywhere, without any more waiting.
    came_in = books.ids_in(pipeline.events())
    assert max(came_in.values()) == 1
    kept = {event["event_id"] for event in (json.loads(record.value) for record in pipeline.events())
            if event["transaction_amt"] > 0}
    results = [json.loads(record.value) for record in pipeline.results()]
    assert collections.Counter(result["event_id"] for result in results) == dict.fromkeys(kept, 1)
    assert set(books.documents(pipeline)) == kept
    assert collections.Counter(row["event_id"] for row in books.rows(pipeline, ["event_id"])) == dict.fromkeys(kept, 1)
    final = {stage["name"]: stage for stage in pipeline.reports()[-1]["stages"]}
    assert {name: final[name]["records_out"] for name in ("detect", "search", "lake")} == dict.fromkeys(
        ("detect", "search", "lake"), len(kept))
    # A group that still waited for more is told by the next run; the producer is off then.
    blocked = {result["event_id"] for result in results if result["outcome"] == "block"}
    assert len(blocked) >= 3
    pipeline.sets["spec.stages[name=producer].ingest.schedule.every"] = "24h"
    pipeline.start()
    eventually(lambda: blocked <= told(private_smtp), "every blocked one is told", 60)
    assert all(mail["Levada-Repeat"] is None for mail in private_smtp.mails())
    assert pipeline.stop() == 0


def told(smtp) -> set[str]:
    return {line.rsplit("transaction ", 1)[1].strip() for mail in smtp.mails()
            for line in mail.get_content().splitlines() if "transaction " in line}


def test_ctrl_c_under_traffic_loses_nothing(make_pipeline):
    """Whoever sends while it drains hears which events were not taken; the next run has the rest."""
    pipeline = make_pipeline()
    pipeline.start()
    sent = events.make(pipeline.name, 3000)
    accepted: set[str] = set()
    doubtful: set[str] = set()
    for begin in range(0, len(sent), 50):
        if begin == 1500:
            pipeline.interrupt()
        part = sent[begin:begin + 50]
        try:
            answer = pipeline.post(events.lines(part), Content_Type="application/x-ndjson")
        except requests.ConnectionError:
            doubtful |= {event["event_id"] for event in part}
            continue
        if answer.status_code == 200:
            accepted |= {event["event_id"] for event in part}
        else:
            assert answer.status_code in (429, 503), answer.text
        time.sleep(0.01)
    assert pipeline.runner.wait(180) == 0, pipeline.errors()
    assert len(accepted) >= 1500
    stored = books.ids_in(pipeline.events())
    assert accepted <= set(stored) <= accepted | doubtful and max(stored.values()) == 1
    assert books.check(pipeline, set(stored), {i for i in stored if events.blocked(int(i.rsplit("-", 1)[1]))}) == 0
