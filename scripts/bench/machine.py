"""The machine and the versions that figures depend on."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scripts.bench.peers import nginx
from scripts.bench.rig import Rig

_PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "redis", "hiredis", "sse-starlette")


def describe(rig: Rig) -> dict[str, str]:
    """Names and values, in the order in which to show them."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": f"{os.cpu_count()}",
        "CPU": _cpu(),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "store": rig.redis_version(),
    }
    for name in _PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    if found := nginx.version():
        facts["nginx"] = found
    if not nginx.NchanMemory.missing():
        with nginx.NchanMemory(rig) as nchan:
            facts["Nchan"] = nchan.version()
    return facts


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
