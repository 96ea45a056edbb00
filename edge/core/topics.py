"""MQTT topics: the line's below `{site}/{area}/{line}/{station}/vision`, the trainer's below
`linegate/{device}` (docs/plc.md, docs/post.md)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineTopics:
    """The topics of one station. `prefix` has no slash at its end."""

    prefix: str

    @property
    def trigger(self) -> str:
        return f"{self.prefix}/cmd/trigger"

    @property
    def trigger_ack(self) -> str:
        return f"{self.prefix}/trigger/ack"

    @property
    def verdict(self) -> str:
        return f"{self.prefix}/verdict"

    @property
    def ack(self) -> str:
        return f"{self.prefix}/ack"

    @property
    def recipe(self) -> str:
        return f"{self.prefix}/cmd/recipe"

    @property
    def level(self) -> str:
        return f"{self.prefix}/cmd/level"

    @property
    def challenge(self) -> str:
        return f"{self.prefix}/cmd/challenge"

    @property
    def order_ack(self) -> str:
        return f"{self.prefix}/cmd/ack"

    @property
    def state(self) -> str:
        return f"{self.prefix}/state"

    @property
    def heartbeat(self) -> str:
        return f"{self.prefix}/heartbeat"

    def alarm(self, code: str) -> str:
        return f"{self.prefix}/alarm/{code}"


@dataclass(frozen=True, slots=True)
class PostTopics:
    """The topics between one device and the trainer."""

    device: str

    @property
    def hello(self) -> str:
        return f"linegate/{self.device}/up/hello"

    @property
    def records(self) -> str:
        return f"linegate/{self.device}/up/records"

    @property
    def chunk_up(self) -> str:
        return f"linegate/{self.device}/up/chunk"

    @property
    def ack(self) -> str:
        return f"linegate/{self.device}/down/ack"

    @property
    def want(self) -> str:
        return f"linegate/{self.device}/down/want"

    @property
    def chunk_down(self) -> str:
        return f"linegate/{self.device}/down/chunk"

    @property
    def wish(self) -> str:
        return f"linegate/{self.device}/down/wish"


def device_of(topic: str) -> str | None:
    """The device named in a trainer topic, or None if it is not one."""
    parts = topic.split("/")
    return parts[1] if len(parts) == 4 and parts[0] == "linegate" and parts[1] else None
