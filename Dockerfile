# One image for every step of a compiled pipeline and, as the target `dataflow`, for Beam's workers.
#   docker build --tag REGISTRY/tfx-norm:1 .
#   docker build --tag REGISTRY/tfx-norm-dataflow:1 --target dataflow .
# `make image` builds it without a container engine. docs/deploy.md has the rest.
ARG PYTHON_IMAGE=python:3.11-slim-trixie
# Its version has to be that of apache-beam in uv.lock; a test compares the two.
ARG BEAM_IMAGE=apache/beam_python3.11_sdk:2.77.0

FROM ${PYTHON_IMAGE} AS uv
# The certificates of the system, so that a site with a certificate authority of its own mounts it over /etc/ssl/certs.
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/venv \
    UV_PYTHON_DOWNLOADS=never
RUN python3 -m pip install --no-cache-dir uv==0.13.9
WORKDIR /src

# All that is not ours: exactly the files whose hashes uv.lock states. kfp is read inside the container, too, and the
# bundled flights are made there.
FROM uv AS dependencies
# pyfarmhash, which TFX needs, has no wheel: a compiler is needed here and nowhere else.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends g++ && \
    rm -rf /var/lib/apt/lists/*
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-default-groups --extra kfp --extra flights --no-install-project --compile-bytecode

# What is ours, in an environment of its own, so that a new version of it is a small layer of the final image.
FROM uv AS wheel
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY components components
COPY pipeline pipeline
COPY schemas schemas
COPY tfxnorm tfxnorm
RUN uv build --wheel && \
    uv venv /opt/venv && \
    uv pip install --python /opt/venv --no-deps --compile-bytecode dist/*.whl

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/home/tfx \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=2
# A number, because a cluster that insists on runAsNonRoot cannot tell whether a name is root. Group 0 may write where
# the user may, for clusters that give each pod a user of their own.
RUN useradd --uid 1000 --gid 0 --create-home --home-dir /home/tfx tfx && \
    mkdir /pipeline && \
    chown 1000:0 /pipeline && \
    chmod -R g=u /home/tfx /pipeline
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=wheel /opt/venv/bin/tfx-norm /opt/venv/bin/tfx-norm
COPY --from=wheel /opt/venv/lib/python3.11/site-packages /opt/venv/lib/python3.11/site-packages
WORKDIR /pipeline
# Modules of one's own, such as a model, are copied there: by all steps, and by Beam's workers, they are found.
ENV PYTHONPATH=/pipeline
USER 1000:0
CMD ["tfx-norm", "--help"]
# At the end, so that another revision is another label and not other layers.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="tfx-norm" \
      org.opencontainers.image.description="TFX pipeline steps with exact global normalization as constants" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-trixie"

# What the unit tests need beside the environment; only the target `test` has it.
FROM uv AS tests
COPY pyproject.toml uv.lock ./
RUN uv export --quiet --frozen --only-group dev --no-emit-project --output-file /tmp/dev.txt && \
    uv pip install --quiet --require-hashes --no-deps --target /opt/dev --requirement /tmp/dev.txt

FROM runtime AS test
COPY --from=tests /opt/dev /opt/dev
ENV PYTHONPATH=/opt/dev:/pipeline

FROM ${BEAM_IMAGE} AS beam

FROM runtime AS dataflow
# Without this, boot makes an environment of its own in a folder that a non-root user cannot write, and ignores ours.
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
COPY --from=beam /opt/apache/beam /opt/apache/beam
ENTRYPOINT ["/opt/apache/beam/boot"]

# The last target is the default one.
FROM runtime
