"""levada-notify on a real Kafka and a real mail server."""

import collections
import email
import json
import os
import random
import signal
import subprocess
import time

import pytest

from lib import kafka as topics
from lib.wait import eventually
from notify.stage import MANIFEST, Stage, event

@pytest.fixture
def mail_stage(make_stage, private_smtp):
    """A stage that sends a mail for each event with `send`; more of its section can be given."""

    def make(more: str = "", password: str = "", **rest) -> Stage:
        server = private_smtp
        return make_stage(
            f"mail: {{smtp: {{host: {server.host}, port: {server.port}, from: alerts@example.com, "
            f"tls: {{caFile: {server.ca}}}, secretRef: login}}}}",
            "email: {via: mail, to: [a@example.com, b@example.com], subject: 'Event ${string(int(n))} é', "
            "body: 'n=${string(int(n))}'}\n      when: send\n      " + more,
            {"username": server.user, "password": password or server.password}, **rest)

    return make


def check_promise(mails: list[email.message.EmailMessage], wanted: set[int]) -> int:
    """None is missing; whatever came before comes again only marked, with the same id. Returns the repeats."""
    seen = collections.defaultdict(list)
    for mail in mails:
        for line in mail.get_content().split():
            seen[int(line.removeprefix("n="))].append(mail)
    assert set(seen) == wanted
    for n, copies in seen.items():
        assert len({mail["Message-ID"] for mail in copies}) == 1, f"event {n} has several ids"
        for mail in copies[1:]:
            assert mail["Levada-Repeat"] == "true" and mail["Subject"].endswith(" [repeat]"), f"event {n}"
    return sum(len(copies) - 1 for copies in seen.values())


def test_each_event_is_one_mail(mail_stage, private_smtp):
    stage = mail_stage()
    stage.start()
    stage.write([event(n, send=n % 2 == 0) for n in range(20)])
    stage.wait_until_done()
    mails = private_smtp.mails()
    assert check_promise(mails, set(range(0, 20, 2))) == 0
    mail = mails[0]
    assert mail["X-Envelope-From"] == "alerts@example.com"
    assert mail["X-Envelope-To"] == "a@example.com, b@example.com"
    assert mail["From"] == "alerts@example.com" and mail["To"] == "a@example.com, b@example.com"
    assert mail["Subject"] == f"Event {mail.get_content().strip().removeprefix('n=')} é"
    assert mail["Levada-Repeat"] is None
    assert stage.dead() == []
    eventually(lambda: stage.sent_log() == {}, "the send log is emptied", 30)


def test_a_clean_stop_and_start_repeats_nothing(mail_stage, private_smtp):
    stage = mail_stage()
    for n in range(3):
        worker = stage.start()
        stage.write([event(10 * n + i) for i in range(10)])
        stage.wait_until_done()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0, stage.log(n)
    assert check_promise(private_smtp.mails(), set(range(30))) == 0


def test_refused_for_now_is_sent_later_without_a_mark(mail_stage, private_smtp):
    private_smtp.misbehave("refuse", 2)
    stage = mail_stage()
    stage.start()
    stage.write([event(n) for n in range(5)])
    stage.wait_until_done()
    assert check_promise(private_smtp.mails(), set(range(5))) == 0
    assert stage.dead() == []


def test_refused_for_good_is_a_dead_letter_with_the_servers_words(mail_stage, private_smtp):
    private_smtp.misbehave("reject", 1)
    stage = mail_stage()
    stage.start()
    stage.write([event(1)], headers=[("trace", b"abc")])
    stage.wait_until_done()
    assert private_smtp.mails() == []
    (dead,) = stage.dead()
    assert json.loads(dead.value) == event(1) and dead.key == b"1"
    assert dead.header("trace") == b"abc"
    assert b"550 5.7.1 rejected by the test" in dead.header("levada-error")


def test_a_lost_answer_is_repeated_and_marked(mail_stage, private_smtp):
    private_smtp.misbehave("lose-answer", 1)
    stage = mail_stage()
    stage.start()
    stage.write([event(1)])
    stage.wait_until_done()
    assert check_promise(private_smtp.mails(), {1}) == 1


def test_a_server_that_is_down_at_first_and_hangs_later(mail_stage, private_smtp):
    private_smtp.stop()
    stage = mail_stage()
    stage.start()
    stage.write([event(n) for n in range(5)])
    eventually(lambda: "trying again" in stage.log(), "the stage says that it tries again")
    private_smtp.start()
    stage.wait_until_done()
    assert check_promise(private_smtp.mails(), set(range(5))) == 0
    private_smtp.kill()
    stage.write([event(n) for n in range(5, 10)])
    time.sleep(1)
    private_smtp.start()
    stage.wait_until_done()
    assert check_promise(private_smtp.mails(), set(range(10))) == 0


