#!/bin/sh
# Makes models/demo again: the model of `linegate demo`, from simulated parts only, without outside
# weights. Run it in the checkout's root: half an hour on two cores, 4 GB below build/.
set -eu
work=build/demo-model
PATH="$PWD/.venv/bin:$PATH"
LINEGATE_HOME="$work/home"
export LINEGATE_HOME

# Two conveyors: one to learn from and to set thresholds on, another one as the exam.
linegate record --config models/simulator.toml --seed 11 --defect-share 0.5 --parts 6000 --to $work/parts
linegate record --config models/simulator.toml --seed 77 --defect-share 0.5 --parts 1000 --to $work/exam

linegate-trainer import $work/parts --name demo
linegate-trainer split --data demo --shares 75/25/0
linegate-trainer import $work/exam --name demo-exam
linegate-trainer split --data demo-exam --shares 0/0/100

linegate-trainer train --data demo --size 320x240 --grey --oriented --epochs 12 --alpha 0.02
# 2 % of escapes would send every third good part to a person.
linegate-trainer calibrate --run demo-1 --alpha 0.03
linegate-trainer evaluate --run demo-1 --data demo-exam
linegate-trainer release --run demo-1 --to models/demo --name demo \
  --purpose "Inspects the simulated parts of the demo; models/train-demo.sh makes it again." \
  --licence "Apache-2.0: simulated parts only, no outside weights"
