# The gateway's web process and its worker: one image, two commands (compose.yaml).

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/gateway
WORKDIR /opt/gateway/src
COPY requirements-runtime.lock requirements-build.lock ./
# Spyne comes as source only: it is built with the locked setuptools.
RUN /opt/gateway/bin/pip install --require-hashes --no-deps -r requirements-build.lock \
    && /opt/gateway/bin/pip install --require-hashes --no-deps --no-build-isolation --use-pep517 \
       -r requirements-runtime.lock
COPY pyproject.toml setup.cfg README.md ./
COPY gateway gateway
COPY wsdl wsdl
# Installed in place: the image runs the same layout of files as the tests.
RUN /opt/gateway/bin/pip install --no-index --no-deps --no-build-isolation --editable . \
    && /opt/gateway/bin/python -m compileall -q gateway

FROM python:3.13-slim
LABEL org.opencontainers.image.title="gateway" \
      org.opencontainers.image.description="SOAP and PUSH integration gateway for e-mail marketing"
RUN groupadd --system --gid 10001 gateway \
    && useradd --system --uid 10001 --gid gateway --no-create-home --home-dir /var/lib/gateway gateway \
    && install -d -o gateway -g gateway -m 0750 /var/lib/gateway
COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    GATEWAY_DATA_DIR=/var/lib/gateway
USER 10001:10001
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
CMD ["gateway", "serve", "--host", "0.0.0.0", "--port", "8080"]
