"""Everything encrypted and with log-ins: SASL_SSL, HTTPS with basic auth, STARTTLS; secrets from
a folder, and seen nowhere else."""

import pytest

from e2e import books, events
from e2e.books import places
from lib.servers import Kafka
from lib.wait import eventually

WRONG = "wr0ng-pass-phrase"


def secured(kafka, opensearch):
    def edit(document: dict) -> None:
        document["spec"]["connections"]["kafka"] = {"kafka": {
            "brokers": kafka.secure_address, "secretRef": "kafka-login", "sasl": "PLAIN",
            "tls": {"caFile": str(kafka.ca)}}}
        document["spec"]["connections"]["search"]["opensearch"] = {
            "url": opensearch.secure_url, "secretRef": "search-login", "tls": {"caFile": str(opensearch.ca)}}
    return edit


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """One for this file: log-ins are made when its data folder is."""
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def secure_pipeline(make_pipeline, kafka, opensearch, private_smtp):
    pipeline = make_pipeline(kafka, smtp=private_smtp, edit=secured(kafka, opensearch))
    pipeline.secret("kafka-login", username=kafka.user, password=kafka.password)
    pipeline.secret("search-login", username=opensearch.user, password=opensearch.password)
    return pipeline


def test_all_encrypted_and_no_secret_is_seen(secure_pipeline, kafka):
    pipeline = secure_pipeline
    pipeline.start()
    sent = events.make(pipeline.name, 1000)
    pipeline.send(sent)
    wanted, blocked = {event["event_id"] for event in sent}, events.blocked_ids(sent)
    books.wait_for(pipeline, wanted, blocked)
    found = [place for place, text in places(pipeline).items() if kafka.password in text]
    assert not found
    assert len(places(pipeline)) > 15
    assert pipeline.stop() == 0, pipeline.errors()
    assert books.check(pipeline, wanted, blocked) == 0


def test_a_wrong_kafka_password_is_said(secure_pipeline):
    pipeline = secure_pipeline
    pipeline.secret("kafka-login", password=WRONG)
    pipeline.start(ready=False)
    eventually(lambda: "authentication" in pipeline.errors().lower(), "it says that the log-in is wrong", 30)
    assert WRONG not in pipeline.errors()
    pipeline.interrupt()
    assert pipeline.runner.wait(30) == 1


def test_wrong_passwords_of_the_others_are_said_and_can_be_mended(secure_pipeline, opensearch, private_smtp):
    pipeline = secure_pipeline
    pipeline.secret("search-login", password=WRONG)
    pipeline.secret("mail-login", password=WRONG)
    pipeline.start()
    sent = events.make(pipeline.name, 300)
    pipeline.send(sent)
    eventually(lambda: "401" in pipeline.state_of("search"), "indexing says it")
    eventually(lambda: "login" in pipeline.state_of("alert").lower() or "535" in pipeline.state_of("alert"), "notify says it")
    assert not [place for place, text in places(pipeline).items() if WRONG in text]
    pipeline.secret("search-login", password=opensearch.password)
    pipeline.secret("mail-login", password=private_smtp.password)
    wanted, blocked = {event["event_id"] for event in sent}, events.blocked_ids(sent)
    books.wait_for(pipeline, wanted, blocked)
    assert pipeline.stop() == 0
    assert books.check(pipeline, wanted, blocked) == 0


def test_a_missing_secret_is_named(secure_pipeline):
    """With both places where it is looked for."""
    (secure_pipeline.secrets / "search-login" / "password").unlink()
    secure_pipeline.start(ready=False)
    assert secure_pipeline.runner.wait(60) != 0
    assert "search-login" in secure_pipeline.errors()
    assert "LEVADA_SECRET_SEARCH_LOGIN_PASSWORD" in secure_pipeline.errors()


def test_a_certificate_that_nobody_vouches_for_is_refused(make_pipeline, kafka, opensearch, private_smtp):
    pipeline = make_pipeline(kafka, smtp=private_smtp, edit=secured(kafka, opensearch), sets={
        "spec.connections.search.opensearch.tls.caFile": kafka.ca})
    pipeline.secret("kafka-login", username=kafka.user, password=kafka.password)
    pipeline.secret("search-login", username=opensearch.user, password=opensearch.password)
    pipeline.start()
    pipeline.send(events.make(pipeline.name, 10, first=1))
    eventually(lambda: "certificate" in pipeline.state_of("search").lower(), "indexing says what is wrong")
    assert books.index_count(pipeline) in (-1, 0)
