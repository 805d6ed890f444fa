"""What has come of a demo's events, asked where they are: Kafka (read committed), OpenSearch, the
Parquet files, the mails. The servers are those of ./dev shell-env.
"""

import email
import email.policy
import os
import pathlib

import duckdb
import requests
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

KAFKA = os.environ.get("LEVADA_KAFKA", "")
OPENSEARCH = os.environ.get("LEVADA_OPENSEARCH", "")
MAIL = pathlib.Path(os.environ.get("LEVADA_SMTP_MAIL", ""))


def topics_of(name: str) -> list[str]:
    known = AdminClient({"bootstrap.servers": KAFKA}).list_topics(timeout=10).topics
    return [topic for topic in known if topic.startswith(f"{name}.")]


def read_topic(topic: str):
    """The values of all committed records there are now."""
    consumer = Consumer(
        {
            "bootstrap.servers": KAFKA,
            "group.id": "fraud-demo-reader",  # never commits
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        unread = set(partitions)
        while unread:
            for message in consumer.consume(500, timeout=0.2):
                if message.error() is None:
                    yield message
                elif message.error().name() == "_PARTITION_EOF":
                    unread.discard(message.partition())
                else:
                    raise KafkaException(message.error())
    finally:
        consumer.close()


def search(path: str, body: dict | None = None) -> dict:
    answer = requests.post(f"{OPENSEARCH}/{path}", json=body, timeout=30)
    return answer.json() if answer.ok else {}


def indexed(name: str, refresh: bool = False) -> int:
    if refresh:
        search(f"{name}-*/_refresh")
    return search(f"{name}-*/_count").get("count", 0)


def outcomes(name: str) -> dict[str, int]:
    found = search(f"{name}-*/_search", {"size": 0, "aggs": {"by": {"terms": {"field": "outcome"}}}})
    buckets = found.get("aggregations", {}).get("by", {}).get("buckets", [])
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}


def archive(folder: pathlib.Path, columns: str) -> tuple:
    """One row of aggregates over all Parquet files; zeros where there is none yet."""
    if not any(folder.rglob("*.parquet")):
        return (0,) * len(columns.split(","))
    return duckdb.sql(f"select {columns} from '{folder}/**/*.parquet'").fetchone()


def blocked_in(folder: pathlib.Path) -> set[str]:
    if not any(folder.rglob("*.parquet")):
        return set()
    rows = duckdb.sql(f"select event_id from '{folder}/**/*.parquet' where outcome = 'block'").fetchall()
    return {row[0] for row in rows}


def mails_since(number: int, name: str) -> list[email.message.EmailMessage]:
    """This pipeline's mails that came after the one with this number."""
    mails = []
    for file in sorted(MAIL.glob("*.eml")):
        if int(file.stem) > number:
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if f"@{name}." in str(mail["Message-ID"]):
                mails.append(mail)
    return mails


def last_mail() -> int:
    return max((int(file.stem) for file in MAIL.glob("*.eml")), default=0)
