# What the product talks to, for tests and the demo: Samba's domain controller (`python -m testkit.samba`, as root) and the HighQ
# simulator (`python -m testkit.simulator`, as anyone). build-services-image fills the context and gives a Debian with Samba.
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS install
COPY wheels /wheels
RUN python3 -m venv --without-pip /app \
 && PYTHONPATH=$(echo /wheels/pip-*.whl) /app/bin/python -m pip install --quiet --no-cache-dir --no-index --find-links /wheels \
      jinja2 ldap3 pillow pydantic python-multipart starlette trustme uvicorn

FROM ${BASE_IMAGE}
COPY --from=install /app /app
COPY testkit /srv/testkit
ENV PATH=/app/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/srv
WORKDIR /srv
