"""Aravis, which speaks GigE Vision: from the operating system, loaded when a camera needs it."""

import warnings
from functools import cache
from typing import Any

from edge.core.errors import CameraLost

HOW = (
    "install python3-gi and gir1.2-aravis-0.8, and let this Python see them (docs/cameras.md, GigE)"
)


@cache
def aravis() -> Any:
    """The binding. Raises CameraLost that says what to install."""
    try:
        import gi

        gi.require_version("Aravis", "0.8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # of PyGObject 3.42, about itself
            from gi.repository import Aravis
    except (ImportError, ValueError) as error:
        raise CameraLost(f"GigE cameras need Aravis: {HOW}: {error}") from error
    return Aravis


@cache
def failure() -> type[Exception]:
    """What its calls raise."""
    aravis()
    from gi.repository import GLib

    found: type[Exception] = GLib.Error
    return found


def present() -> list[str]:
    """The cameras that answer now: id, address. Takes a second."""
    binding = aravis()
    binding.update_device_list()
    return [
        f"{binding.get_device_id(n)} at {binding.get_device_address(n)}"
        for n in range(binding.get_n_devices())
    ]
