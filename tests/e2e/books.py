"""What came out of a pipeline, from each place where it can be counted."""

import collections
import json
import pathlib
import re

import pyarrow.parquet
import requests

from e2e.pipeline import Pipeline
from lib.wait import eventually


def ids_in(records) -> collections.Counter:
    return collections.Counter(json.loads(record.value)["event_id"] for record in records)


def index_count(pipeline: Pipeline) -> int:
    """Documents that can be found; -1 while there is no index or no server."""
    url = f"{pipeline.opensearch.url}/{pipeline.name}*"
    try:
        requests.post(f"{url}/_refresh", timeout=30)
        answer = requests.get(f"{url}/_count", timeout=30)
    except requests.RequestException:
        return -1
    return answer.json()["count"] if answer.ok else -1


def documents(pipeline: Pipeline) -> dict[str, dict]:
    """Every document by its id, over all indices of the pipeline."""
    base = pipeline.opensearch.url
    requests.post(f"{base}/{pipeline.name}*/_refresh", timeout=60).raise_for_status()
    page = requests.post(f"{base}/{pipeline.name}*/_search?scroll=1m", timeout=60,
                         json={"size": 5000, "sort": ["_doc"]}).json()
    found: dict[str, dict] = {}
    count = 0
    while hits := page["hits"]["hits"]:
        count += len(hits)
        found.update((hit["_id"], hit["_source"]) for hit in hits)
        page = requests.post(f"{base}/_search/scroll", timeout=60,
                             json={"scroll": "1m", "scroll_id": page["_scroll_id"]}).json()
    requests.delete(f"{base}/_search/scroll", json={"scroll_id": page["_scroll_id"]}, timeout=60)
    assert count == len(found), "two indices have the same document"
    return found


def parquet_files(pipeline: Pipeline) -> list[pathlib.Path]:
    folder = pipeline.data / "lake" / "transactions"
    return [file for file in sorted(folder.rglob("*.parquet")) if "_levada" not in file.parts]


def row_count(pipeline: Pipeline) -> int:
    return sum(pyarrow.parquet.read_metadata(file).num_rows for file in parquet_files(pipeline))


def rows(pipeline: Pipeline, columns: list[str] | None = None) -> list[dict]:
    return [row for file in parquet_files(pipeline)
            for row in pyarrow.parquet.ParquetFile(file).read(columns=columns).to_pylist()]


def mails(pipeline: Pipeline) -> list:
    """Those that name an event of this pipeline."""
    return [mail for mail in pipeline.smtp.mails() if mails_ids(mail, pipeline)]


def mails_ids(mail, pipeline: Pipeline) -> list[str]:
    return re.findall(rf"transaction ({pipeline.name}\S*)", mail.get_content())


def check_mails(pipeline: Pipeline, wanted: set[str]) -> int:
    """None is missing; what comes again is marked and has the same Message-ID. Returns the mails that are repeats."""
    copies = collections.defaultdict(list)
    for mail in mails(pipeline):
        for event_id in mails_ids(mail, pipeline):
            copies[event_id].append(mail)
    assert set(copies) == wanted
    for event_id, several in copies.items():
        assert len({mail["Message-ID"] for mail in several}) == 1, f"{event_id} is in different mails"
        for mail in several[1:]:
            assert mail["Levada-Repeat"] == "true", f"{event_id}: a repeat without a mark"
    ids = [mail["Message-ID"] for mail in mails(pipeline)]
    return len(ids) - len(set(ids))


def wait_for(pipeline: Pipeline, wanted: set[str], blocked: set[str], seconds: float = 120) -> None:
    """Until everything has arrived everywhere; `check` then looks closely."""
    def arrived() -> str:
        """What is missing, or nothing."""
        index = index_count(pipeline)
        if index < len(wanted):
            return f"{index} of {len(wanted)} documents"
        in_files = row_count(pipeline)
        if in_files < len(wanted):
            return f"{in_files} of {len(wanted)} rows"
        told = {event_id for mail in pipeline.smtp.mails() for event_id in mails_ids(mail, pipeline)}
        return f"{len(blocked - told)} of {len(blocked)} mails" if blocked - told else ""

    missing = [""]

    def done() -> bool:
        missing[0] = arrived()
        return not missing[0]

    try:
        eventually(done, "all has arrived", seconds, every=0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}: {missing[0]}; stages: {pipeline.stages()}") from None


def check(pipeline: Pipeline, wanted: set[str], blocked: set[str], twice: frozenset[str] = frozenset()) -> int:
    """Each event exactly once in topic, index and files, and in a mail where it is blocked. Returns the mails that
    are repeats. `twice`: events that a client sent again because it could not know whether they were taken."""
    results = ids_in(pipeline.results())
    expected = collections.Counter({event_id: max(1, results[event_id] if event_id in twice else 1) for event_id in wanted})
    assert results == expected, difference("results topic", results, expected)
    assert set(documents(pipeline)) == wanted
    in_files = collections.Counter(row["event_id"] for row in rows(pipeline, ["event_id"]))
    assert in_files == results, difference("files", in_files, results)
    return check_mails(pipeline, blocked)


def difference(where: str, found: collections.Counter, expected: collections.Counter) -> str:
    missing, extra = expected - found, found - expected
    return (f"{where}: {sum(missing.values())} missing, {sum(extra.values())} too many; "
            f"for example {list(missing)[:3]} and {list(extra)[:3]}")


def places(pipeline: Pipeline) -> dict[str, str]:
    """All that others may see of a running pipeline: arguments, files that it writes, what it prints."""
    pids = [pipeline.runner.pid] + [pipeline.ports(stage)["pid"] for stage in pipeline.stages()]
    seen = {f"arguments of {pid}": pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in pids}
    for folder in (pipeline.state, pipeline.data):
        for file in folder.rglob("*"):
            if file.is_file():
                seen[str(file)] = file.read_bytes().decode("latin-1")
    seen["standard output"] = pipeline.folder.joinpath("run-1.json").read_text()
    seen["standard error"] = pipeline.errors()
    return seen
