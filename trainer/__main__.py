"""READ FIRST: the workshop's commands, in the order in which one uses them."""

import os

import click

from edge.core.cli import Lazy, LazyGroup

COMMANDS = {
    "ingest": Lazy("trainer.commands.ingest", "Take in the records and images that stations send."),
    "import": Lazy("trainer.commands.import_", "Take pictures and their labels into a data set."),
    "split": Lazy("trainer.commands.split", "Cut a data set into train, val and test by part."),
    "preview": Lazy("trainer.commands.preview", "Show what training makes of pictures; judge it."),
    "pretrain": Lazy("trainer.commands.pretrain", "Teach a backbone of our own to see."),
    "train": Lazy("trainer.commands.train", "Train a model: from pictures to one int8 file."),
    "calibrate": Lazy("trainer.commands.calibrate", "Set other thresholds, for another risk."),
    "evaluate": Lazy("trainer.commands.evaluate", "Judge a run's int8 file on held-out parts."),
    "release": Lazy("trainer.commands.release", "Write a run as a bundle for the box."),
    "bench": Lazy("trainer.commands.bench", "Measure the learners on sets of real parts."),
    "runs": Lazy("trainer.commands.runs", "List what was trained, with figures."),
}

# Read when torch is loaded: waiting threads sleep instead of spinning. On a machine with other
# work, spinning makes two threads three times slower than one.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="All data lives under LINEGATE_HOME (default: your user data folder).",
)
@click.version_option(package_name="linegate")
def main() -> None:
    """The workshop beside the line: from labelled pictures to a model that earned its place.

    \b
    linegate-trainer import parts/split.csv --name parts
    linegate-trainer split --data parts
    linegate-trainer preview --data parts --to sheet.png
    linegate-trainer train --data parts
    linegate-trainer evaluate --run parts-1 --split test
    linegate-trainer release --run parts-1 --to models/parts
    """


if __name__ == "__main__":
    main()
