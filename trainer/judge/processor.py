"""Which processor int8 was measured on: its kernels differ, and with them the scores."""

import platform
from pathlib import Path

# What the int8 kernels of ONNX Runtime choose by, on x86 and on Arm.
INT8_FLAGS = ("avx2", "avx512bw", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
CPUINFO = Path("/proc/cpuinfo")


def flags(cpuinfo: str) -> list[str]:
    """The `INT8_FLAGS` that a Linux /proc/cpuinfo names (x86: `flags`, Arm: `Features`)."""
    lines = [line for line in cpuinfo.splitlines() if line.startswith(("flags", "Features"))]
    known = set(lines[0].partition(":")[2].split()) if lines else set()
    return [flag for flag in INT8_FLAGS if flag in known]


def processor(cpuinfo: Path = CPUINFO) -> str:
    """`x86_64 avx2 avx512_vnni`; only the architecture where nothing more is known."""
    text = cpuinfo.read_text(errors="replace") if cpuinfo.is_file() else ""
    return " ".join([platform.machine(), *flags(text)])
