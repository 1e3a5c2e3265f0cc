#!/bin/sh
# One run of the training job: data, fit, calibrate, evaluate. It deploys nothing: a person reads the
# report and names the folder in the workers' detection.model.
#   DATA, MODELS  folders for the databases and for the models
#   RUN           the new model's folder in MODELS; the same one again goes on where a killed run stopped
#   PUSHGATEWAY   URL that gets the metrics as well; they are always in MODELS/ecg-train.prom
#   MIRROR        where the database lies, instead of PhysioNet
set -eu
model="$MODELS/${RUN:-$(date -u +%Y%m%dT%H%M%SZ)}"
set -- --metrics "$MODELS/ecg-train.prom"
if [ -n "${PUSHGATEWAY:-}" ]; then set -- "$@" --pushgateway "$PUSHGATEWAY"; fi

ecg-train data mitdb "$DATA" ${MIRROR:+--mirror "$MIRROR"}
ecg-train fit --data "$DATA" --out "$model" "$@"
ecg-train calibrate --data "$DATA" --model "$model" "$@"
ecg-train evaluate --data "$DATA" --model "$model" --publish --json "$model/evaluation.json" \
    --report "$model/evaluation.html" "$@"
