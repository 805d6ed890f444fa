"""levada test: events in, records expected out of stages that run without Kafka."""

import json
import pathlib
import re
import subprocess
import time
import xml.etree.ElementTree

import pytest

from e2e.pipeline import ROOT
from lib.wait import eventually

SHOP = """
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  connections:
    mail: {smtp: {host: mail.example.com, from: shop@example.com, secretRef: login}}
    search: {opensearch: {url: "https://search:9200", secretRef: login}}
  topics:
  - {name: orders, key: id}
  - {name: scored}
  - {name: large}
  - {name: customers, compacted: true, key: customer}
  stages:
  - {name: in, ingest: {http: {path: /orders}, to: orders}}
  - name: twice
    scoring: {from: scored, steps: [{set: [{name: twice, value: amount * 2}]}], to: large}
  - name: score
    scoring:
      from: orders
      steps:
      - filter: amount > 0
      - join: {table: customers, by: event.customer, as: owner}
      - rules:
          rules:
          - {name: big, when: amount > 100, outcome: review}
          - {name: rest, when: "true", outcome: approve}
      outputs:
      - {to: scored}
      - {to: large, when: 'outcome == "review"'}
  - name: alert
    notify:
      from: large
      when: outcome == "review" && !has(event.twice)
      email: {via: mail, to: [a@example.com], subject: "Order ${id}", body: "${amount}"}
  - {name: find, indexing: {from: scored, via: search, index: orders, id: id}}
  - {name: keep, archiving: {from: scored, ndjson: {folder: orders}}}
"""

ORDERS = """
    - topic: orders
      every: 1s
      events:
      - {id: a, amount: 150, customer: c1}
      - {id: b, amount: 50, customer: c2}
      - {id: c, amount: -1, customer: c2}
"""


def a_test(name: str, given: str, expect: str) -> str:
    return f"  - name: {name}\n    given:\n{given.strip(chr(10))}\n    expect:\n{expect.strip(chr(10))}\n"


@pytest.fixture
def levada(build_dir, tmp_path, monkeypatch):
    monkeypatch.delenv("LEVADA_SECRETS", raising=False)

    def run(*arguments, input: str = "", **more) -> subprocess.CompletedProcess:
        return subprocess.run([str(build_dir / "bin" / "levada"), "test", *map(str, arguments)], input=input, text=True,
                              capture_output=True, timeout=120, cwd=tmp_path, **more)
    return run


@pytest.fixture
def shop(tmp_path):
    """shop(a_test(…), …): a manifest with these tests."""
    def write(*tests: str, name: str = "shop.yaml") -> pathlib.Path:
        file = tmp_path / name
        file.write_text(SHOP + ("  tests:\n" + "".join(tests) if tests else ""))
        return file
    return write


def plain(done: subprocess.CompletedProcess) -> str:
    """Standard output without times."""
    return re.sub(r" \([0-9.]+ m?s\)", "", done.stdout)


