"""A broker that dies, forgets, hangs, refuses or is slow; a network that swallows everything."""

import os
import signal
from functools import partial
from pathlib import Path

from faults.fault import Fault
from faults.judge import Meanwhile
from faults.rig import Rig

from edge.plc.broker import find_mosquitto

AWAY = "no connection to the line's broker"
STRICT = "listener {port} 127.0.0.1\nallow_anonymous false\n"


def kill(rig: Rig) -> None:
    rig.line.broker.kill()


def start(rig: Rig) -> None:
    rig.line.broker.start()


def signalled(rig: Rig, number: signal.Signals) -> None:
    os.kill(rig.line.broker.pid, number)


def refuse(rig: Rig) -> None:
    """Another one on its port, which lets nobody in."""
    rig.line.broker.kill()
    conf = Path(rig.line.folder / "strict.conf")
    conf.write_text(STRICT.format(port=rig.line.broker.port))
    rig.beside(str(find_mosquitto()), "-c", str(conf))


def let_in(rig: Rig) -> None:
    rig.alone()
    rig.line.broker.start()


def swallow(rig: Rig) -> None:
    rig.network.open = False


def slow_down(rig: Rig) -> None:
    rig.network.delay_s = 0.2


def mend_network(rig: Rig) -> None:
    rig.network.well()


broker = partial(Fault, "Broker and network", silence=True)

FAULTS = (
    broker("broker killed", kill, start, says=AWAY, meanwhile=Meanwhile.NONE_PASSES),
    broker("broker restarted at once: all that it held is lost", lambda r: r.line.broker.restart()),
    broker("broker stopped: half-open for all", lambda r: signalled(r, signal.SIGSTOP),
           lambda r: signalled(r, signal.SIGCONT), says=AWAY),
    broker("broker refuses everybody", refuse, let_in, says=AWAY,
           meanwhile=Meanwhile.NONE_PASSES),
    broker("network of the gate half-open: all bytes vanish", swallow, mend_network, says=AWAY,
           meanwhile=Meanwhile.NONE_PASSES),
    broker("network of the gate slow: 200 ms each way", slow_down, mend_network,
           meanwhile=Meanwhile.ALL_GOES_ON, lasts_s=2.0),
)  # fmt: skip
