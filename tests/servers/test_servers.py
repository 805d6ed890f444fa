"""The test servers behave as the tests that use them rely on."""

import gzip
import json
import smtplib
import socket
import ssl
import subprocess
import time

import pytest
import requests
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from lib import kafka as k
from lib.servers import Kafka, ServerError, Smtp
from lib.wait import eventually


# Processes


def test_start_refuses_a_taken_port_and_leaves_nothing_behind(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = Smtp(tmp_path, port=other.getsockname()[1])
        with pytest.raises(ServerError, match="taken by another program"):
            server.start()
    assert not server.running()
    assert not list(server.folder.glob("*.pid"))


def test_start_twice_is_one_server(private_smtp):
    before = (private_smtp.folder / "smtp.pid").read_text()
    private_smtp.start()
    assert (private_smtp.folder / "smtp.pid").read_text() == before


def test_stop_and_kill_leave_alone_a_process_that_got_the_recorded_pid(tmp_path):
    server = Smtp(tmp_path)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            server.folder.mkdir(exist_ok=True)
            (server.folder / "smtp.pid").write_text(f"{stranger.pid} 12345\n")
            assert not server.running()
            server.stop()
            server.kill()
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_server_that_ends_while_starting_says_why(tmp_path):
    server = Kafka(tmp_path)
    (server.folder / "data").mkdir(parents=True)
    (server.folder / "data" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    with pytest.raises(ServerError, match="node.id"):
        server.start()


# Kafka


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory):
    """One broker for the tests that break it; each leaves it running."""
    server = Kafka(tmp_path_factory.mktemp("own"))
    server.start()
    yield server
    server.kill()


def test_kafka_keeps_its_records_over_kill(own_kafka):
    address = own_kafka.address
    k.create_topic(address, "kept", 2)
    k.produce(address, "kept", [k.Record(b"v%d" % i, b"k%d" % i, [("h", b"x")]) for i in range(100)])
    own_kafka.kill()
    assert not own_kafka.running()
    own_kafka.start()
    records = k.read_all(address, "kept")
    assert sorted(record.value for record in records) == sorted(b"v%d" % i for i in range(100))
    assert {record.partition for record in records} == {0, 1}
    assert all(record.header("h") == b"x" for record in records)


def test_read_all_leaves_out_aborted_and_waits_for_open_transactions(kafka, unique):
    k.create_topic(kafka.address, unique)
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": unique})
    producer.init_transactions(30)
    for value, end in (
        (b"committed", producer.commit_transaction),
        (b"aborted", producer.abort_transaction),
    ):
        producer.begin_transaction()
        producer.produce(unique, value)
        producer.flush()
        end()
    assert [record.value for record in k.read_all(kafka.address, unique)] == [b"committed"]
    assert len(k.read_all(kafka.address, unique, committed=False)) == 2

    producer.begin_transaction()
    producer.produce(unique, b"open")
    producer.flush()
    with pytest.raises(TimeoutError):
        k.read_all(kafka.address, unique, seconds=2)
    producer.commit_transaction()
    assert [record.value for record in k.read_all(kafka.address, unique)] == [b"committed", b"open"]


def test_group_offsets_and_lag(kafka, unique):
    from confluent_kafka import Consumer

    k.create_topic(kafka.address, unique, 2)
    k.produce(kafka.address, unique, [k.Record(b"v", partition=i % 2) for i in range(10)])
    assert k.group_lag(kafka.address, unique, unique) == 10
    consumer = Consumer({
        "bootstrap.servers": kafka.address, "group.id": unique, "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([unique])
    taken = 0
    while taken < 10:
        taken += len(consumer.consume(10 - taken, 1))
    consumer.commit(asynchronous=False)
    consumer.close()
    assert k.group_offsets(kafka.address, unique) == {(unique, 0): 5, (unique, 1): 5}
    assert k.group_lag(kafka.address, unique, unique) == 0


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafka_wants_the_right_password_on_its_secure_port(kafka, mechanism):
    def brokers(password: str, seconds: float):
        admin = AdminClient({
            "bootstrap.servers": kafka.secure_address, "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism, "sasl.username": kafka.user, "sasl.password": password,
            "ssl.ca.location": str(kafka.ca), "log_level": 0,
        })
        return admin.list_topics(timeout=seconds).brokers

    assert brokers(kafka.password, 20)
    with pytest.raises(KafkaException):
        brokers("wrong", 2)


def test_a_paused_kafka_does_not_answer_until_resumed(own_kafka):
    admin = AdminClient({"bootstrap.servers": own_kafka.address, "log_level": 0})
    admin.list_topics(timeout=10)
    own_kafka.pause()
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=1)
    own_kafka.resume()
    assert eventually(lambda: admin.list_topics(timeout=10).brokers, "answers again")


# OpenSearch


def _session(opensearch) -> requests.Session:
    session = requests.Session()
    session.auth = (opensearch.user, opensearch.password)
    session.verify = str(opensearch.ca)
    session.trust_env = False
    return session


def test_opensearch_wants_a_log_in_on_its_secure_port(opensearch):
    session = _session(opensearch)
    assert session.get(opensearch.secure_url).json()["version"]["number"].startswith("2.19.")
    session.auth = (opensearch.user, "wrong")
    assert session.get(opensearch.secure_url).status_code == 401


def test_opensearch_takes_gzip_bulk_through_tls_and_keeps_it_over_kill(private_opensearch):
    lines = []
    for i in range(1000):
        lines.append({"index": {"_index": "kept", "_id": str(i), "version": 7, "version_type": "external"}})
        lines.append({"n": i})
    body = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
    answer = _session(private_opensearch).post(
        f"{private_opensearch.secure_url}/_bulk", data=body,
        headers={"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"},
    )
    assert answer.status_code == 200 and not answer.json()["errors"]
    private_opensearch.kill()
    private_opensearch.start()

    def count() -> int:
        answer = requests.get(f"{private_opensearch.url}/kept/_count")
        return answer.json().get("count", 0) if answer.ok else 0

    eventually(lambda: count() == 1000, "all documents are back")


def test_opensearch_proxy_misbehaves_as_often_as_told(opensearch, unique):
    session = _session(opensearch)
    document = f"{opensearch.secure_url}/{unique}/_doc/1"
    opensearch.misbehave("throttle", count=2)
    answers = [session.get(opensearch.secure_url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"

    opensearch.misbehave("drop", count=1)
    with pytest.raises(requests.ConnectionError):
        session.put(document, json={"a": 1})
    assert session.get(document).status_code == 404

    opensearch.misbehave("lose-answer", count=1)
    with pytest.raises(requests.ConnectionError):
        session.put(document, json={"a": 1})
    assert session.get(document).json()["_source"] == {"a": 1}


# Mail


def _send(smtp, subject: str) -> None:
    with smtplib.SMTP(smtp.host, smtp.port, timeout=10) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(smtp.ca)))
        client.login(smtp.user, smtp.password)
        client.sendmail("a@example.com", ["b@example.com", "c@example.com"], f"Subject: {subject}\r\n\r\nHello\r\n")


def test_mail_is_kept_with_its_envelope(private_smtp):
    _send(private_smtp, "one")
    _send(private_smtp, "two")
    mails = private_smtp.mails()
    assert [mail["Subject"] for mail in mails] == ["one", "two"]
    assert mails[0]["X-Envelope-From"] == "a@example.com"
    assert mails[0]["X-Envelope-To"] == "b@example.com, c@example.com"
    assert mails[0].get_content() == "Hello\r\n"
    private_smtp.kill()
    private_smtp.start()
    _send(private_smtp, "three")
    assert [mail["Subject"] for mail in private_smtp.mails()] == ["one", "two", "three"]


def test_mail_needs_starttls_and_the_right_password(private_smtp):
    with smtplib.SMTP(private_smtp.host, private_smtp.port, timeout=10) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.mail("a@example.com")[0] == 530
        client.starttls(context=ssl.create_default_context(cafile=str(private_smtp.ca)))
        client.ehlo()
        assert client.mail("a@example.com")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(private_smtp.user, "wrong")
    assert private_smtp.mails() == []


@pytest.mark.parametrize(
    ("mode", "error", "kept"),
    [
        ("refuse", smtplib.SMTPDataError, False),
        ("reject", smtplib.SMTPDataError, False),
        ("drop", smtplib.SMTPServerDisconnected, False),
        ("lose-answer", smtplib.SMTPServerDisconnected, True),
    ],
)
def test_mail_server_misbehaves_once(private_smtp, mode, error, kept):
    private_smtp.misbehave(mode, count=1)
    with pytest.raises(error):
        _send(private_smtp, "first")
    _send(private_smtp, "second")
    assert [mail["Subject"] for mail in private_smtp.mails()] == (["first"] if kept else []) + ["second"]


def test_mail_server_delays(private_smtp):
    private_smtp.misbehave("delay", count=1, seconds=1.5)
    began = time.monotonic()
    _send(private_smtp, "late")
    assert time.monotonic() - began >= 1.5
    assert len(private_smtp.mails()) == 1


# S3


def test_s3_keeps_its_objects_over_kill_and_wants_signatures(private_s3):
    private_s3.put("a/b.txt", b"content")
    private_s3.kill()
    private_s3.start()
    unsigned = requests.get(f"{private_s3.url}/{private_s3.bucket}/a/b.txt", timeout=10)
    assert unsigned.status_code == 403
    reader = ["--aws-sigv4", "aws:amz:us-east-1:s3",
              "--user", f"{private_s3.user}-reader:{private_s3.password}-reader"]
    for url, more in ((private_s3.url, []), (private_s3.secure_url, ["--cacert", str(private_s3.ca)])):
        done = subprocess.run(["curl", "-sf", *reader, *more, f"{url}/{private_s3.bucket}/a/b.txt"],
                              capture_output=True)
        assert done.stdout == b"content", url
    put = subprocess.run(["curl", "-sf", *reader, "-X", "PUT", "--data-binary", "x",
                          f"{private_s3.url}/{private_s3.bucket}/a"])
    assert put.returncode != 0, "the reader may only read"
