"""`export`: a GAN as files for serving, whole or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import keras_gan_zoo
from keras_gan_zoo._text import suggest
from keras_gan_zoo.export import check, convert, saved_model
from keras_gan_zoo.export.fold import PRECISIONS, fold
from keras_gan_zoo.hub.verify import sha256
from keras_gan_zoo.training.construct import dtype_policy, in_float32

FORMATS = ("saved_model", *convert.FORMATS)
MANIFEST = "zoo_manifest.json"
MAX_IMAGES = 1024


@dtype_policy("float32")
def export(
    gan: Any,
    path: str | Path,
    formats: Sequence[str] = ("saved_model",),
    *,
    version: int | None = None,
    precision: str = "float32",
    batch_size: int | None = None,
    jit_compile: bool = False,
    max_images: int = MAX_IMAGES,
) -> Path:
    """Export a GAN for serving, into the folder `path/<version>/`.

    The SavedModel is laid out for TF Serving, with a warm-up request. Its signatures:

    | name | inputs | output |
    |---|---|---|
    | `serving_default` | `z` float32 `(b, latent_dim)` | `images` float32 in [-1, 1] |
    | `sample` | `seed` int64, `n` int32, scalars | `images` uint8 `(n, h, w, c)` |
    | `sample_uint8` | the same and `truncation` float32 in (0, 1] | `images` uint8 |
    | `sample_float` | as `sample_uint8` | `images` float32 in [-1, 1] |
    | `sample_png` | as `sample_uint8` | `image_bytes`: n PNG files |
    | `discriminate` | `images` float32 `(b, h, w, c)` | `logits` float32 |

    Conditional models take `labels` int32 too: `(b,)` in `serving_default` and, where the
    discriminator reads them, in `discriminate`; `(n,)` or `(1,)` in the last three `sample_*`;
    `sample` draws them. The same seed gives the same images, those of `gan.sample(n, seed)`. The
    generator is the EMA twin where there is one; BatchNormalization is folded into the layer
    before it and weights are constants of the graph. A model of another dtype is exported, and
    compared, in float32. The folder loads in a process that has only TensorFlow.

    The other formats hold the generator alone, from `z` (and `labels`) to `images`:

    | format | file | needs |
    |---|---|---|
    | `onnx` | `generator.onnx` | `keras-gan-zoo[onnx]` |
    | `litert` | `generator.tflite` | `keras-gan-zoo[litert]` |
    | `litert_float16` | `generator_float16.tflite`, weights in half precision | the same |
    | `litert_int8` | `generator_int8.tflite`, int8 inside, ranges of own latents | the same |
    | `openvino` | `generator.xml` and `generator.bin` | `keras-gan-zoo[openvino]` |

    Each format is opened again in its own runtime and compared with Keras on 64 images; the
    differences are in `zoo_manifest.json`, beside the sha256 of each file, the versions and the
    git revision. Give exports without a SavedModel a path of their own: TF Serving expects one in
    every numbered folder.

    Args:
        gan: a `GAN`.
        path: the model's folder; each version is a numbered folder in it.
        formats: one or several of the above.
        version: None takes the next free number, starting at 1.
        precision: `"bfloat16"` computes all but the last layers in bfloat16 (SavedModel), or is
            what an OpenVINO file, whose weights are float32 all the same, is checked in.
        batch_size: None for any number of rows, or the one that the graphs are made for. LiteRT
            files are made for 1 where it is None.
        jit_compile: compile the SavedModel's networks with XLA, which needs `batch_size`. TPUs
            run such functions; only the compilation was tried here, on CPU.
        max_images: largest `n` of the `sample` signatures: a request cannot ask for more memory
            than the server has.

    Returns:
        The folder that was written, `path/<version>`. It appears complete or not at all.

    Raises:
        ValueError: an unknown format or precision, options that exclude each other, a version
            below 1.
        FileExistsError: the version is there already; exports are never overwritten.
        ImportError: a format whose packages are not installed; names the extra.
        ExportMismatchError: a format gives other images than Keras.

    Example:

    ```python
    folder = zoo.export(gan, "served/dcgan", formats=("saved_model", "onnx"))
    served = tf.saved_model.load(str(folder))
    images = served.signatures["sample"](seed=tf.constant(0, tf.int64), n=tf.constant(4))["images"]
    ```
    """
    formats = [formats] if isinstance(formats, str) else list(dict.fromkeys(formats))
    _check_options(formats, precision, batch_size, jit_compile, max_images)
    gan = in_float32(gan)
    path = Path(path)
    version = _free_version(path, version)
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=path))
    try:
        writing.chmod(0o755)
        network = fold(_generator(gan), precision)
        for name in formats:
            if name == "saved_model":
                saved_model.write(
                    gan,
                    network,
                    writing,
                    batch_size=batch_size,
                    jit_compile=jit_compile,
                    max_images=max_images,
                    name=path.name,
                )
            else:
                plain = network if precision == "float32" else fold(_generator(gan))
                convert.convert(name, gan, plain, writing, batch_size)
        checks = check.compare(gan, writing, formats, batch_size, precision)
        record = {
            **_describe(gan),
            "version": version,
            "formats": formats,
            "precision": precision,
            "batch_size": batch_size,
            "jit_compile": jit_compile,
            "max_images": max_images,
            "checks": [row.to_dict() for row in checks],
            "files": _files(writing),
            "versions": {
                "keras_gan_zoo": keras_gan_zoo.__version__,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
            },
            "git_revision": git_revision(),
        }
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        (writing / MANIFEST).write_text(text, encoding="utf-8")
        final = path / str(version)
        writing.rename(final)
    finally:
        shutil.rmtree(writing, ignore_errors=True)
        if made and not any(path.iterdir()):
            path.rmdir()
    return final


def _check_options(
    formats: Sequence[str],
    precision: str,
    batch_size: int | None,
    jit_compile: bool,
    max_images: int,
) -> None:
    if not formats:
        raise ValueError(f"formats must name at least one of {', '.join(FORMATS)}.")
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"There is no export format {name!r}. {suggest(name, FORMATS)}")
        if name != "saved_model":
            convert.require(name)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}. Received: {precision!r}")
    if precision == "bfloat16":
        float_only = [n for n in formats if n not in ("saved_model", "openvino")]
        if float_only:
            raise ValueError(
                "precision='bfloat16' is for saved_model and openvino; export the others apart. "
                f"Received: formats={formats}"
            )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: batch_size={batch_size}")
    if jit_compile and (batch_size is None or "saved_model" not in formats):
        raise ValueError(
            "jit_compile=True compiles a SavedModel with XLA, which needs static shapes: give "
            f"batch_size. Received: batch_size={batch_size}, formats={formats}"
        )
    if max_images < 1:
        raise ValueError(f"max_images must be at least 1. Received: max_images={max_images}")


def _free_version(path: Path, version: int | None) -> int:
    taken = [int(n) for p in path.glob("*") if (n := p.name).isascii() and n.isdigit()]
    version = max(taken, default=0) + 1 if version is None else int(version)
    if version < 1:
        raise ValueError(f"version must be at least 1. Received: version={version}")
    if version in taken:
        raise FileExistsError(
            f"{path / str(version)} exists; exports are never overwritten. Leave out the version "
            f"to write version {max(taken) + 1}."
        )
    return version


def _generator(gan: Any) -> Any:
    return gan.ema_generator or gan.generator


def _describe(gan: Any) -> dict[str, Any]:
    recipe = gan.recipe or {}
    return {
        "model": recipe.get("name"),
        "preset": recipe.get("preset"),
        "latent_dim": gan.latent_dim,
        "image_shape": list(gan.image_shape),
        "num_classes": gan.num_classes,
    }


def _files(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return [
        {
            "path": p.relative_to(folder).as_posix(),
            "bytes": p.stat().st_size,
            "sha256": sha256(p),
        }
        for p in paths
    ]


def git_revision() -> str | None:
    """The commit of the checkout that this package runs from, "+changes" where it was altered.

    None for an installed package.
    """
    root = Path(keras_gan_zoo.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        commit = _output([*git, "rev-parse", "HEAD"])
        changed = _output([*git, "status", "--porcelain", "--untracked-files=no"])
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+changes" if changed else commit


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
