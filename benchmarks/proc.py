"""What Linux says of a process in /proc."""

from __future__ import annotations

from pathlib import Path


def memory_bytes(pid: int, name: str, *, file: str = "status") -> int:
    """Return a size of memory.

    Args:
        name: Of the line, such as "VmRSS" or "Pss".
        file: Of /proc/<pid>.

    Raises:
        OSError: The process has ended, or has no such size.
    """
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} of process {pid}")
