import pytest

from notify.stage import Stage


@pytest.fixture
def make_stage(build_dir, kafka, tmp_path, unique):
    """make_stage("mail: {smtp: …}", "email: …", {"password": "…"}): its workers end with the test."""
    stages = []

    def make(connection: str, notify: str, secret: dict[str, str], **more) -> Stage:
        stages.append(Stage(tmp_path, build_dir / "bin" / "levada-notify", kafka.address, unique, connection, notify,
                            secret, **more))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()
