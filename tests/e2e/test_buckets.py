"""Files of a pipeline from a real object store: fetched before its stages start, checked, and kept."""

import hashlib
import json
import pathlib

import pytest
import yaml

from e2e.runner import Runner
from lib import kafka as topics
from lib.wait import eventually


class Shop:
    """A pipeline whose only stage reads a file that is in a bucket."""

    def __init__(self, folder: pathlib.Path, build: pathlib.Path, kafka, s3, name: str):
        self.folder, self.build, self.kafka, self.s3, self.name = folder, build, kafka, s3, name
        self.key = f"{name}/orders 1+ü.ndjson"
        self.source = {"via": "store", "bucket": s3.bucket, "key": self.key}
        self.secret("accessKeyId", f"{s3.user}-reader")
        self.secret("secretAccessKey", f"{s3.password}-reader")
        self.runs: list[Runner] = []

    def secret(self, key: str, value: str) -> None:
        file = self.folder / "secrets" / "store-keys" / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)

    def run(self) -> Runner:
        topic = f"{self.name}.orders"
        connection = {"endpoint": self.s3.secure_url, "tls": {"caFile": str(self.s3.ca)}, "secretRef": "store-keys"}
        document = {
            "apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": self.name},
            "spec": {
                "connections": {"store": {"s3": connection}},
                "files": [{"path": "in/orders.ndjson", "s3": self.source}],
                "topics": [{"name": topic}],
                "stages": [{"name": "feed", "ingest": {"file": {"path": "in/orders.ndjson"}, "to": topic}}],
            },
        }
        manifest = self.folder / "shop.yaml"
        manifest.write_text(yaml.safe_dump(document, allow_unicode=True))
        self.runs.append(Runner(self.build, self.folder, self.kafka, manifest, "--secrets", self.folder / "secrets"))
        return self.runs[-1]

    def refused(self) -> str:
        """What a run says that ends by itself."""
        run = self.run()
        assert run.process.wait(60) == 1
        return run.errors()

    def orders(self) -> list[int]:
        return [json.loads(record.value)["n"] for record in topics.read_all(self.kafka.address, f"{self.name}.orders")]


@pytest.fixture
def make_shop(tmp_path, build_dir, kafka, unique):
    made = []

    def make(s3) -> Shop:
        made.append(Shop(tmp_path, build_dir, kafka, s3, unique))
        return made[-1]

    yield make
    for shop in made:
        for run in shop.runs:
            run.stop()


def lines(count: int) -> bytes:
    return b"".join(json.dumps({"n": n, "text": "x" * 1000}).encode() + b"\n" for n in range(count))


def test_a_file_of_several_parts_is_read_whole_and_fetched_once(make_shop, s3):
    shop = make_shop(s3)
    content = lines(18_000)
    assert len(content) > 2 * (8 << 20)
    s3.put(shop.key, content)
    run = shop.run()
    run.wait_ready()
    eventually(lambda: len(shop.orders()) >= 18_000, "all lines are read", 60)
    assert shop.orders() == list(range(18_000))
    assert run.stop() == 0
    assert f"in/orders.ndjson from s3://{s3.bucket}/{shop.key} (store): 17." in run.errors()
    again = shop.run()
    again.wait_ready()
    assert "as it was" in again.errors()
    assert again.stop() == 0
    assert len(shop.orders()) == 18_000


def test_what_is_wrong_is_told_and_nothing_runs(make_shop, s3):
    shop = make_shop(s3)
    assert "404 NoSuchKey" in shop.refused()
    s3.put(shop.key, lines(10))
    shop.source["sha256"] = hashlib.sha256(b"another").hexdigest()
    told = shop.refused()
    assert hashlib.sha256(lines(10)).hexdigest() in told and shop.source["sha256"] in told
    shop.source["sha256"] = hashlib.sha256(lines(10)).hexdigest()
    shop.source["maxSize"] = "1Ki"
    assert "more than its `maxSize`, 1 KiB" in shop.refused()
    del shop.source["maxSize"]
    shop.secret("secretAccessKey", "wrong")
    assert "403 SignatureDoesNotMatch" in shop.refused()
    (shop.folder / "secrets" / "store-keys" / "accessKeyId").unlink()
    assert "LEVADA_SECRET_STORE_KEYS_ACCESSKEYID" in shop.refused()
    assert not (shop.folder / ".levada" / shop.name / "feed.log").exists()


def test_a_store_that_is_away_is_waited_for(make_shop, private_s3):
    shop = make_shop(private_s3)
    private_s3.put(shop.key, lines(10))
    shop.source["sha256"] = hashlib.sha256(lines(10)).hexdigest().upper()
    private_s3.kill()
    run = shop.run()
    eventually(lambda: "trying again" in run.errors(), "it waits")
    private_s3.start()
    run.wait_ready()
    eventually(lambda: shop.orders() == list(range(10)), "it goes on", 60)
    assert run.stop() == 0
    private_s3.kill()
    again = shop.run()
    again.wait_ready()
    assert again.stop() == 0, "what is there, with the right SHA-256, needs no store"
