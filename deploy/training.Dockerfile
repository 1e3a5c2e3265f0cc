# syntax=docker/dockerfile:1
# docker build -f deploy/training.Dockerfile --build-arg TORCH_ARGS="..." .     the training job
# For a GPU leave TORCH_ARGS empty: the default build of torch brings CUDA.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/ecg/bin:$PATH
WORKDIR /src
RUN python -m venv /opt/ecg
ARG TORCH_ARGS=""
COPY requirements-torch.lock ./
RUN pip install $TORCH_ARGS -r requirements-torch.lock
COPY deploy/worker.lock deploy/training.lock ./
RUN pip install --require-hashes -r worker.lock && pip install --require-hashes --no-deps -r training.lock
COPY pyproject.toml README.md LICENSE ./
COPY monitor/ monitor/
COPY training/ training/
RUN pip install --no-deps .

FROM python:3.11.14-slim-bookworm AS training
# A named volume takes its owner from the image's folder.
RUN groupadd --gid 10001 ecg && useradd --uid 10001 --gid ecg --no-create-home --home-dir /tmp ecg \
    && install -d -o ecg -g ecg /data /models
ENV PATH=/opt/ecg/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib DATA=/data MODELS=/models
COPY --from=build /opt/ecg /opt/ecg
COPY --chmod=755 deploy/train.sh /opt/ecg/bin/train
USER 10001:10001
WORKDIR /tmp
# A job that ends by itself has no health to ask for.
HEALTHCHECK NONE
CMD ["train"]
