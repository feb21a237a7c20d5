"""Presets to the Hugging Face hub, and presets made of training runs.

This module imports neither TensorFlow nor Keras until a model has to be saved.
"""

from __future__ import annotations

import json
import os
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keras_gan_zoo.hub import card, index
from keras_gan_zoo.hub.manifest import CARD, FILENAME, Manifest, ManifestError, write_whole
from keras_gan_zoo.hub.verify import verify_folder

REPORT, MODEL = "report.json", "model.keras"
# Licences of data sets that the zoo can load; those of other images only their owner knows.
DATA_LICENCES = {
    "fashion_mnist": "MIT",
    "fashion_mnist_mini": "MIT",
    "mnist": "CC-BY-SA-3.0",
}


class PublishError(OSError):
    """The hub did not take what was pushed."""


@dataclass(frozen=True)
class Published:
    """What `push_to_hub` has done.

    Attributes:
        repo_id: `"user/repo"`.
        revision: the commit, a full hash.
        url: of the commit.
    """

    repo_id: str
    revision: str
    url: str

    @property
    def name(self) -> str:
        """What `from_pretrained` takes: `"hf://user/repo@<commit>"`."""
        return f"hf://{self.repo_id}@{self.revision}"


def push_to_hub(
    gan_or_folder: Any,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
    message: str | None = None,
    pin: bool = False,
    **records: Any,
) -> Published:
    """Publish a preset on the Hugging Face hub, in one commit.

    Weights, golden images, preview, manifest and model card are uploaded together through
    huggingface_hub: `HF_ENDPOINT`, `HF_TOKEN` and the token of `hf auth login` work as its users
    know them. The repository is made where there is none. Weights are never overwritten: a branch
    that holds another preset of the same name is left as it is.

    Args:
        gan_or_folder: a preset's folder; the folder of a training run, which is packed first
            (`records` go to `pack`); or a `GAN`, with the records that `save_preset` takes
            (`data`, `licence`, `training`, `metrics`) and `tag`.
        repo_id: `"user/repo"`.
        private: make the repository private, or public. None: as it is, public where it is new.
        revision: branch to commit to, made where there is none. None means `main`.
        token: access token with write permission. None takes the client's own.
        message: of the commit.
        pin: write repository and commit into the manifest of the folder that was pushed, so that
            the preset can be downloaded by name.
        **records: see `gan_or_folder`.

    Returns:
        Repository, commit and URL.

    Raises:
        PublishError: no access, no connection, or the branch has moved meanwhile.
        FileExistsError: the branch holds other weights under the same name.
        ValueError: `private` is not what the existing repository is, or a wrong name.
        ManifestError, VerificationError: the folder is not a sound preset.

    Example:

    ```python
    zoo.push_to_hub("zoo_weights/dcgan.my_data", "me/dcgan.my_data", private=True)
    gan = zoo.from_pretrained("hf://me/dcgan.my_data")
    ```
    """
    is_path = isinstance(gan_or_folder, (str, os.PathLike))
    if pin and not (is_path and (Path(gan_or_folder) / FILENAME).is_file()):
        raise ValueError("pin=True is for a preset's folder: pack the run or model first.")
    with _preset(gan_or_folder, repo_id, records) as folder:
        manifest = Manifest.read(folder)
        verify_folder(folder, manifest)
        with _explained(repo_id):
            published = _commit(folder, manifest, repo_id, private, revision, token, message)
    if pin:
        _pin(Path(gan_or_folder), published)
    return published


@contextmanager
def _preset(given: Any, repo_id: str, records: Mapping[str, Any]) -> Iterator[Path]:
    """The folder of a preset, a temporary one for a run or a model."""
    is_path = isinstance(given, (str, os.PathLike))
    if is_path and (Path(given) / FILENAME).is_file():
        if records:
            raise TypeError(
                f"A preset's folder has its records in {FILENAME}. Received also: "
                f"{', '.join(sorted(records))}"
            )
        yield Path(given)
        return
    with tempfile.TemporaryDirectory() as parent:
        if is_path:
            yield pack(given, parent=parent, **records)
            return
        from keras_gan_zoo.hub.preset import save_preset

        records = dict(records)
        tag = records.pop("tag", None) or _tag(repo_id.rpartition("/")[2])
        missing = [k for k in ("data", "licence", "training") if k not in records]
        if missing:
            raise ValueError(
                f"To publish a GAN its card needs {', '.join(missing)}: pass them as to "
                "`hub.save_preset`, or push the folder of a training run, which knows them."
            )
        name = f"{(given.recipe or {}).get('name', 'gan')}.{tag}"
        yield save_preset(given, Path(parent) / name, name, **{"metrics": [], **records})


