import pytest

from ingest.stage import Stage


@pytest.fixture
def make_stage(tmp_path, build_dir, kafka, unique):
    """make_stage({"http": {...}}): a stage on the shared Kafka; its workers end with the test."""
    stages = []

    def make(ingest: dict, **options) -> Stage:
        stages.append(Stage(tmp_path, build_dir, kafka.address, unique, ingest, **options))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()
