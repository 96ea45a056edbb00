"""amqtt as a process of its own: `python -m edge.plc.amqtt_broker PORT`. It speaks MQTT 3.1.1
only and is meant for the demo and the tests on machines without mosquitto."""

import asyncio
import sys
from typing import Any

from amqtt.broker import Broker


def config(port: int) -> dict[str, Any]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
        },
    }


async def serve(port: int) -> None:
    broker = Broker(config(port))
    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
