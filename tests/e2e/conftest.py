import pytest

from e2e.pipeline import Pipeline


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
