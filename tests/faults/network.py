"""The network between the gate and its broker: slow, or half-open (the bytes vanish, nothing
closes)."""

import contextlib
import socket
import threading
import time


class Network:
    """A TCP proxy on a port of its own. `delay_s` holds each piece back; `open` is false while
    pieces vanish, and new connections are taken but lead nowhere."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.delay_s = 0.0
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def well(self) -> None:
        self.delay_s, self.open = 0.0, True

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                gate, _ = self._server.accept()
                self._connect(gate)

    def _connect(self, gate: socket.socket) -> None:
        try:
            broker = socket.create_connection(self._target, timeout=2.0)
        except OSError:
            gate.close()  # as the broker's own port would: nobody is there
            return
        broker.settimeout(None)
        for source, sink in ((gate, broker), (broker, gate)):
            for end in (source, sink):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                if self.open:
                    sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
