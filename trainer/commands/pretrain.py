"""`linegate-trainer pretrain`: a backbone of our own, from procedural pictures alone."""

import os
from pathlib import Path

import click

from edge.core.cli import print_json
from trainer.clock import SystemClock
from trainer.commands.common import command_line, json_option, progress
from trainer.config import find_home
from trainer.release import backbone_card
from trainer.runs import code_version, peak_mb


@click.command("pretrain")
@click.option(
    "--to",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The ONNX file to write; its card lies beside it.",
)
@click.option("--steps", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Same seed, same machine: same file.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of the net.")
@json_option
@click.pass_context
def command(
    ctx: click.Context, /, to: Path, steps: int, seed: int, threads: int, as_json: bool
) -> None:
    """Teach a backbone to see, without any outside picture or weights.

    It learns on textures, patterns and drawings that are made while it runs, in which it must
    find places again and notice what was altered. A run that was stopped goes on where it was;
    more --steps carry it on. It uses a GPU where there is one; on two cores a thousand steps
    take about five minutes.

    \b
    Example:
      linegate-trainer pretrain --steps 20000 --to models/own.onnx
    """
    from trainer.learn import lessons, pretrain  # torch takes seconds to load

    settings = pretrain.Settings(seed=seed, steps=steps)
    folder, clock = find_home().path / "pretrain", SystemClock()
    begun_ns, code = clock.monotonic_ns(), code_version()
    backbone = pretrain.train(settings, folder, lessons.ahead, progress, threads)
    seconds = (clock.monotonic_ns() - begun_ns) / 1e9
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_suffix(".part")
    part.write_bytes(backbone.model.SerializeToString(deterministic=True))
    os.replace(part, to)
    card = to.with_suffix(".md")
    card.write_text(backbone_card.text(to, settings, command_line(ctx), code))
    click.echo(f"{to}: {steps} steps; this sitting {seconds:.0f} s, {peak_mb():.0f} MB at most")
    click.echo(f"next: linegate-trainer train --data NAME --backbone {to}")
    if as_json:
        print_json({"file": str(to), "steps": steps, "seconds": seconds, "peak_mb": peak_mb()})
