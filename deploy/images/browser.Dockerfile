# The crawler with Debian's Chromium: for desks whose page needs a browser, and for pictures of proofs.
FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS build
WORKDIR /build
COPY deploy/requirements/build.txt deploy/requirements/browser.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r build.txt \
 && uv venv --quiet /opt/rdvpriority \
 && uv pip sync --quiet --no-cache --python /opt/rdvpriority/bin/python --require-hashes browser.txt
COPY . source
RUN python -m pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir wheels ./source \
 && uv pip install --quiet --no-cache --python /opt/rdvpriority/bin/python --no-deps wheels/*.whl \
 && /opt/rdvpriority/bin/python -m deploy.slim_environment \
 && /opt/rdvpriority/bin/python -m deploy.program_imports browser

FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d
# Debian keeps only the newest version of a package: one that is pinned is gone at its next fix.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends chromium fonts-dejavu-core tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin rdvpriority \
 && install --directory --owner rdvpriority --group rdvpriority --mode 0700 /var/lib/rdvpriority /var/lib/proofs
COPY deploy/images/node.conf /etc/rdvpriority/node.conf
COPY --from=build /opt/rdvpriority /opt/rdvpriority
ENV PATH=/opt/rdvpriority/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOG_FORMAT=json \
    STATE_DIR=/var/lib/rdvpriority \
    PROGRAM=crawler
WORKDIR /var/lib/rdvpriority
USER 10001:10001
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "deploy.local.run_supervisord", "-n", "-c", "/etc/rdvpriority/node.conf"]
HEALTHCHECK --interval=60s --timeout=10s --start-period=60s CMD ["python", "-m", "deploy.health_check", "node"]
