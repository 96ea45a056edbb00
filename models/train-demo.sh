#!/bin/sh
# Makes models/demo again: the model of `linegate demo`, from simulated parts only, without outside
# weights. About half an hour on two cores and 3 GB below $WORK. Run it in the checkout's root.
set -eu
WORK=${1:-build/demo-model}
PATH="$PWD/.venv/bin:$PATH"
LINEGATE_HOME="$WORK/home"
export LINEGATE_HOME

# Two conveyors: one to learn from and set thresholds on, another one as the exam.
linegate record --config models/simulator.toml --seed 11 --defect-share 0.5 --parts 4000 --to "$WORK/parts"
linegate record --config models/simulator.toml --seed 77 --defect-share 0.5 --parts 1000 --to "$WORK/exam"

linegate-trainer import "$WORK/parts" --name demo
linegate-trainer split --data demo --shares 70/25/5
linegate-trainer import "$WORK/exam" --name demo-exam
linegate-trainer split --data demo-exam --shares 0/0/100

linegate-trainer train --data demo --oriented
linegate-trainer evaluate --run demo-1 --split test --data demo-exam
linegate-trainer release --run demo-1 --to models/demo --name demo
