"""How long a request that needs nothing waits, while others keep the process busy."""

from __future__ import annotations

import http.client
import threading
import time
from typing import Self

from benchmarks.spread import percentile

_EVERY_S = 0.05
_WITHIN_S = 60.0


class Probe:
    """Asks for ``/healthz`` again and again inside the `with` block, over one kept connection.

    The next is asked when the one before is answered, and 50 ms have passed.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WITHIN_S)
        self._waits_s: list[float] = []
        self._is_over = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._connection.close()

    def figures(self) -> dict[str, float]:
        """Return the waits, after the block.

        Raises:
            OSError: A request had no answer.
        """
        if self._failure is not None:
            raise self._failure
        return {
            "probe_p50_ms": percentile(self._waits_s, 0.5) * 1e3,
            "probe_p99_ms": percentile(self._waits_s, 0.99) * 1e3,
            "probe_most_ms": max(self._waits_s) * 1e3,
            "probes": len(self._waits_s),
        }

    def _run(self) -> None:
        try:
            while True:
                self._ask()
                if self._is_over.wait(_EVERY_S):
                    return
        except (OSError, http.client.HTTPException) as error:
            self._failure = ConnectionError(f"/healthz: {type(error).__name__}: {error}")

    def _ask(self) -> None:
        began = time.perf_counter()
        self._connection.request("GET", "/healthz")
        answer = self._connection.getresponse()
        answer.read()
        self._waits_s.append(time.perf_counter() - began)
        if answer.status != 200:
            raise ConnectionError(f"status {answer.status}")
