"""Who gets in at a pipeline's own ports, and with what: addresses, certificates, sizes."""

import gzip
import json
import pathlib
import socket
import subprocess

import grpc
import pytest
import requests

from e2e import events
from e2e.books import places
from e2e.rpc import Service, enum_name
from lib import kafka as topics
from lib.wait import eventually

HERE, BESIDE = "127.0.0.1", "127.0.0.2"  # the second is reached only where all addresses are bound


def keep_doors(document: dict) -> None:
    """An edit: only the stages that answer on ports of their own."""
    spec = document["spec"]
    spec["stages"] = [stage for stage in spec["stages"] if stage["name"] in ("gateway", "detect")]
    spec["connections"] = {}


def reached(host: str, *ports: int) -> set[int]:
    def answers(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, port)) == 0
    return {port for port in ports if answers(port)}


def doors(pipeline) -> tuple[int, ...]:
    return pipeline.http_port, pipeline.grpc_port, pipeline.detect_port, pipeline.detect_grpc_port


def own_ports(pipeline) -> tuple[int, ...]:
    """Of metrics, health and control."""
    return tuple(int(pipeline.ports(stage)[kind].rsplit(":", 1)[1])
                 for stage in ("gateway", "detect") for kind in ("http", "grpc"))


class TestAddresses:
    def test_a_run_is_this_machines_own(self, make_pipeline):
        pipeline = make_pipeline(edit=keep_doors)
        pipeline.start()
        every = doors(pipeline) + own_ports(pipeline)
        assert len(set(every)) == 8
        assert reached(HERE, *every) == set(every)
        assert reached(BESIDE, *every) == set()
        assert pipeline.stop() == 0

    def test_unless_it_is_to_serve_others(self, make_pipeline):
        pipeline = make_pipeline(edit=keep_doors)
        pipeline.arguments = ["--listen", "0.0.0.0"]
        pipeline.start()
        assert reached(BESIDE, *doors(pipeline)) == set(doors(pipeline))
        assert reached(BESIDE, *own_ports(pipeline)) == set(), "metrics, health and control stay"
        assert pipeline.stop() == 0

    def test_a_name_is_no_address(self, make_pipeline):
        pipeline = make_pipeline(edit=keep_doors)
        pipeline.arguments = ["--listen", "localhost"]
        pipeline.start(ready=False)
        assert pipeline.runner.wait(30) == 2
        assert "not an IP address: localhost" in pipeline.errors()


