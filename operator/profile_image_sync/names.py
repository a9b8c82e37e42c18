"""Words that others rely on: the API's group and kind, and how things are called. Nothing else."""

from __future__ import annotations

PRODUCT = "profile-image-sync"
GROUP = "profileimagesync.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ProfileImageSync"
PLURAL = "profileimagesyncs"
SINGULAR = "profileimagesync"
SHORT_NAME = "pisync"
CATEGORY = "highq"

MAX_NAME_LENGTH = 40  # of a resource, so that no child's name needs shortening
