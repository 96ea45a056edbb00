"""The post with real processes: a box, mosquitto, `linegate-trainer ingest`, and SIGKILL."""

import json
import os
import shutil
import signal
import threading
import time
from functools import partial

import pytest

from edge.clock import SystemClock
from edge.plc.broker import free_port
from edge.sync.job import HUNG_S, SyncRun, run_sync
from edge.sync.link import Login
from edge.sync.outbox import WINDOW
from edge.sync.sync_db import DeliveredReader
from trainer.ingest.link import Login as TrainerLogin
from trainer.ingest.service import Ingest

pytestmark = pytest.mark.system

RECORDS = 10_000
IMAGES = 20


class HurriedClock(SystemClock):
    """Who gives up an answer after half a minute does so after six seconds."""

    def monotonic_ns(self) -> int:
        return 5 * super().monotonic_ns()


def all_delivered(box):
    """The box knows that the trainer has everything."""
    reader = DeliveredReader(box.config.sync_path)
    extent = box.reader.extent()
    return reader.up_to(extent.epoch) == extent.last_seq and all(
        reader.image_delivered(sha) for sha in box.kept
    )


def assert_same(box, trainer):
    assert trainer.digest() == box.digest()
    assert trainer.images() == {sha: sha for sha in box.kept}
    assert trainer.counts()["quarantined"] == 0


