# The image of the operator and its worker. Nothing is downloaded here: scripts/build-image makes the wheelhouse first, with every
# hash checked, and says which base to take. BASE_IMAGE is any Linux image with Python 3.11 that looks like Debian.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS install
COPY build/wheelhouse /wheels
COPY build/image-tools /tools
COPY packaging/image/install /install
RUN sh /install profile-image-sync /app /root-of-image

FROM ${BASE_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="profile-image-sync" \
      org.opencontainers.image.description="Carries Active Directory profile pictures into HighQ, tenant by tenant" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# what the public base has of pip; the one made of Debian's packages has none
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/lib/python3*/ensurepip \
      /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/site-packages/setuptools* /usr/local/lib/python3*/site-packages/wheel*
COPY --from=install /root-of-image/ /
# The root is read-only and the user has no name: nothing is written but to /tmp, where a pod mounts an emptyDir if it needs one.
ENV PATH=/app/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["profile-image-sync"]
