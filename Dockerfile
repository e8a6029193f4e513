# The hub with its runtime packages alone; versions and hashes are those of requirements.lock.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.lock ./
# this pip takes a file with hashes as constraints, so that one lock serves development and image
RUN pip install --no-cache-dir pip==26.3 && pip install --no-cache-dir -c requirements.lock hatchling
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY geo geo
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && echo "$PWD/$(ls dist/*.whl) --hash=sha256:$(sha256sum dist/*.whl | cut -d ' ' -f 1)" > wheel.txt \
    && python -m venv --without-pip /opt/haulcast \
    && pip --python /opt/haulcast/bin/python install --no-cache-dir -c requirements.lock -r wheel.txt

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/haulcast --shell /usr/sbin/nologin haulcast
COPY --from=build /opt/haulcast /opt/haulcast
COPY config /etc/haulcast
# compiled kernels are kept with the data: the programs' own folder is not writable
ENV PATH=/opt/haulcast/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HAULCAST_DATA_DIR=/var/lib/haulcast \
    NUMBA_CACHE_DIR=/var/lib/haulcast/kernels
USER haulcast
WORKDIR /var/lib/haulcast
VOLUME /var/lib/haulcast
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
# production refuses to start without HAULCAST_TOKEN_SECRET
CMD ["haulcast", "serve", "--config", "/etc/haulcast/production.toml"]
