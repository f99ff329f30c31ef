"""OpenTelemetry as its documentation sets it up for Celery, writing into a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery.signals import worker_init, worker_process_init
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class FileExporter(SpanExporter):
    """Appends each span as a line."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with Path(os.environ["OBSERVED_FILE"]).open("a") as file:
            file.write("".join(f"{span.to_json(indent=None)}\n" for span in spans))
        return SpanExportResult.SUCCESS


def start() -> None:
    """Instrument a sender at once, and a worker where its tasks run."""
    is_worker = "worker" in sys.argv
    if not is_worker:
        _instrument()
    elif "prefork" in sys.argv:
        worker_process_init.connect(_instrument, weak=False)
    else:
        worker_init.connect(_instrument, weak=False)


def _instrument(**_: Any) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileExporter()))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()
