"""The broker of demo and tests comes, goes, and comes back on its port."""

import socket
import sys
from pathlib import Path
from random import Random

import pytest

from edge.clock import SystemClock
from edge.config import Plc
from edge.core.errors import LinegateError
from edge.core.topics import LineTopics
from edge.plc import broker as module
from edge.plc.broker import Broker, find_mosquitto, free_port
from edge.plc.virtual import VirtualPlc

pytestmark = pytest.mark.system


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_mosquitto_is_found_where_debian_hides_it(monkeypatch, mosquitto):
    monkeypatch.setenv("PATH", "/nowhere")
    if not Path("/usr/sbin/mosquitto").exists():
        pytest.skip("mosquitto is not in /usr/sbin here")
    assert find_mosquitto() == Path("/usr/sbin/mosquitto")


def test_broker_restarts_on_its_port_and_is_gone_afterwards(mosquitto):
    with Broker() as broker:
        port, first = broker.port, broker.pid
        assert accepts(port)
        broker.restart()
        assert broker.port == port
        assert broker.pid != first
        assert accepts(port)
        broker.stop()
        assert not accepts(port)
    assert not accepts(port)


def test_taken_port_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LinegateError, match="Address already in use"):
            Broker(port).start()


def test_amqtt_serves_where_there_is_no_mosquitto(monkeypatch):
    pytest.importorskip("amqtt")
    monkeypatch.setattr(module, "find_mosquitto", lambda: None)
    with Broker(free_port()) as broker:
        clock = SystemClock()
        plc = VirtualPlc(Plc(port=broker.port), LineTopics("a/b"), clock, Random(1)).start()
        try:
            plc.wait_ready(0.5)
            assert plc.summary()["connection"]["connects"] == 1
        finally:
            plc.close()


def test_no_broker_at_all_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_mosquitto", lambda: None)
    monkeypatch.setitem(sys.modules, "amqtt", None)
    with pytest.raises(LinegateError, match="apt install mosquitto"):
        Broker().start()