def _commit(
    folder: Path,
    manifest: Manifest,
    repo_id: str,
    private: bool | None,
    revision: str | None,
    token: str | None,
    message: str | None,
) -> Published:
    import huggingface_hub as hub

    api = hub.HfApi(token=token)
    api.create_repo(repo_id, private=private, exist_ok=True)
    info = api.model_info(repo_id)
    if private is not None and info.private is not None and info.private != private:
        kinds = {True: "private", False: "public"}
        raise ValueError(
            f"hf://{repo_id} exists and is {kinds[info.private]}; private={private} was asked for. "
            "Change it in the repository's settings, or leave `private` out."
        )
    branch = revision or "main"
    new = branch != "main" and _new_branch(api, repo_id, branch)
    try:
        head = api.model_info(repo_id, revision=branch).sha
        if not new:  # a new branch begins as a copy of main, which stays as it is
            _refuse_other_weights(api, manifest, repo_id, branch)
        done = _add(api, folder, manifest, repo_id, branch, head, message)
    except BaseException:
        if new:  # else the next try would find main's weights on it
            with suppress(Exception):
                api.delete_branch(repo_id, branch=branch)
        raise
    return Published(repo_id, done.oid, done.commit_url)


def _add(
    api: Any,
    folder: Path,
    manifest: Manifest,
    repo_id: str,
    branch: str,
    head: str | None,
    message: str | None,
) -> Any:
    """One commit with the preset's files, on a branch that still ends with `head`."""
    import huggingface_hub as hub

    text = card.render(replace(manifest, hub=None), source=f"hf://{repo_id}")
    record = json.dumps({**manifest.to_dict(), "hub": None}, indent=2, ensure_ascii=False) + "\n"
    contents: dict[str, Any] = {e["path"]: folder / e["path"] for e in manifest.files}
    contents |= {FILENAME: record.encode(), CARD: text.encode()}
    return api.create_commit(
        repo_id,
        [hub.CommitOperationAdd(path, content) for path, content in sorted(contents.items())],
        commit_message=message or f"Add {manifest.name}",
        revision=branch,
        parent_commit=head,
    )


def _new_branch(api: Any, repo_id: str, branch: str) -> bool:
    """Make a branch; false where it is there already."""
    from huggingface_hub import errors

    try:
        api.create_branch(repo_id, branch=branch)
    except errors.HfHubHTTPError as error:
        if error.response is None or error.response.status_code != 409:
            raise
        return False
    return True


def _refuse_other_weights(api: Any, manifest: Manifest, repo_id: str, branch: str) -> None:
    """The branch may hold this preset, or one of another name; not another of this name.

    Raises:
        FileExistsError: it does.
    """
    from huggingface_hub import errors

    with tempfile.TemporaryDirectory() as folder:
        try:
            api.hf_hub_download(repo_id, FILENAME, revision=branch, local_dir=folder)
        except errors.EntryNotFoundError:
            return
        try:
            there = Manifest.read(folder)
        except ManifestError as error:
            raise FileExistsError(
                f"hf://{repo_id}@{branch} holds a {FILENAME} that is not of a preset. Choose "
                f"another repository or `revision`. {error}"
            ) from error
    hashes = [{e["path"]: e["sha256"] for e in m.files} for m in (there, manifest)]
    if there.name == manifest.name and hashes[0] != hashes[1]:
        raise FileExistsError(
            f"hf://{repo_id}@{branch} holds other weights under the name {manifest.name!r}. "
            "Weights are never overwritten: choose a new tag, or another `revision`."
        )


