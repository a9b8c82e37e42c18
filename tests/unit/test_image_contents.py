"""What packaging/image/install leaves out of the image is imported by nothing of ours."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil, sys

class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("kubernetes.aio", "kubernetes.client.api.", "kubernetes.client.models.")):
            raise ModuleNotFoundError(f"{name} is not in the image")

sys.meta_path.insert(0, LeftOut())
import profile_image_sync
for module in pkgutil.walk_packages(profile_image_sync.__path__, "profile_image_sync."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from kubernetes import client, config
client.ApiClient(client.Configuration()).close()
for left_out in ("kubernetes.aio", "kubernetes.client.api.core_v1_api"):
    try:
        importlib.import_module(left_out)
    except ModuleNotFoundError:
        print(left_out)
"""


def test_every_module_works_without_what_the_image_leaves_out() -> None:
    """The API's models and the asynchronous client are 120 MB that no command loads."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["kubernetes.aio", "kubernetes.client.api.core_v1_api"]