@pytest.mark.slow
def test_ten_thousand_records_survive_five_broker_and_two_trainer_kills(
    box, trainer, broker, until
):
    """The line goes on while its post is being killed; each record arrives once, byte for byte."""
    trainer.start()
    kills = [broker.restart, broker.restart, trainer.kill, broker.restart, trainer.kill]
    kills += [broker.restart, broker.restart]
    parts, caught = 2 * len(kills), 0
    with box.syncing(HurriedClock()):
        for part in range(parts):
            box.write(RECORDS // parts, images=IMAGES // parts + 1, pixels=600, seed=part)
            time.sleep(0.1)  # mid-way through this part's records and images
            if part % 2:
                kill = kills[part // 2]
                caught += not all_delivered(box)
                kill()
                if kill == trainer.kill:
                    trainer.start()
        box.write(RECORDS - parts * (RECORDS // parts), seed=parts)
        assert until(lambda: all_delivered(box), 90)
    assert caught > 0, "the post was never at work when something was killed"
    summary = json.loads(trainer.stop().splitlines()[-1])
    assert summary["records"] == RECORDS
    assert summary["images"] == len(box.kept)
    assert_same(box, trainer)


def test_trainer_that_starts_late_gets_everything_in_order_of_need(box, trainer, until):
    with box.syncing():  # nobody there; the box is restarted meanwhile
        box.write(1000, images=2)
        time.sleep(1.5)
        assert DeliveredReader(box.config.sync_path).up_to("epoch-1") == 0
    with box.syncing():
        trainer.start()
        assert until(lambda: all_delivered(box), 30)
        status = DeliveredReader(box.config.sync_path)
        assert until(lambda: status.status().images_delivered == 2, 10)
        assert status.status().trainer_heard_at is not None
    trainer.stop()
    assert_same(box, trainer)


@pytest.mark.slow
def test_trainer_that_lost_everything_is_served_again(box, trainer, until):
    trainer.start()
    box.write(500, images=2)
    with box.syncing(HurriedClock()):
        assert until(lambda: all_delivered(box), 30)
        trainer.kill()
        shutil.rmtree(trainer.home / "ingest")
        trainer.start()
        assert until(lambda: trainer.counts().get("records") == 500, 30)
        assert until(lambda: all_delivered(box) and trainer.counts()["images"] == 2, 30)
    trainer.stop()
    assert_same(box, trainer)


def test_sync_waits_without_ledger_broker_and_trainer(box, broker, trainer, until):
    broker.kill()
    status = DeliveredReader(box.config.sync_path)
    with box.syncing():
        assert until(lambda: status.status() is not None and status.status().problem, 10)
        box.write(10)
        broker.start()
        trainer.start()
        assert until(lambda: all_delivered(box), 30)
    trainer.stop()
    assert_same(box, trainer)


def test_repeated_start_of_both_ends_repeats_nothing(box, trainer, until):
    box.write(200, images=1)
    for _ in range(2):
        trainer.start()
        with box.syncing():
            assert until(lambda: all_delivered(box), 30)
        trainer.stop()
    box.config.sync_path.unlink()  # the box forgets what it delivered, and sends it all again
    trainer.start()
    with box.syncing():
        assert until(lambda: all_delivered(box), 30)
    trainer.stop()
    assert_same(box, trainer)


def test_image_that_the_box_lost_holds_up_nothing_else(box, trainer, until):
    trainer.start()
    box.write(50, images=2)
    lost, kept = box.kept
    box.images.path(lost).unlink()
    reader = DeliveredReader(box.config.sync_path)
    with box.syncing():
        assert until(lambda: reader.image_delivered(kept), 30)
        assert until(lambda: reader.status().images_gone == 1, 10)
        assert reader.up_to("epoch-1") == 50
    assert not reader.image_delivered(lost)
    assert trainer.counts()["images_wanted"] == 1
    trainer.stop()


def test_trainer_with_a_full_disk_takes_nothing_and_answers_nobody(box, broker, tmp_path, until):
    stop = threading.Event()
    box.write(10)
    login = TrainerLogin("127.0.0.1", broker.port)
    with Ingest(tmp_path / "ingest", login, SystemClock(), min_free_bytes=2**62) as ingest:

        def turn():
            ingest.run(stop, stop.set)
            stop.clear()

        with box.syncing():
            assert until(lambda: turn() or "free in" in (ingest.problem or ""), 20)
            ingest._min_free_bytes = 0  # room was made
            assert until(lambda: turn() or all_delivered(box), 30)
    assert ingest.problem is None or "free in" not in ingest.problem


def test_hung_broker_never_makes_paho_hold_more_than_the_window(box, broker, trainer, until):
    trainer.start()
    box.write(3000, images=2, pixels=1200)
    most = 0
    stop = threading.Event()
    login = Login("127.0.0.1", broker.port)
    with SyncRun(box.config, login, SystemClock()) as run:

        def turn():
            nonlocal most
            run.turn(stop)
            if run._link is not None:
                most = max(most, len(run._link._client._out_messages))

        assert until(lambda: turn() or most > 0, 10)
        os.kill(broker.pid, signal.SIGSTOP)  # the socket stays open, no PUBACK comes
        end = time.monotonic() + 2
        while time.monotonic() < end:
            turn()
        os.kill(broker.pid, signal.SIGCONT)
        assert until(lambda: turn() or all_delivered(box), 60)
    assert 1 < most <= WINDOW
    trainer.stop()
    assert_same(box, trainer)


def test_unreachable_broker_is_shown_with_its_address(box, until):
    port = free_port()
    sync = box.config.sync.model_copy(update={"port": port})
    box.config = box.config.model_copy(update={"sync": sync})
    status = DeliveredReader(box.config.sync_path)
    with box.syncing():
        assert until(lambda: status.status() is not None and status.status().problem, 10)
    assert f"127.0.0.1:{port}" in status.status().problem


def test_post_that_takes_no_turn_for_a_minute_is_ended_by_the_kernel(box, until):
    stop, alarms = threading.Event(), []
    run = partial(run_sync, box.config, SystemClock(), stop, alarms.append)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert until(lambda: len(alarms) > 3, 10)  # each turn puts it off
        assert set(alarms) == {HUNG_S}
    finally:
        stop.set()
        thread.join(10)
    assert alarms[-1] == 0  # whoever ends in order has all the time


def test_post_that_fails_again_and_again_is_not_one_that_hangs(box):
    box.config.sync_path.mkdir(parents=True)  # no database can be made there
    stop, alarms = threading.Event(), []

    def alarm(seconds):
        alarms.append(seconds)
        stop.set()

    run_sync(box.config, SystemClock(), stop, alarm)
    assert alarms == [HUNG_S, 0]
