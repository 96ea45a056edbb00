"""What the browser is sent: vendored unchanged, small, nothing from elsewhere, readable."""

import hashlib
import re
from pathlib import Path

import pytest

import edge.page

PAGE = Path(edge.page.__file__).parent
STATIC = PAGE / "static"
TEMPLATES = sorted((PAGE / "templates").glob("*.html"))
OURS = [*TEMPLATES, STATIC / "page.js", STATIC / "page.css", STATIC / "icon.svg"]


def test_vendored_files_are_unchanged_and_licensed():
    rows = re.findall(
        r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", (STATIC / "VENDORED.md").read_text()
    )
    assert {name for name, _ in rows} == {"htmx.min.js", "hx-sse.min.js", "htmx.LICENSE"}
    for name, sha256 in rows:
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == sha256, name


def test_scripts_and_styles_stay_small():
    assert sum(file.stat().st_size for file in STATIC.glob("*.[jc]s*")) <= 150_000


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(file):
    text = file.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|//cdn|@import", text)
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:|\beval\(|hx-on", text)
    for script in re.findall(r"<script[^>]*>", text):
        assert 'src="/static/' in script


def test_only_fragments_of_our_own_making_are_marked_safe():
    for file in TEMPLATES:
        safe = re.findall(r"\{\{([^}]*)\|\s*safe\s*\}\}", file.read_text())
        assert all(name.strip().startswith("fragments.") for name in safe), file.name


# ---- contrast: WCAG 2.2, 1.4.3 ----


def themes():
    css = (STATIC / "page.css").read_text()
    dark, light = (dict(_colours(block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)[:2])
    return {"dark": dark, "light": dark | light}


def _colours(block):
    return re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_formula_on_known_pairs():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_text_is_readable(theme):
    colours = themes()[theme]
    tones = ["pass", "rework", "review", "degraded", "fault", "off", "accent"]
    for ground in ("ground", "panel", "raised"):
        for text in ("text", "quiet", *tones):
            found = contrast(colours[text], colours[ground])
            assert found >= 4.5, f"{text} on {ground}: {found:.2f}"
    for tone in ("pass", "rework"):
        assert contrast(colours["ink"], colours[tone]) >= 4.5
