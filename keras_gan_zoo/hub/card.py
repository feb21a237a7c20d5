"""The model card of a preset (`README.md`), written from its manifest and nothing else.

The same manifest gives the same text. Values are quoted as JSON strings in the front matter (YAML
reads them) and escaped or indented below, so that no manifest can add structure to its card.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from keras_gan_zoo.hub.manifest import CARD as FILENAME
from keras_gan_zoo.hub.manifest import Manifest

__all__ = ["FILENAME", "metrics_table", "render"]

_TASK = "unconditional-image-generation"
_CHECKED = "Every file is checked against the size and sha256 in `manifest.json` before it is read."
_LIMITATIONS = (
    "The generator knows nothing beyond its training images: it repeats their gaps and biases, "
    "leaves some kinds of image out, and makes some that are plainly wrong.",
    "It was trained to show how the method behaves. Do not take its images for measurements or "
    "evidence, and look at them before you train another model on them.",
    "Figures that were measured with another feature extractor, number of images or "
    "preprocessing are not comparable with those above.",
)


def render(manifest: Manifest, source: str | None = None) -> str:
    """The text of `README.md`.

    Args:
        manifest: of the preset.
        source: what `from_pretrained` is to be given. None takes the manifest's repository, or the
            preset's name.

    Example:

    ```python
    text = render(Manifest.read("zoo_weights/dcgan.fashion_mnist"))
    ```
    """
    if manifest.is_extractor:
        return _render_extractor(manifest)
    shape = "x".join(str(d) for d in manifest.config["image_shape"])
    parts = [
        _front_matter(manifest),
        f"# {manifest.name}",
        f"A {_code(manifest.builder)} generator of keras-gan-zoo: {shape} images, trained on "
        f"{_text(manifest.data['name'])}. This card is written from `manifest.json`.",
    ]
    if manifest.file("preview.png"):
        seed = manifest.golden["seed"]
        parts.append(f"![64 images of seed {seed}, not selected](preview.png)")
    if source is None:
        source = f"hf://{manifest.hub['repo_id']}" if manifest.hub else manifest.name
    parts += [
        "## Use",
        "```python\nimport keras_gan_zoo as zoo\n\n"
        f"gan = zoo.from_pretrained({json.dumps(source)})\n"
        f"images = gan.sample(16, seed=0)  # float32 (16, {shape.replace('x', ', ')}) in [-1, 1]\n"
        "```",
        _CHECKED,
        *_data(manifest),
        "## Training",
        f"    {manifest.training['command']}",
        f"{_cost(manifest)}. Model: "
        f"{_code(f'zoo.create({json.dumps(manifest.builder)}, **config)')} with this config:",
        "    " + json.dumps(manifest.config, ensure_ascii=True, sort_keys=True),
        "## Metrics",
        *_metrics(manifest),
        *_licence(manifest),
        "## Limitations",
        "\n".join(f"- {line}" for line in _LIMITATIONS),
    ]
    return "\n\n".join(parts) + "\n"


def _render_extractor(manifest: Manifest) -> str:
    shape = ", ".join(str(d) for d in manifest.config["image_shape"])
    parts = [
        _front_matter(manifest),
        f"# {manifest.name}",
        f"The feature extractor {_code(manifest.builder)} of keras-gan-zoo: a classifier whose "
        "features the metrics compare. Its weights are frozen for ever: a better one gets a new "
        "name. This card is written from `manifest.json`.",
        "## Use",
        "```python\nimport keras_gan_zoo as zoo\n\n"
        f"extractor = zoo.metrics.features.get({json.dumps(manifest.builder)})\n"
        f"features = extractor(images)  # images (n, {shape}) in [-1, 1]\n```",
        _CHECKED,
        *_data(manifest),
        "## Training",
        f"    {manifest.training['command']}",
        f"{_cost(manifest)}.",
        "## Accuracy",
        *_metrics(manifest),
        *_licence(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _data(manifest: Manifest) -> list[str]:
    data = manifest.data
    return [
        "## Data",
        f"{_text(data['name'])}, split {_text(data['split'])}, {data['size']:,} images. "
        f"Preprocessing: {_text(data['preprocessing'])}.",
    ]


def _cost(manifest: Manifest) -> str:
    training = manifest.training
    return (
        f"{training['epochs']:,} epochs, {training['steps']:,} steps of {training['batch']:,} "
        f"images, {training['seconds']:,.0f} s on {_text(training['device'])}; keras "
        f"{_text(training['keras'])}, tensorflow {_text(training['tensorflow'])}"
    )


def _licence(manifest: Manifest) -> list[str]:
    licence = manifest.licence
    return [
        "## Licence",
        f"Code: {_text(licence['code'])}. Weights: {_text(licence['weights'])}. "
        f"Data: {_text(licence['data'])}.",
    ]


def metrics_table(metrics: list[Mapping[str, Any]]) -> str:
    """A Markdown table of metric records: value, 95% interval, sample sizes, extractor."""
    rows = [
        "| metric | value | 95% CI | real | generated | extractor | seed |",
        "|---|---|---|---|---|---|---|",
    ]
    for m in metrics:
        interval = (
            "" if m["ci95"] is None else f"{_number(m['ci95'][0])} .. {_number(m['ci95'][1])}"
        )
        digest = f" ({m['extractor_sha256'][:12]})" if m["extractor_sha256"] else ""
        extractor = "" if m["extractor"] is None else _text(m["extractor"]) + digest
        cells = [
            _text(m["name"]),
            _number(m["value"]),
            interval,
            f"{m['n_real']:,}",
            f"{m['n_fake']:,}",
            extractor,
            "" if m["seed"] is None else str(m["seed"]),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _metrics(manifest: Manifest) -> list[str]:
    if not manifest.metrics:
        return ["None were measured."]
    commands = list(dict.fromkeys(m["command"] for m in manifest.metrics))
    listing = "\n".join(f"    {command}" for command in commands)
    protocols = [m["protocol"] for m in manifest.metrics if m.get("protocol")]
    lines = list(dict.fromkeys(_protocol(p) for p in protocols))
    return [metrics_table(manifest.metrics), *lines, "Measured by:", listing]


def _protocol(protocol: Mapping[str, Any]) -> str:
    """How the figures were measured, beyond what their table says."""
    shown = {
        "images": protocol.get("resize"),
        "real images": " ".join(str(protocol[k]) for k in ("dataset", "split") if protocol.get(k)),
        "evaluated by": f"keras-gan-zoo {protocol['version']}" if protocol.get("version") else None,
    }
    return "Protocol: " + ", ".join(f"{k} {v}" for k, v in shown.items() if v) + "."


def _front_matter(manifest: Manifest) -> str:
    quote = _quote
    licence = manifest.licence["weights"]
    lines = ["---"]
    if re.fullmatch(r"[A-Za-z0-9.+-]+", licence):
        lines.append(f"license: {quote(licence.lower())}")
    else:
        lines += ["license: other", f"license_name: {quote(licence)}"]
    lines += [
        "library_name: keras",
        *(() if "num_classes" in manifest.config else (f"pipeline_tag: {_task(manifest)}",)),
        "tags:",
        *(() if manifest.is_extractor else ("- gan",)),
        "- keras-gan-zoo",
        f"- {quote(manifest.builder)}",
    ]
    dataset = manifest.data["name"]
    if re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?", dataset):
        lines += ["datasets:", f"- {quote(dataset)}"]
    if manifest.metrics:
        lines += [
            "model-index:",
            f"- name: {quote(manifest.name)}",
            "  results:",
            "  - task:",
            f"      type: {_task(manifest)}",
            "    dataset:",
            f"      name: {quote(dataset)}",
            f"      type: {quote(dataset)}",
            "    metrics:",
        ]
        for m in manifest.metrics:
            extractor = f" ({m['extractor']})" if m["extractor"] else ""
            lines += [
                f"    - type: {quote(m['name'])}",
                f"      name: {quote(m['name'] + extractor)}",
                f"      value: {json.dumps(m['value'])}",
            ]
    return "\n".join([*lines, "---"])


def _task(manifest: Manifest) -> str:
    return "image-classification" if manifest.is_extractor else _TASK


def _quote(value: str) -> str:
    """A double-quoted string that is both JSON and YAML."""
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _number(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}"


def _text(value: str) -> str:
    """Plain text within a Markdown line or table cell."""
    return re.sub(r"([\\`*\[\]<>|#!])", r"\\\1", value)


def _code(value: str) -> str:
    return f"`{value}`"
