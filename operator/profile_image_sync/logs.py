"""Log lines: JSON in a pod, plain key=value elsewhere, nothing below a warning beside a progress bar."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def configure(*, json: bool, quiet: bool = False, **always: str) -> None:
    """Send log lines, and libraries' warnings, to stderr.

    `quiet` keeps only warnings and worse; `always` is said in each line, whichever thread writes it.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        )
    )
    common: list[structlog.typing.Processor] = [
        lambda _, __, event: {**always, **event},
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.WARNING if quiet else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=common)
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
