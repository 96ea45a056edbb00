"""The one door to ONNX Runtime: `from edge.core.runtime import ort`.

Its official builds (1.31 and on) keep a file in the user's home and report to their maker over
HTTPS, unless the environment says no before the library is loaded. A box on a line has nobody
to report to.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

__all__ = ["ort"]
