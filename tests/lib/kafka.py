"""What tests ask of Kafka: make topics, write records, read all that is committed, look at groups."""

import time
from typing import Iterable, NamedTuple

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


class Record(NamedTuple):
    value: bytes | None
    key: bytes | None = None
    headers: list[tuple[str, bytes]] = []
    partition: int = -1  # -1 when writing: by the key
    offset: int = -1
    timestamp_ms: int = 0  # 0 when writing: now

    def header(self, name: str) -> bytes | None:
        """The last header of this name."""
        return dict(self.headers).get(name)


def create_topic(address: str, topic: str, partitions: int = 1, **config: str) -> None:
    """create_topic(address, "tx", 4, cleanup_policy="compact"): `_` stands for `.` in the names.

    Returns when every partition has a leader.
    """
    admin = _admin(address)
    settings = {name.replace("_", "."): value for name, value in config.items()}
    admin.create_topics([NewTopic(topic, partitions, 1, config=settings)])[topic].result(30)
    deadline = time.monotonic() + 30
    while True:
        known = admin.list_topics(topic, timeout=10).topics[topic].partitions
        if len(known) == partitions and all(partition.leader >= 0 for partition in known.values()):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"topic {topic} has no leaders")
        time.sleep(0.05)


def delete_topics(address: str, *prefixes: str) -> None:
    """All topics whose names begin so."""
    admin = _admin(address)
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefixes)]
    for future in (admin.delete_topics(names) if names else {}).values():
        future.result(30)


def produce(address: str, topic: str, records: Iterable[Record | bytes], seconds: float = 60, **config: str) -> int:
    """Writes records (or bare values) and returns how many, when all are acknowledged, within `seconds` of the last."""
    producer = Producer(
        {"bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 5, **_dotted(config)}
    )
    errors: list[KafkaError] = []
    count = 0

    def delivered(error, _message):
        if error:
            errors.append(error)

    for record in records:
        if isinstance(record, bytes):
            record = Record(record)
        while True:
            try:
                producer.produce(
                    topic, value=record.value, key=record.key, partition=record.partition,
                    headers=record.headers, timestamp=record.timestamp_ms, on_delivery=delivered,
                )
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        producer.poll(0)
    left = producer.flush(seconds)
    if errors or left:
        raise AssertionError(f"{topic}: {left} records not acknowledged; errors: {errors[:3]}")
    return count


def read_all(address: str, topic: str, committed: bool = True, seconds: float = 60.0) -> list[Record]:
    """All records up to the end that the topic has now, in order of partition and offset.

    With committed (read_committed) it waits for transactions that are still open at the end, and
    raises TimeoutError when they stay so.
    """
    consumer = Consumer({
        "bootstrap.servers": address,
        "group.id": "levada-tests-read-all",  # never joined nor committed
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed" if committed else "read_uncommitted",
    })
    try:
        ends = {partition: end for partition, end in end_offsets(address, topic).items() if end > 0}
        # Markers of transactions take offsets too, so the end is known by the end-of-partition event.
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        records: list[Record] = []
        waiting = set(ends)
        deadline = time.monotonic() + seconds
        while waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic}: partitions {sorted(waiting)} not read up to {ends} in {seconds} s")
            message = consumer.poll(0.5)
            if message is None:
                continue
            partition = message.partition()
            if message.error():
                if message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
                if message.offset() >= ends[partition]:
                    waiting.discard(partition)
            elif message.offset() < ends[partition]:
                records.append(_record(message))
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()


def end_offsets(address: str, topic: str) -> dict[int, int]:
    """The end of each partition, open transactions included (markers of transactions count as offsets)."""
    consumer = Consumer({
        "bootstrap.servers": address,
        "group.id": "levada-tests-end-offsets",  # never joined nor committed
        "isolation.level": "read_uncommitted",  # or the end would be where an open transaction begins
    })
    try:
        return {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
            for partition in _partitions(consumer, topic)
        }
    finally:
        consumer.close()


def group_offsets(address: str, group: str) -> dict[tuple[str, int], int]:
    """What the group has committed, by topic and partition."""
    admin = _admin(address)  # kept until the answer is there: without it the future never ends
    listed = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    return {
        (committed.topic, committed.partition): committed.offset
        for committed in listed[group].result(30).topic_partitions
        if committed.offset >= 0
    }


def group_lag(address: str, group: str, topic: str) -> int:
    """Offsets between what the group has committed and the topic's end; a partition without commit counts whole."""
    committed = group_offsets(address, group)
    return sum(end - committed.get((topic, partition), 0) for partition, end in end_offsets(address, topic).items())


def _admin(address: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": address})


def _dotted(config: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): value for name, value in config.items()}


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    metadata = consumer.list_topics(topic, timeout=10).topics[topic]
    if metadata.error:
        raise KafkaException(metadata.error)
    return sorted(metadata.partitions)


def _record(message) -> Record:
    return Record(
        message.value(), message.key(), message.headers() or [], message.partition(), message.offset(),
        message.timestamp()[1],
    )
