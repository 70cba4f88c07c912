"""What a process holds, as the kernel counts it."""

import os
from pathlib import Path


def resident(pid: int) -> int:
    """Resident memory, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def descriptors(pid: int) -> int | None:
    """Open files and sockets; None where the kernel does not tell us, since the service is closed to other programs."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None
