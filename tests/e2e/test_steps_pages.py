"""docs/steps: each page's example is a pipeline whose tests pass and reach every step."""

import re
import shutil
import subprocess

import pytest

from e2e.pipeline import ROOT

PAGES = sorted((ROOT / "docs" / "steps").glob("*.md"))
WITHOUT_EXAMPLE = {"README.md", "state.md"}
# Examples that read a file name it so that it can be made here.
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.M | re.S)


def blocks(page):
    return [(language, title, text) for language, title, text in BLOCK.findall(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_example_of_a_page_does_what_it_says(page, build_dir, tmp_path):
    examples = []
    for events in page.parent.glob("*.ndjson"):
        shutil.copy(events, tmp_path)
    for language, title, text in blocks(page):
        if title:
            (tmp_path / title).write_text(text)
        if language == "yaml" and text.startswith("apiVersion:"):
            examples.append(tmp_path / f"example-{len(examples)}.yaml")
            examples[-1].write_text(text)
    assert bool(examples) != (page.name in WITHOUT_EXAMPLE), "a page of a step has an example"
    if not examples:
        return
    done = subprocess.run([build_dir / "bin" / "levada", "test", "--coverage", *examples], text=True, capture_output=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    reached = re.findall(r"(\d+) of (\d+) steps, rules and outputs reached", done.stdout)
    assert len(reached) == len(examples), done.stdout
    assert all(hit == wanted != "0" for hit, wanted in reached), done.stdout


def test_every_kind_of_step_has_a_page():
    linked = set(re.findall(r"^\| \[(.*?)\]\((\S+?)\)", (ROOT / "docs/steps/README.md").read_text(), re.M))
    kinds = {name for names, _ in linked for name in re.findall(r"`(\w+)`", names)}
    proto = (ROOT / "proto/levada/v1/steps.proto").read_text()
    listed = re.search(r"message Step \{.*?exactly_one: \[(.*?)\]", proto, re.S).group(1)
    assert kinds == set(re.findall(r'"(\w+)"', listed))
    assert all((ROOT / "docs/steps" / page).is_file() for _, page in linked), linked