class TestWhatRuns:
    def test_events_go_through_all_stages_that_read_them(self, levada, shop):
        file = shop(a_test("large orders are reviewed",
                           "    - {topic: customers, events: [{customer: c1, segment: gold}]}" + ORDERS, """
    - stage: score
      topic: scored
      events:
      - {id: a, outcome: review, owner: {segment: gold}}
      - {id: b, outcome: approve, owner: null}
    - {stage: score, topic: large, count: 1, that: [amount > 100, meta.key == "a"]}
    - {stage: alert, events: [{subject: Order a, body: "150", to: [a@example.com]}]}
    - {stage: find, events: [{_id: a, _index: orders, outcome: review}, {_id: b, amount: 50}]}
    - {stage: keep, count: 2}
    - {stage: twice, count: 2, that: [twice == amount * 2]}
"""))
        done = levada(file)
        assert done.returncode == 0, done.stdout + done.stderr
        assert plain(done) == (f"ok    {file}: shop: 1 test passed, 8 of 8 steps, rules and outputs reached\n"
                               "1 passed, 0 failed\n")

    def test_each_test_begins_with_empty_tables(self, levada, shop):
        done = levada(shop(
            a_test("one", "    - {topic: customers, events: [{customer: c1, nr: 1}]}" + ORDERS,
                   "    - {stage: score, topic: large, events: [{owner: {nr: 1}}]}"),
            a_test("two", ORDERS, "    - {stage: score, topic: large, events: [{owner: null}]}"),
            a_test("deleted", "    - {topic: customers, events: [{customer: c1, nr: 1}]}\n"
                              "    - {topic: customers, key: c1, tombstone: true}" + ORDERS,
                   "    - {stage: score, topic: large, events: [{owner: null}]}")))
        assert done.returncode == 0, done.stdout

    def test_notifications_of_one_input_are_grouped(self, levada, shop):
        file = shop(a_test("grouped", ORDERS.replace("amount: 50", "amount: 500") + """
    - {topic: orders, events: [{id: z, amount: 101, customer: c1}]}
""", "    - {stage: alert, events: [{subject: Order a (+1)}, {subject: Order z}]}"))
        file.write_text(file.read_text().replace("      email:", "      group: {by: '\"all\"', wait: 1h, max: 10}\n      email:"))
        done = levada(file)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_dead_letters_are_expected_or_a_failure(self, levada, shop):
        broken = "    - {topic: orders, events: [{id: a}, {id: b, amount: 1, customer: c1}]}"
        expected = a_test("expected", broken, '    - {stage: score, topic: scored, events: [{id: b}], errors: ["step 1 (filter)"]}')
        assert levada(shop(expected)).returncode == 0
        done = levada(shop(a_test("silent", broken, "    - {stage: score, topic: scored, events: [{id: b}]}")))
        assert done.returncode == 1
        assert "stage score: a dead letter that no `errors` expects\n      + step 1 (filter): " in done.stdout
        done = levada(shop(a_test("other", broken, '    - {stage: score, errors: ["step 9", "more"]}')))
        assert done.returncode == 1
        assert "stage score: dead letter 1 is not as expected\n      - … step 9 …\n      + step 1 (filter): " in done.stdout
        assert "stage score: dead letter 2 is not as expected\n      - … more …\n      + (none)\n" in done.stdout

    def test_events_come_from_files(self, levada, shop, tmp_path):
        (tmp_path / "in.ndjson").write_text('{"id":"a","amount":12345678901234567,"customer":"c"}\n\n')
        (tmp_path / "out.ndjson").write_text('{"id":"a","amount":12345678901234567}\n')
        good = a_test("files", "    - {topic: orders, file: in.ndjson}", "    - {stage: score, topic: scored, file: out.ndjson}")
        assert levada(shop(good)).returncode == 0
        (tmp_path / "out.ndjson").write_text('{"id":"a","amount":12345678901234568}\n')
        assert "- amount: 12345678901234568\n      + amount: 12345678901234567" in levada(shop(good)).stdout
        (tmp_path / "in.ndjson").write_text("{}\nno event\n")
        assert "in.ndjson:2: expected an event" in levada(shop(good)).stdout
        (tmp_path / "in.ndjson").unlink()
        done = levada(shop(good))
        assert done.returncode == 1 and "in.ndjson: cannot be read" in done.stdout

    def test_files_of_buckets_are_fetched(self, levada, shop, tmp_path, s3, unique):
        """As a model may come from one; here the events do."""
        for key, value in {"accessKeyId": f"{s3.user}-reader", "secretAccessKey": f"{s3.password}-reader"}.items():
            (tmp_path / "secrets" / "store-keys").mkdir(parents=True, exist_ok=True)
            (tmp_path / "secrets" / "store-keys" / key).write_text(value)
        file = shop(a_test("fetched", "    - {topic: orders, file: in.ndjson}", "    - {stage: score, topic: scored, count: 2}"))
        source = f"{{via: store, bucket: {s3.bucket}, key: {unique}/in.ndjson}}"
        file.write_text(file.read_text().replace("  connections:", f"  files: [{{path: in.ndjson, s3: {source}}}]\n  connections:\n"
                        f"    store: {{s3: {{endpoint: '{s3.secure_url}', tls: {{caFile: {s3.ca}}}, secretRef: store-keys}}}}"))
        done = levada(file, "--secrets", tmp_path / "secrets")
        assert done.returncode == 1 and "404 NoSuchKey" in done.stdout, done.stdout + done.stderr
        s3.put(f"{unique}/in.ndjson", b'{"id":"a","amount":1,"customer":"c"}\n' * 2)
        done = levada(file, "--secrets", tmp_path / "secrets")
        assert done.returncode == 0, done.stdout + done.stderr


