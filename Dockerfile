# syntax=docker/dockerfile:1
# The playground as an image. On a CPU:   docker build -t codegemma-ui .
#                             On a card:  docker build -t codegemma-ui:cuda --build-arg CUDA=1 .
# docs/deploying.md says how to run it; `make container-check` lints this file and rehearses its steps.

ARG PYTHON=3.11.15-slim-bookworm

FROM python:${PYTHON} AS build

# What builds a wheel whose version is to be known.
ARG SETUPTOOLS=80.9.0
# 1 brings the CUDA libraries for tensorflow, 3 GB; the driver is the host's.
ARG CUDA=0

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN python -m venv /opt/app

WORKDIR /src
COPY requirements.txt ./
RUN /opt/app/bin/python -m pip install -r requirements.txt "setuptools==${SETUPTOOLS}"
RUN if [ "${CUDA}" = 1 ]; then \
      sed -n 's/^tensorflow/tensorflow[and-cuda]/p' requirements.txt > cuda.txt \
      && /opt/app/bin/python -m pip install -r cuda.txt; \
    fi

COPY pyproject.toml README.md LICENSE ./
COPY codegemma_ui ./codegemma_ui
RUN /opt/app/bin/python -m pip install --no-deps --no-build-isolation .


FROM python:${PYTHON}

RUN useradd --create-home --uid 10001 --shell /usr/sbin/nologin app \
    && mkdir -p /home/app/.cache \
    && chown app:app /home/app/.cache

COPY --from=build /opt/app /opt/app

ENV PATH=/opt/app/bin:$PATH \
    HOME=/home/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CODEGEMMA_UI_HOST=0.0.0.0 \
    CODEGEMMA_UI_PORT=7860

USER 10001
WORKDIR /home/app

# 1 compiles the bundled model's programs, for a CPU like this one.
ARG COMPILE=0
RUN if [ "${COMPILE}" = 1 ]; then codegemma-ui compile; fi

# Downloaded models and compiled programs.
VOLUME /home/app/.cache

EXPOSE 7860

HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['CODEGEMMA_UI_PORT'] + '/healthz', timeout=4)"]

CMD ["codegemma-ui"]
