"""A job that can be made to hang, its process alive and its sockets open.

    python hangable.py job NAME --config FILE

SIGUSR1: all of it hangs, in a call that keeps the interpreter's lock, as a bad driver does.
SIGUSR2: its main thread hangs, the others go on.
"""

import ctypes
import signal
import time

from edge.__main__ import main

FOR_S = 3600


def _all_of_it(number: int, frame: object) -> None:
    while True:
        ctypes.PyDLL(None).sleep(FOR_S)


def _main_thread(number: int, frame: object) -> None:
    time.sleep(FOR_S)


signal.signal(signal.SIGUSR1, _all_of_it)
signal.signal(signal.SIGUSR2, _main_thread)
main()