class TestFailures:
    def test_what_differs_is_told_field_by_field(self, levada, shop):
        done = levada(shop(a_test("wrong", ORDERS, """
    - stage: score
      topic: scored
      events:
      - {id: a, outcome: approve, missing: 1}
      - {id: b}
      - {id: x, outcome: block}
""")), "--verbose")
        assert done.returncode == 1
        assert ("    stage score, topic scored: record 1 of 2 differs\n"
                "      - missing: 1\n      + missing: (none)\n"
                '      - outcome: "approve"\n      + outcome: "review"\n'
                '        in {"amount":150,') in done.stdout
        assert ("    stage score, topic scored: expected record 3 of 3 is missing\n"
                '      - {"id":"x","outcome":"block"}\n') in done.stdout
        assert "\033[" not in done.stdout and plain(done).endswith("0 passed, 1 failed\n")

    def test_counts_and_conditions(self, levada, shop):
        done = levada(shop(a_test("wrong", ORDERS, """
    - {stage: score, topic: scored, count: 3}
    - {stage: score, topic: scored, that: [amount > 100, customer.size() > "x".size() + owner]}
    - {stage: score, topic: scored, match: exact, events: [{id: a}, {id: b}]}
""")))
        assert "stage score, topic scored: expected 3 records, got 2\n" in done.stdout
        assert 'record 2 of 2: this does not hold: amount > 100\n      + {"amount":50,' in done.stdout
        assert "record 1 of 2: this does not evaluate: " in done.stdout
        assert "+ outcome: " in done.stdout and "- outcome: (none)" in done.stdout
        nothing = a_test("nothing", "    - {topic: orders, events: [{id: a, amount: 0}]}", "    - {stage: score, that: ['true']}")
        assert "no record for which this could hold: true" in levada(shop(nothing)).stdout

    def test_any_order(self, levada, shop):
        def expecting(match: str) -> str:
            return a_test(match, ORDERS, f"    - {{stage: score, topic: scored, match: {match}, events: [{{id: b}}, {{id: a}}]}}")
        assert levada(shop(expecting("anyOrder"))).returncode == 0
        assert levada(shop(expecting("subset"))).returncode == 1

    def test_a_stage_that_cannot_start_says_why(self, levada, shop):
        file = shop(a_test("any", ORDERS, "    - {stage: score, count: 3}"))
        file.write_text(file.read_text().replace("- filter: amount > 0",
                                                 "- model: {xgboost: none.json, inputs: [amount]}\n      - filter: amount > 0"))
        done = levada(file)
        assert done.returncode == 1
        assert re.search(r"FAIL  .*: shop: stage '?score'?: .*none\.json", done.stdout), done.stdout
        done = levada(file, "--programs", "/nowhere")
        assert done.returncode == 1 and "/nowhere/levada-scoring is not there" in done.stdout


class TestReports:
    def test_coverage_names_what_no_test_reached(self, levada, shop):
        done = levada(shop(a_test("small", "    - {topic: orders, events: [{id: a, amount: 1, customer: c}]}",
                                  "    - {stage: score, count: 1}")), "--coverage")
        assert done.returncode == 0
        assert plain(done).splitlines()[1:-1] == [
            "  score  5 of 7 steps, rules and outputs", "    not reached: rule big of step 3 (rules)",
            "    not reached: output to large", "  twice  1 of 1 steps, rules and outputs"]

    def test_junit(self, levada, shop, tmp_path):
        results = tmp_path / "results.xml"
        good = a_test("good", ORDERS, "    - {stage: score, topic: scored, count: 2}")
        bad = a_test("'\"bad\" & <worse>'", ORDERS, "    - {stage: score, topic: scored, count: 3}")
        done = levada(shop(good, bad), "--junit", results)
        assert done.returncode == 1
        root = xml.etree.ElementTree.parse(results).getroot()
        assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "1", "0")
        cases = {case.get("name"): case for case in root.iter("testcase")}
        assert set(cases) == {"good", '"bad" & <worse>'}
        assert cases["good"].find("failure") is None
        assert "expected 3 records, got 2" in cases['"bad" & <worse>'].find("failure").get("message")
        assert levada(shop(good), "--junit", "/nowhere/results.xml").returncode == 1

    def test_only(self, levada, shop):
        tests = [a_test(name, ORDERS, "    - {stage: score, topic: scored, count: 2}") for name in ["one", "two", "three"]]
        assert plain(levada(shop(*tests), "--only", "^t")).endswith("2 passed, 0 failed\n")
        done = levada(shop(*tests), "--only", "four")
        assert done.returncode == 2 and "no test's name matches four" in done.stderr
        assert levada(shop(*tests), "--only", "(").returncode == 2

    def test_without_tests(self, levada, shop):
        done = levada(shop())
        assert done.returncode == 0 and "shop: no tests" in done.stdout
        done = levada(shop(), "--require")
        assert done.returncode == 1 and "shop has no tests (--require)" in done.stderr

    def test_wrong_manifests_and_other_files(self, levada, shop, tmp_path):
        good = shop(a_test("good", ORDERS, "    - {stage: score, topic: scored, count: 2}"))
        other = tmp_path / "kustomization.yaml"
        other.write_text("kind: Kustomization\nresources: [shop.yaml]\n")
        done = levada(good, other)
        assert done.returncode == 0 and "kustomization.yaml: no pipeline in it" in done.stdout
        wrong = shop(a_test("bad", ORDERS, "    - {stage: scores, count: 2}"), name="wrong.yaml")
        done = levada(wrong, good)
        assert done.returncode == 2
        assert "wrong.yaml" in done.stderr and "no stage `scores`" in done.stderr and "did you mean `score`?" in done.stderr
        assert "1 passed, 0 failed" in plain(done)
        assert levada(tmp_path / "none.yaml").returncode == 2
        assert levada("-", input=good.read_text()).returncode == 0

    def test_many_files_are_quick(self, levada, shop):
        tests = [a_test(f"test {i}", ORDERS, "    - {stage: score, topic: scored, count: 2}") for i in range(10)]
        began = time.monotonic()
        done = levada(*[shop(*tests, name=f"shop{i}.yaml") for i in range(4)])
        assert plain(done).endswith("40 passed, 0 failed\n"), done.stdout
        assert [line.split(":")[0][-10:] for line in done.stdout.splitlines()[:4]] == [f"shop{i}.yaml" for i in range(4)]
        assert time.monotonic() - began < 20  # a second or so where the machine has nothing else to do

    def test_watch(self, build_dir, shop, tmp_path):
        (tmp_path / "in.ndjson").write_text('{"id":"a","amount":1,"customer":"c"}\n')
        one = a_test("one", "    - {topic: orders, file: in.ndjson}", "    - {stage: score, topic: scored, count: 1}")
        file = shop(one)
        said = tmp_path / "said"
        with said.open("w") as out:
            process = subprocess.Popen([str(build_dir / "bin" / "levada"), "test", str(file), "--watch"], stdout=out,
                                       stderr=subprocess.STDOUT, cwd=tmp_path)
        try:
            def runs() -> list[str]:
                return re.findall(r"(\d+ passed, \d+ failed)[^\n]*\nWaiting", said.read_text())
            eventually(lambda: runs() == ["1 passed, 0 failed"], "it has run once")
            (tmp_path / "in.ndjson").write_text('{"id":"a","amount":1,"customer":"c"}\n' * 2)
            # A file that is written in place may be seen twice: empty, and whole.
            eventually(lambda: runs()[-1] == "0 passed, 1 failed", "it ran again for the events")
            new = tmp_path / "new"  # as editors do it
            new.write_text("nonsense: [")
            new.rename(file)
            eventually(lambda: "shop.yaml:" in said.read_text(), "it told of the broken manifest")
            shop(a_test("two", ORDERS, "    - {stage: score, topic: scored, count: 2}"))
            eventually(lambda: runs()[-1] == "1 passed, 0 failed", "it ran again for the mended one")
        finally:
            process.terminate()  # a Ctrl-C is ignored where the tests themselves run in the background
            process.wait(10)