def test_each_grpc_port_says_what_it_has_and_how_it_is(make_pipeline):
    pipeline = make_pipeline(edit=keep_doors)
    pipeline.start()
    ports = {"levada.v1.IngestService": [pipeline.grpc_port], "levada.v1.Detector": [pipeline.detect_grpc_port],
             "levada.v1.Control": own_ports(pipeline)[1::2]}
    for service, of_service in ports.items():
        for port in of_service:
            with Service(f"{HERE}:{port}", service) as found:
                assert set(found.database.get_services()) == {
                    service, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
            with grpc.insecure_channel(f"{HERE}:{port}") as channel:
                serving = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
            assert serving == b"\x08\x01", "SERVING"
    assert pipeline.stop() == 0


class Authority:
    """A certificate for localhost that vouches for itself, and its key."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir()
        self.ca, self.key = folder / "tls.crt", folder / "tls.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.ca],
            check=True, capture_output=True)

    def key_lines(self) -> list[str]:
        lines = self.key.read_text().splitlines()[1:-1]
        assert len(lines) > 20
        return lines


@pytest.fixture
def make_secret(make_pipeline, tmp_path):
    """make_secret(certificate, key): a pipeline whose doors have them."""
    def edit(document: dict) -> None:
        keep_doors(document)
        gateway, detect = document["spec"]["stages"]
        gateway["ingest"]["http"]["tlsSecretRef"] = gateway["ingest"]["grpc"]["tlsSecretRef"] = "doors"
        detect["scoring"]["serve"]["tlsSecretRef"] = "doors"

    def make(certificate: pathlib.Path, key: pathlib.Path):
        pipeline = make_pipeline(edit=edit)
        pipeline.secret("doors", **{"tls.crt": certificate.read_text(), "tls.key": key.read_text()})
        return pipeline
    return make


def said(pipeline, stage: str) -> str:
    log = pipeline.state / f"{stage}.log"
    return log.read_text() if log.exists() else ""


def shown(pipeline, authority: Authority) -> list[str]:
    """Places where a piece of the key can be seen."""
    return [place for place, text in places(pipeline).items() if any(line in text for line in authority.key_lines())]


class TestCertificates:
    def test_only_who_trusts_them_gets_in(self, make_secret, tmp_path):
        mine, other = Authority(tmp_path / "mine"), Authority(tmp_path / "other")
        pipeline = make_secret(mine.ca, mine.key)
        pipeline.start()
        event = events.make(pipeline.name, 1)[0]
        self.check_rest(f"{HERE}:{pipeline.http_port}/v1/transactions", event, mine, other)
        self.check_rest(f"{HERE}:{pipeline.detect_port}/v1/detect", event, mine, other)
        body = json.dumps(event).encode()
        self.check_grpc(f"{HERE}:{pipeline.grpc_port}", "IngestService", "Publish", {"events": [body]}, mine, other)
        self.check_grpc(f"{HERE}:{pipeline.detect_grpc_port}", "Detector", "Detect", {"event": body}, mine, other)
        assert len(pipeline.events()) == 2, "one by HTTPS and one by gRPC; of those refused none"
        assert shown(pipeline, mine) == []
        assert pipeline.stop() == 0

    def check_rest(self, address: str, event: dict, mine: Authority, other: Authority) -> None:
        assert requests.post(f"https://{address}", json=event, verify=mine.ca, timeout=30).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.post(f"https://{address}", json=event, verify=other.ca, timeout=30)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.post(f"http://{address}", json=event, timeout=30)

    def check_grpc(self, address: str, service: str, method: str, fields: dict, mine: Authority,
                   other: Authority) -> None:
        with Service(address, f"levada.v1.{service}", mine.ca.read_bytes()) as right:
            right.call(method, **fields)
        for ca in (other.ca.read_bytes(), None):
            with pytest.raises(grpc.RpcError) as refused:
                Service(address, f"levada.v1.{service}", ca)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE

    def test_a_key_of_another_certificate_is_said_and_can_be_mended(self, make_secret, tmp_path):
        mine, other = Authority(tmp_path / "mine"), Authority(tmp_path / "other")
        pipeline = make_secret(mine.ca, other.key)
        pipeline.start(ready=False)
        for stage in ("gateway", "detect"):
            eventually(lambda: "key values mismatch" in said(pipeline, stage), f"{stage} says it", 20)
        assert reached(HERE, *doors(pipeline)) == set(), "nothing is served without encryption instead"
        pipeline.secret("doors", **{"tls.key": mine.key.read_text()})
        pipeline.wait_ready()
        assert shown(pipeline, other) == [] and shown(pipeline, mine) == []
        assert pipeline.stop() == 0


class TestSizes:
    """The largest that the manifest allows, and one byte more."""

    LARGEST = 15 << 20
    LARGEST_REQUEST = 24 << 20

    def event(self, size: int) -> bytes:
        begin = b'{"event_id":"x","event_time":"2026-11-02T08:00:00Z","entity_id":"C1","transaction_amt":1,"blob":"'
        return begin + b"x" * (size - len(begin) - 2) + b'"}'

    def gateway(self, make_pipeline, edit_ingest):
        def edit(document: dict) -> None:
            keep_doors(document)
            document["spec"]["stages"] = document["spec"]["stages"][:1]
            document["spec"]["stages"][0]["ingest"]["maxRate"] = 0
            edit_ingest(document["spec"]["stages"][0]["ingest"])

        pipeline = make_pipeline(edit=edit)
        pipeline.start()
        return pipeline

    def test_the_largest_request(self, make_pipeline):
        pipeline = self.gateway(make_pipeline, lambda ingest: ingest["http"].update(
            maxRequestSize="24Mi", maxBatch=400_000))
        count, rest = divmod(self.LARGEST_REQUEST, 101)
        body = (self.event(100) + b"\n") * count + b" " * rest
        answer = requests.post(pipeline.url + "?results=errors", data=body, timeout=90)
        assert answer.status_code == 200 and answer.json()["accepted"] == count, answer.text[:300]
        assert sum(topics.end_offsets(pipeline.kafka, pipeline.events_topic).values()) == count
        assert pipeline.post(body + b" ").status_code == 413
        assert pipeline.stop() == 0

    def test_the_largest_event_by_http_and_grpc(self, make_pipeline):
        pipeline = self.gateway(make_pipeline, lambda ingest: ingest.update(maxEventSize="15Mi"))
        largest, larger = self.event(self.LARGEST), self.event(self.LARGEST + 1)
        answer = pipeline.post(largest, Content_Type="application/json")
        assert answer.status_code == 200, answer.text[:300]
        assert pipeline.post(gzip.compress(largest), Content_Type="application/json",
                             Content_Encoding="gzip").status_code == 200
        answer = pipeline.post(larger, Content_Type="application/json")
        assert answer.status_code == 400 and f"{self.LARGEST}" in answer.json()["results"][0]["error"]
        with Service(f"{HERE}:{pipeline.grpc_port}", "levada.v1.IngestService") as gateway:
            for event, code in ((largest, "ACCEPTED"), (larger, "INVALID")):
                (result,) = gateway.call("Publish", events=[event]).results
                assert enum_name(result, "code") == code, result.error
        assert [record.value == largest for record in pipeline.events()] == [True] * 3
        assert pipeline.stop() == 0