def test_a_wrong_password_waits_for_the_right_one(mail_stage, private_smtp, tmp_path):
    stage = mail_stage(password="not-the-one")
    stage.start()
    stage.write([event(1)])
    eventually(lambda: "logging in" in stage.log() or "Login denied" in stage.log(), "the refusal is in the log")
    assert "not-the-one" not in stage.log()
    assert stage.dead() == []
    (tmp_path / "secrets" / "login" / "password").write_text(private_smtp.password)
    stage.wait_until_done()
    assert check_promise(private_smtp.mails(), {1}) == 0


def test_a_certificate_of_another_authority_is_refused(mail_stage, private_smtp, tmp_path, kafka):
    private_smtp.ca.rename(tmp_path / "right.pem")
    private_smtp.ca.write_bytes(kafka.ca.read_bytes())  # the server has loaded its own already
    stage = mail_stage()
    stage.start()
    stage.write([event(1)])
    eventually(lambda: "certificate" in stage.log(), "the refusal is in the log")
    assert private_smtp.mails() == []


def test_killed_at_random_none_is_missing_and_repeats_are_marked(mail_stage, private_smtp):
    private_smtp.misbehave("delay", 0, 0.05)  # so that most kills hit a send
    stage = mail_stage()
    chance = random.Random(7)
    count, done = 300, 0
    worker = stage.start("w0")
    for _ in range(10):
        sent = len(private_smtp.mails())
        stage.write([event(n) for n in range(done, done + count // 10)])
        done += count // 10
        eventually(lambda: len(private_smtp.mails()) > sent, "the worker is at work")
        time.sleep(chance.uniform(0, 0.5))
        worker.kill()
        worker.wait()
        worker = stage.start("w0")
    stage.wait_until_done(120)
    repeats = check_promise(private_smtp.mails(), set(range(count)))
    assert repeats <= 10, "each kill can leave one mail in doubt"


def test_two_workers_share_and_take_over(mail_stage, private_smtp):
    stage = mail_stage(partitions=4)
    first, _ = stage.start(), stage.start()
    stage.write([event(n) for n in range(100)])
    time.sleep(3)
    first.kill()
    stage.write([event(n) for n in range(100, 200)])
    stage.wait_until_done(120)
    stage.start()
    stage.write([event(n) for n in range(200, 300)])
    stage.wait_until_done(120)
    assert check_promise(private_smtp.mails(), set(range(300))) <= 1


def test_groups_share_a_mail_and_survive_a_kill(mail_stage, private_smtp):
    stage = mail_stage("group: {by: n < 5, wait: 2s, max: 50}")
    worker = stage.start()
    stage.write([event(n) for n in range(10)])
    time.sleep(1)
    worker.kill()
    worker.wait()
    stage.start()
    stage.wait_until_done()
    mails = private_smtp.mails()
    check_promise(mails, set(range(10)))
    assert len(mails) == 2
    assert all("(+4)" in mail["Subject"] for mail in mails)


def test_the_throttle_spreads_mails(mail_stage, private_smtp):
    stage = mail_stage("throttle: {limit: 2, per: 1s}")
    stage.start()
    began = time.monotonic()
    stage.write([event(n) for n in range(8)])
    stage.wait_until_done()
    assert time.monotonic() - began >= 3
    assert check_promise(private_smtp.mails(), set(range(8))) == 0


def test_events_that_cannot_be_told_are_dead_letters(mail_stage, private_smtp):
    stage = mail_stage()
    stage.start()
    bad = [b"", b"{", b"[]", b"\xff", b'{"send":1,"n":1}', b'{"n":1}', b'{"send":true}', b'{"send":true,"n":"x"}',
           b'{"send":true,"n":NaN}', b'{"send":true,"send":true,"n":1}', b"[" * 10000]
    topics.produce(stage.kafka, stage.topic, bad)
    stage.write([event(7)])
    stage.wait_until_done()
    assert check_promise(private_smtp.mails(), {7}) == 0
    dead = stage.dead()
    assert sorted(record.value for record in dead) == sorted(bad)
    assert all(record.header("levada-error") for record in dead)


def test_a_password_without_tls_is_refused_at_the_start(build_dir, tmp_path):
    manifest = tmp_path / "pipeline.yaml"
    manifest.write_text(MANIFEST.format(
        name="x", partitions=1,
        connection="mail: {smtp: {host: localhost, from: a@b.example, tls: {enabled: false}, secretRef: login}}",
        notify="email: {via: mail, to: [c@d.example], subject: s, body: b}"))
    done = subprocess.run([build_dir / "bin" / "levada-notify", "--pipeline", manifest, "--stage", "alert"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                          env={**os.environ, "LEVADA_KAFKA": "127.0.0.1:1"})
    assert done.returncode == 2, done.stderr
    assert "password is never sent without TLS" in done.stderr