@contextmanager
def _explained(repo_id: str) -> Iterator[None]:
    """The client's errors as sentences that say what to do."""
    from huggingface_hub import errors

    where = f"hf://{repo_id}"
    try:
        yield
    except errors.HFValidationError as error:
        raise ValueError(f"{where}: not a name of the hub. {error}") from error
    except errors.RepositoryNotFoundError as error:
        raise PublishError(
            f"{where}: there is no such repository, or no access to it. Set HF_TOKEN, or run "
            "`hf auth login`, with a token that may write."
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (401, 403):
            why = "no permission. Set HF_TOKEN, or run `hf auth login`, with a token that may write"
        elif status in (409, 412):
            why = "somebody else has committed meanwhile. Look at it, and push again"
        else:
            why = f"the hub answered {status}. Nothing was committed; try again"
        raise PublishError(f"{where}: {why}. ({_first_line(error)})") from error
    except (FileExistsError, ValueError):
        raise
    except Exception as error:  # connections: exceptions of several libraries
        raise PublishError(
            f"{where}: the hub cannot be reached ({type(error).__name__}: {_first_line(error)}). "
            "Nothing was committed; try again."
        ) from error


def _first_line(error: BaseException) -> str:
    """The error's first line, and that of what caused it."""
    lines = []
    while error is not None and len(lines) < 3:
        lines.append((str(error).strip().splitlines() or [type(error).__name__])[0])
        error = error.__cause__
    return ": ".join(dict.fromkeys(lines))


def _pin(folder: Path, published: Published) -> None:
    """Write where a preset was published into its own manifest and card."""
    hub = {"repo_id": published.repo_id, "revision": published.revision}
    manifest = replace(Manifest.read(folder), hub=hub)
    manifest.write(folder)
    write_whole(folder / CARD, card.render(manifest).encode())
    if (folder.parent / index.INDEX).is_file():
        index.write_index(folder.parent)


def pack(
    run_folder: str | os.PathLike[str],
    tag: str | None = None,
    *,
    parent: str | os.PathLike[str] = "zoo_weights",
    data_licence: str | None = None,
    weights_licence: str = "Apache-2.0",
    metrics: Sequence[Mapping[str, Any]] = (),
    networks: Sequence[str] = ("generator",),
) -> Path:
    """Make a preset of a training run: `<parent>/<model>.<tag>/`.

    The records are taken from the run's `report.json`; nothing is typed in but the licences.

    Args:
        run_folder: written by `keras-gan-zoo train`: `model.keras` and `report.json`.
        tag: lower-case letters, digits and `_`. None takes the name of the data.
        parent: where presets are kept; its `index.json`, where there is one, is renewed.
        data_licence: of the training images. None for data sets whose licence the zoo knows.
        weights_licence: of the result.
        metrics: measured records, as in `Manifest`.
        networks: which networks' weights to keep, as in `save_preset`.

    Returns:
        The preset's folder.

    Raises:
        FileNotFoundError: not a folder of a run.
        FileExistsError: there is such a preset; weights are never overwritten.
        ValueError: the licence of the data is not known, or a damaged report.

    Example:

    ```python
    folder = pack("runs/dcgan-garments", tag="garments", data_licence="CC-BY-4.0")
    ```
    """
    run = Path(run_folder)
    for name in (REPORT, MODEL):
        if not (run / name).is_file():
            raise FileNotFoundError(
                f"{str(run)!r} is not the folder of a training run: it holds no {name}. "
                "`keras-gan-zoo train` writes one."
            )
    model, data, training = _records(run)
    licence = data_licence or DATA_LICENCES.get(data["name"])
    if licence is None:
        raise ValueError(
            f"Under which licence are the images of {data['name']!r}? Say so with data_licence= "
            "(--data-licence), such as 'CC-BY-4.0' or 'proprietary'."
        )
    name = f"{model}.{tag or _tag(data['name'])}"
    parent = Path(parent)

    from keras_gan_zoo import registry
    from keras_gan_zoo.hub.preset import save_preset

    folder = save_preset(
        registry.load_model(run / MODEL, compile=False),
        parent / name,
        name,
        data=data,
        licence={"code": "Apache-2.0", "weights": weights_licence, "data": licence},
        metrics=metrics,
        training=training,
        networks=networks,
    )
    if (parent / index.INDEX).is_file():
        index.write_index(parent)
    return folder


def _records(run: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Model, data and training records of a run's report."""
    try:
        report = json.loads((run / REPORT).read_text(encoding="utf-8"))
        dataset = report["dataset"]
        data = {
            "name": Path(dataset["name"]).name,
            "split": "train",
            "size": dataset["images"],
            "preprocessing": dataset.get("preprocessing", "not recorded"),
        }
        training = {
            "command": report["command"],
            "epochs": report["epochs"],
            "steps": report["steps"],
            "batch": dataset["batch_size"],
            "seconds": report["training_seconds"],
            "device": report.get("device") or device(),
            "keras": report["versions"]["keras"],
            "tensorflow": report["versions"]["tensorflow"],
        }
        return report["model"], data, training
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{run / REPORT} is not the report of a training run ({type(error).__name__}: {error})."
        ) from error


def device() -> str:
    """The processor and its cores, such as `"AMD EPYC, 2 cores"`."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.*)$", info.read_text(), re.M) if info.exists() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{found[1].strip() if found else platform.machine()}, {cores} cores"


def _tag(name: str) -> str:
    """A name of data or of a repository as a tag: `"dcgan.My-Data"` -> `"my_data"`."""
    tag = re.sub(r"[^a-z0-9]+", "_", name.rpartition(".")[2].lower()).strip("_")
    return tag or "untitled"
