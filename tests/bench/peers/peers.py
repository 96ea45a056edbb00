"""The peers: what is installed of each, how its server is started, how it is asked.

Each serves the same file with one ONNX Runtime thread (`servers/model.py`) and gets the best body
that it documents; where that is not the usual one, JSON numbers stand beside it.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.peers.wires import BASE64, OIP_BASE64, OIP_BINARY, OIP_JSON, RAW_BYTES, Wire

OIP_PATH = "/v2/models/m/infer"
RUNTIME = ("onnxruntime==1.31.1", "numpy==2.4.6")
UVICORN = ("uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.23.0")
_SERVED_BY_UVICORN = ("--port", "{port}", "--log-level", "warning", "--no-access-log")


@dataclass(frozen=True, slots=True)
class Ask:
    """One way to ask a server: POST `path`."""

    wire: Wire
    path: str


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` starts with a program of the peer's own environment. In it and in `env` stand
    `{servers}`, the folder of the programs, and `{port}`, `{port2}`, `{port3}`, free ones."""

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    asks: tuple[Ask, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    own_model: bool = False  # it cannot serve ours: its score is another
    large: bool = False  # pip fetches gigabytes

    @property
    def key(self) -> str:
        """One word: the name of its folder, and of the peer on the command line."""
        return re.split(r"\W", self.name.lower())[0]


PEERS = (
    Peer(
        "Starlette on the event loop",
        ("starlette==1.10.0", *UVICORN, *RUNTIME),
        ("uvicorn", "starlette_app:app", *_SERVED_BY_UVICORN),
        (Ask(RAW_BYTES, "/predict"),),
    ),
    Peer(
        "FastAPI",
        ("fastapi==0.165.0", *UVICORN, *RUNTIME),
        ("uvicorn", "fastapi_app:app", *_SERVED_BY_UVICORN),
        (Ask(RAW_BYTES, "/predict"),),
    ),
    Peer(
        "LitServe",
        ("litserve==0.2.19", *RUNTIME),
        ("python", "{servers}/litserve_app.py"),
        (Ask(BASE64, "/predict"),),
    ),
    Peer(
        "BentoML",
        ("bentoml==1.4.39", *RUNTIME),
        ("bentoml", "serve", "bentoml_app:Model", "--host", "127.0.0.1", "--port", "{port}"),
        (Ask(BASE64, "/predict"),),
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        # Its default, a worker process, dies at the start with the uvloop that pip gives it.
        "MLServer, no worker process",
        ("mlserver==1.7.1", "onnxruntime==1.31.1"),
        ("mlserver", "start", "{servers}/mlserver_model"),
        (Ask(OIP_BASE64, OIP_PATH), Ask(OIP_JSON, OIP_PATH)),
        {
            "MLSERVER_PARALLEL_WORKERS": "0",
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{port2}",
            "MLSERVER_METRICS_PORT": "{port3}",
        },
    ),
    Peer(
        "KServe",
        ("kserve==0.21.0", "onnxruntime==1.31.1"),
        ("python", "{servers}/kserve_app.py"),
        (Ask(OIP_BINARY, OIP_PATH), Ask(OIP_JSON, OIP_PATH)),
    ),
    Peer(
        # Its Python backend is linked against the system's libpython.
        "Triton, by PyTriton",
        ("nvidia-pytriton==0.7.0", "onnxruntime==1.31.1"),
        ("python", "{servers}/pytriton_app.py"),
        (Ask(OIP_BINARY, OIP_PATH), Ask(OIP_JSON, OIP_PATH)),
        python="/usr/bin/python3",
    ),
    Peer(
        "Ray Serve",
        ("ray[serve]==2.60.0", *RUNTIME),
        ("python", "{servers}/ray_app.py"),
        (Ask(RAW_BYTES, "/predict"),),
        {"RAY_USAGE_STATS_ENABLED": "0"},
    ),
    Peer(
        "anomalib PatchCore",
        ("anomalib[cpu]==2.7.0", "torch==2.13.0", "starlette==1.10.0", *UVICORN, *RUNTIME),
        ("uvicorn", "anomalib_app:app", *_SERVED_BY_UVICORN),
        (Ask(RAW_BYTES, "/predict"),),
        own_model=True,
        large=True,
    ),
)
