import pathlib
import random
import subprocess

import pytest

from e2e.pipeline import Pipeline
from e2e.runner import SMALL, Runner
from e2e.streams import Streams


@pytest.fixture
def make_pipeline(tmp_path, build_dir, unique, request):
    """make_pipeline(kafka=…, opensearch=…, smtp=…, edit=…): servers not given are the shared ones,
    the mail server a private one. All of its processes end with the test."""
    made = []

    def make(kafka=None, opensearch=None, smtp=None, **options) -> Pipeline:
        kafka = kafka or request.getfixturevalue("kafka")
        opensearch = opensearch or request.getfixturevalue("opensearch")
        smtp = smtp or request.getfixturevalue("private_smtp")
        made.append(Pipeline(tmp_path, build_dir, unique, kafka.address, opensearch, smtp, **options))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()


@pytest.fixture
def levada(build_dir, tmp_path):
    """levada("validate", FILE, input="…"): runs it in an empty folder."""
    def run(*arguments, input: str = "", **more) -> subprocess.CompletedProcess:
        return subprocess.run([str(build_dir / "bin" / "levada"), *map(str, arguments)], input=input, text=True,
                              capture_output=True, timeout=60, cwd=tmp_path, **more)
    return run


@pytest.fixture
def small(tmp_path, unique):
    """small(partitions=4): a manifest of one stage without any server but Kafka."""
    def write(partitions: int = 2, retention: str = "7d") -> pathlib.Path:
        file = tmp_path / "small.yaml"
        file.write_text(SMALL.format(name=unique, partitions=partitions, retention=retention))
        return file
    return write


@pytest.fixture
def make_runner(build_dir, tmp_path, kafka):
    made = []

    def make(manifest, *arguments, ready: bool = True) -> Runner:
        made.append(Runner(build_dir, tmp_path, kafka, manifest, *arguments))
        if ready:
            made[-1].wait_ready()
        return made[-1]

    yield make
    for runner in made:
        runner.stop()


@pytest.fixture
def dice():
    """Chance that can be had again: its seed is printed."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    return random.Random(seed)


@pytest.fixture
def make_streams(tmp_path, build_dir, unique):
    """make_streams(kafka, MANIFEST): a pipeline of steps with state. All of its processes end with the test."""
    made = []

    def make(kafka, *manifest: str) -> Streams:
        made.append(Streams(tmp_path, build_dir, unique, kafka.address, *manifest))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()
