"""`keras-gan-zoo pack` and `keras-gan-zoo push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataLicence = Annotated[str | None, typer.Option(help="Licence of the training images.")]


def pack(
    run_folder: Annotated[Path, typer.Argument(help="Folder of `keras-gan-zoo train`.")],
    tag: Annotated[str | None, typer.Option(help="Default: the name of the data.")] = None,
    output: Annotated[Path, typer.Option(help="Where presets are kept.")] = Path("zoo_weights"),
    data_licence: DataLicence = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "Apache-2.0",
) -> None:
    """Make a preset (weights, golden images, manifest, card) of a training run."""
    from keras_gan_zoo import hub

    folder = hub.pack(
        run_folder, tag, parent=output, data_licence=data_licence, weights_licence=licence
    )
    print(folder)
    print(f"golden images reproduced within {hub.check_golden(folder):.2g}")


def push(
    folder: Annotated[Path, typer.Argument(help="Preset folder, or folder of a training run.")],
    repo: Annotated[str, typer.Argument(help="user/repo on the Hugging Face hub.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Of a new repository.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch. Default: main.")] = None,
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Note the commit in the manifest.")] = False,
    tag: Annotated[str | None, typer.Option(help="For the folder of a run.")] = None,
    data_licence: DataLicence = None,
) -> None:
    """Publish a preset on the Hugging Face hub in one commit; HF_TOKEN must be able to write."""
    from keras_gan_zoo import hub

    records = {"tag": tag, "data_licence": data_licence}
    records = {key: value for key, value in records.items() if value is not None}
    done = hub.push_to_hub(
        folder, repo, private=private, revision=revision, message=message, pin=pin, **records
    )
    print(done.url)
    print(f'zoo.from_pretrained("{done.name}")')
