"""Fixtures for every test in Python: the shared servers, private ones to break, and where the programs are."""

import os
import pathlib
import re
import uuid

import pytest

from lib.servers import S3, Kafka, OpenSearch, Server, Smtp

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Marks of tests that need what `./dev setup --kubernetes` builds.
NEED_KUBERNETES = ("kubernetes", "cluster")


def pytest_addoption(parser):
    parser.addoption("--only", metavar="REGEX", help="run only tests whose id (file::test) matches")
    parser.addoption("--long", action="store_true", help="also run the tests marked long")
    for name in NEED_KUBERNETES:
        parser.addoption(f"--{name}", action="store_true", help=f"also run the tests marked {name}")


def pytest_collection_modifyitems(config, items):
    only = re.compile(config.getoption("--only") or "")
    left_out = [name for name in ("long", *NEED_KUBERNETES) if not config.getoption(f"--{name}")]
    wanted = [
        item
        for item in items
        if only.search(item.nodeid) and not any(item.get_closest_marker(name) for name in left_out)
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


@pytest.fixture(scope="session")
def build_dir() -> pathlib.Path:
    """The build to test; its programs are in bin/."""
    folder = pathlib.Path(os.environ.get("LEVADA_BUILD_DIR", ROOT / "build" / "release"))
    assert (folder / "bin").is_dir(), f"nothing is built in {folder}: run ./dev build"
    return folder


@pytest.fixture
def unique() -> str:
    """A name that no other test uses, for topics, groups and indices on the shared servers."""
    return "t" + uuid.uuid4().hex[:12]


def _shared(server: Server):
    started_here = not server.alive()
    server.start()
    yield server
    server.behave()
    if started_here:
        server.stop()


@pytest.fixture(scope="session")
def kafka():
    """The shared Kafka, running; its topics are shared too, so take names from `unique`."""
    yield from _shared(Kafka())


@pytest.fixture(scope="session")
def opensearch():
    yield from _shared(OpenSearch())


@pytest.fixture(scope="session")
def s3():
    """The shared object store; take keys that begin with `unique`."""
    yield from _shared(S3())


@pytest.fixture(scope="session")
def smtp():
    yield from _shared(Smtp())


def _private(server: Server):
    server.start()
    yield server
    server.kill()


@pytest.fixture
def private_kafka(tmp_path):
    """A Kafka of this test's own, to stop, kill and pause."""
    yield from _private(Kafka(tmp_path))


@pytest.fixture
def private_opensearch(tmp_path):
    yield from _private(OpenSearch(tmp_path))


@pytest.fixture
def private_s3(tmp_path):
    yield from _private(S3(tmp_path))


@pytest.fixture
def private_smtp(tmp_path):
    yield from _private(Smtp(tmp_path))
