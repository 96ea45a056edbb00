#!/bin/sh
# Makes models/demo again: the model of `linegate demo`, from simulated parts only, without outside
# weights. Run it in the checkout's root: half an hour on two cores and 9 GB of memory, 4 GB below build/.
set -eu
work=build/demo-model
PATH="$PWD/.venv/bin:$PATH"
LINEGATE_HOME="$work/home"
export LINEGATE_HOME

# Many short recordings, since conveyors and lots differ more than parts do, and a few long ones;
# the exam comes from conveyors that were never seen.
record() {
  linegate record --config models/simulator.toml --defect-share 0.5 --seed "$1" --parts "$2" --to "$3/$1"
}
for seed in $(seq 1001 1090); do record "$seed" 40 $work/parts; done
for seed in $(seq 1091 1094); do record "$seed" 600 $work/parts; done
for seed in $(seq 2001 2025); do record "$seed" 40 $work/exam; done

linegate-trainer import $work/parts --name demo
linegate-trainer split --data demo --shares 75/25/0 --by lot
linegate-trainer import $work/exam --name demo-exam
linegate-trainer split --data demo-exam --shares 0/0/100

linegate-trainer train --data demo --learner deep --size 320x240 --grey --alpha 0.03
linegate-trainer evaluate --run demo-1 --data demo-exam
linegate-trainer release --run demo-1 --to models/demo --name demo \
  --purpose "Inspects the simulated parts of the demo; models/train-demo.sh makes it again." \
  --licence "Apache-2.0: simulated parts only, no outside weights"
