# The backups: PostgreSQL's own image, because its tools must be of the server's version.
FROM postgres:18.4-bookworm@sha256:1961f96e6029a02c3812d7cb329a3b03a3ac2bb067058dec17b0f5596aca9296 AS build
# Debian keeps only the newest version of a package: one that is pinned is gone at its next fix.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv
WORKDIR /build
COPY deploy/requirements/build.txt deploy/requirements/backup.txt ./
RUN python3 -m venv tools \
 && tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r build.txt \
 && tools/bin/uv venv --quiet --python /usr/bin/python3 /opt/rdvpriority \
 && tools/bin/uv pip sync --quiet --no-cache --python /opt/rdvpriority/bin/python --require-hashes backup.txt
COPY . source
RUN tools/bin/pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir wheels ./source \
 && tools/bin/uv pip install --quiet --no-cache --python /opt/rdvpriority/bin/python --no-deps wheels/*.whl \
 && /opt/rdvpriority/bin/python -m deploy.slim_environment \
 && /opt/rdvpriority/bin/python -m deploy.program_imports backup

FROM postgres:18.4-bookworm@sha256:1961f96e6029a02c3812d7cb329a3b03a3ac2bb067058dec17b0f5596aca9296
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin rdvpriority \
 && install --directory --owner rdvpriority --group rdvpriority --mode 0700 /var/lib/rdvpriority /var/lib/proofs
COPY --from=build /opt/rdvpriority /opt/rdvpriority
ENV PATH=/opt/rdvpriority/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOG_FORMAT=json \
    STATE_DIR=/var/lib/rdvpriority \
    PROGRAM=backup
WORKDIR /var/lib/rdvpriority
USER 10001:10001
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "deploy.backup", "run"]
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s CMD ["python", "-m", "deploy.health_check", "backup"]