class TestSession:
    """The protocol of core/runtime/session.cc, as other programs may use it."""

    def test_requests_and_answers(self, build_dir, shop):
        done = subprocess.run([str(build_dir / "bin" / "levada-scoring"), "--test-session", "--pipeline", str(shop()),
                               "--stage", "score"], text=True, capture_output=True, timeout=60, input="\n".join([
                                   '{"reset": 1000}',
                                   '{"topic": "customers", "records": [{"key": "c1", "value": "{}", "timestamp": 1000}]}',
                                   '{"topic": "orders", "records": [{"key": "k", "timestamp": 2000,'
                                   ' "value": "{\\"amount\\":1,\\"customer\\":\\"c1\\"}"}, {"timestamp": 2000, "value": "{"}]}',
                                   '{"now": 5000}', '{"coverage": true}', "nonsense"]) + "\n")
        assert done.returncode == 0, done.stderr
        reset, table, records, time_passed, coverage, nonsense = [json.loads(line) for line in done.stdout.splitlines()]
        nothing = {"out": [], "dead": [], "filtered": 0}
        assert reset == table == time_passed == nothing
        (out,), (dead,) = records["out"], records["dead"]
        assert (out["topic"], out["key"], out["timestamp"]) == ("scored", "k", 2000)
        assert json.loads(out["value"])["owner"] == {}
        assert dead["value"] == "{" and dead["error"]
        assert [(step["name"], step["events"]) for step in coverage["steps"]] == [
            ("step 1 (filter)", 1), ("step 2 (join)", 1), ("step 3 (rules)", 1)]
        assert coverage["steps"][2]["rules"] == [{"name": "big", "events": 0}, {"name": "rest", "events": 1}]
        assert "not a request" in nonsense["error"]


def test_the_manifests_of_the_guide(levada, tmp_path):
    """The example of docs/guide/testing.md holds."""
    text = (ROOT / "docs" / "guide" / "testing.md").read_text()
    spec = re.search(r"```yaml\n(spec:\n.*?)```", text, re.S).group(1)
    file = tmp_path / "orders.yaml"
    file.write_text("apiVersion: levada.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: orders}\n" + spec)
    done = levada("orders.yaml")
    assert plain(done).splitlines()[0] in text, done.stdout
    file.write_text(file.read_text().replace("amount > 100", "amount > 1000"))
    assert all(line in text for line in plain(levada("orders.yaml")).splitlines()[1:]), levada("orders.yaml").stdout
