"""The learners: the only folder where torch may be imported."""

import edge.core.runtime  # noqa: F401  says no to telemetry before quantize.py loads ONNX Runtime
