# The sandbox's big layer: Python and the packages that a program may import. Rebuilt when their
# versions change; our own code goes on top of it by Dockerfile.code. `make image` lays out both build
# contexts (sandbox/image.py); docs/sandbox.md says how without a registry.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# A base made by `make base` has both libraries, and then nothing here needs a network.
RUN python3 -c "import ctypes; ctypes.CDLL('libseccomp.so.2'); ctypes.CDLL('libgomp.so.1')" \
    || (apt-get update && apt-get install --yes --no-install-recommends libseccomp2 libgomp1)
RUN useradd --uid 10001 --no-create-home --home-dir / --shell /usr/sbin/nologin referee \
    && useradd --uid 10002 --no-create-home --home-dir / --shell /usr/sbin/nologin candidate

# Bytecode is compiled here, for at run time the root is read-only. Some packages carry
# templates that are not Python, so compileall's verdict is not ours.
COPY site /opt/site
RUN python3 -m compileall -q -j 0 /opt/site $(python3 -c "import sysconfig; print(sysconfig.get_path('stdlib'))") \
    > /dev/null || true
