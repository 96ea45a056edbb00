"""When a frame was exposed, on our clock, from the camera's own."""

DRIFT = 1e-4  # two quartz clocks differ by less: 50 ppm each
SETTLED_NS = 2_000_000  # less delay than ever by more than this: a backlog is being worked off


class DeviceClock:
    """The least delay ever seen between the camera's time stamp and a frame's arrival belongs to
    the frames that nothing held up: all other delay is waiting. The estimate may rise with the
    clocks' drift, so that it never sticks."""

    def __init__(self) -> None:
        self.settled = False  # whether the last frame's date can be trusted
        self._offset_ns: float | None = None
        self._at_ns = 0

    def stamped_at_ns(self, device_ns: int, arrived_ns: int) -> int:
        """When the frame was stamped, at the latest `arrived_ns`; without a stamp (0) that."""
        if device_ns == 0:
            return arrived_ns
        offset_ns = float(arrived_ns - device_ns)
        self.settled = self._offset_ns is not None and offset_ns > self._offset_ns - SETTLED_NS
        if self._offset_ns is not None:
            allowed = self._offset_ns + DRIFT * max(0, arrived_ns - self._at_ns)
            offset_ns = min(offset_ns, allowed)
        self._offset_ns, self._at_ns = offset_ns, arrived_ns
        return device_ns + round(offset_ns)
