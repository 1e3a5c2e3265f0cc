# syntax=docker/dockerfile:1
# docker build -f deploy/training.Dockerfile --build-arg TORCH_ARGS="..." .     the training job
# For a GPU leave TORCH_ARGS empty: the default build of torch brings CUDA.

# What deploy/Dockerfile says of locks, of the order and of compiled code holds here, too.
FROM python:3.11.14-slim-bookworm AS wheel
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/hatch/bin:$PATH
WORKDIR /src
RUN python -m venv /opt/hatch
COPY deploy/build.lock ./
RUN pip install --no-deps --require-hashes --only-binary :all: -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY monitor/ monitor/
COPY training/ training/
RUN python -m hatchling build -t wheel -d /wheel

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/ecg/bin:$PATH
WORKDIR /src
RUN python -m venv /opt/ecg
COPY deploy/worker.lock deploy/training.lock ./
RUN pip install --no-deps --require-hashes --only-binary :all: -r worker.lock -r training.lock
ARG TORCH_ARGS=""
COPY requirements-torch.lock ./
RUN sed -nE 's/ *\\$//; /^[A-Za-z0-9]/p' worker.lock training.lock >constraints.txt \
    && pip install $TORCH_ARGS -c constraints.txt -r requirements-torch.lock
COPY --from=wheel /wheel /wheel
RUN pip install --no-deps /wheel/*.whl && pip check
ENV NUMBA_CPU_NAME=generic
RUN ecg-monitor warm-up

FROM python:3.11.14-slim-bookworm AS training
# A named volume takes its owner from the image's folder.
RUN groupadd --gid 10001 ecg && useradd --uid 10001 --gid ecg --no-create-home --home-dir /tmp ecg \
    && install -d -o ecg -g ecg /data /models
ENV PATH=/opt/ecg/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    NUMBA_CPU_NAME=generic MPLCONFIGDIR=/tmp/matplotlib DATA=/data MODELS=/models
COPY --from=build /opt/ecg /opt/ecg
COPY --chmod=755 deploy/train.sh /opt/ecg/bin/train
USER 10001:10001
WORKDIR /tmp
# A job that ends by itself has no health to ask for.
HEALTHCHECK NONE
CMD ["train"]
