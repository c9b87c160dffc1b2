# Python 3.12: from 3.13 on TLS is strict, and may refuse the CA of a cluster.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock requirements-dev.lock ./
# No pip of its own: this stage's fills it. Wheels alone, so that nothing has to be compiled.
RUN python -m venv --without-pip /opt/prompt-redis-bot
RUN python -m pip --python /opt/prompt-redis-bot/bin/python install --quiet --no-compile \
    --only-binary :all: --require-hashes --requirement requirements.lock
# What builds the project itself, as it is locked; it stays in this stage.
RUN sed -n -E '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/,/[^\\]$/p' \
    requirements-dev.lock > build.lock \
    && python -m pip install --quiet --require-hashes --requirement build.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY commands commands
RUN python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip --python /opt/prompt-redis-bot/bin/python install --quiet --no-compile \
    --no-deps --no-index dist/*.whl
# The root file system is read-only, so all is compiled now; unchecked, whatever times files get;
# by force, because pip has compiled what it imported itself.
RUN /opt/prompt-redis-bot/bin/python -m compileall -f -q -j 0 --invalidation-mode unchecked-hash \
    /opt/prompt-redis-bot/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="prompt-redis-bot" \
    org.opencontainers.image.description="Slack operations bot for Prompt Redis" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT"
# The base comes without the compiled files of Python's own library.
RUN python -m pip uninstall --quiet --yes --root-user-action ignore pip \
    && python -m compileall -f -q -j 0 --invalidation-mode unchecked-hash /usr/local/lib/python3.* \
    && install -d -o 10001 -g 10001 /data
COPY --from=build /opt/prompt-redis-bot /opt/prompt-redis-bot
ENV PATH=/opt/prompt-redis-bot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib
# By number, so that Kubernetes sees that it is not root.
USER 10001:10001
# The state's SQLite file, unless state.url says otherwise.
WORKDIR /data
EXPOSE 8080
ENTRYPOINT ["/opt/prompt-redis-bot/bin/python", "-I", "-m", "bot"]
CMD ["run"]
