# The image of the operator and its worker. Nothing is downloaded here: scripts/build-image makes the wheelhouse first, with every
# hash checked, and says which base to take. BASE_IMAGE is any Linux image with Python 3.11 that looks like Debian.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS install
COPY build/wheelhouse /wheels
RUN python3 -m venv --without-pip /app \
 && PYTHONPATH=$(echo /wheels/pip-*.whl) /app/bin/python -m pip install --quiet --no-cache-dir --no-index --find-links /wheels \
      profile-image-sync

FROM ${BASE_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="profile-image-sync" \
      org.opencontainers.image.description="Carries Active Directory profile pictures into HighQ, tenant by tenant" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=install /app /app
# The root is read-only and the user has no name: nothing is written but to /tmp, where a pod mounts an emptyDir if it needs one.
ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["profile-image-sync"]
