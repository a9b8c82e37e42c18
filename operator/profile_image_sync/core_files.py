"""Keeps the memory of a process that holds secrets out of core files, however the process dies."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # of Linux's <sys/prctl.h>


def forbid_core_files() -> None:
    """Have the kernel write the memory of this process nowhere: into no file, and to no crash reporter.

    A crash reporter (a pipe in core_pattern) gets a core in spite of the limit, hence Linux's own switch.
    It also keeps other processes of the same user out of this one's memory and environment.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
