"""Presets from the Hugging Face hub, through its own client.

`HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, `HF_HOME`, proxies and progress bars work as the
client's users know them. Only the manifest and the files that it lists are downloaded, each after
a look at the size the server states, and each is checked against the manifest's sha256.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_gan_zoo.hub.manifest import FILENAME, MAX_MANIFEST_BYTES, Manifest, ManifestError
from keras_gan_zoo.hub.verify import VerificationError, verify_file

# Pauses before a busy or broken server (429, 5xx) is asked again, in seconds.
_PAUSES = (0.5, 2.0, 5.0)
_BUSY = (429, 500, 502, 503, 504)


class DownloadError(OSError):
    """The hub could not be reached, or does not have what was asked for."""


def fetch(repo_id: str, revision: str, manifest: Manifest | None = None) -> tuple[Path, Manifest]:
    """A verified snapshot of a repository in the hub's cache, downloaded where it is not there.

    Args:
        repo_id: `"user/repo"`.
        revision: commit hash, branch or tag.
        manifest: what the files must be. None takes the repository's own manifest.

    Returns:
        The snapshot's folder and the manifest its files were checked against.

    Raises:
        DownloadError: repository, revision or file missing, no access, no connection, disk full.
        ManifestError: the repository's manifest is not one.
        VerificationError: files that are not those of the manifest, also when fetched again.
    """
    where = f"hf://{repo_id}@{revision}"
    path = _download(repo_id, FILENAME, revision, MAX_MANIFEST_BYTES, where)
    commit = path.parent.name  # .../snapshots/<commit>/manifest.json: all files of one commit
    if manifest is None:
        try:
            manifest = Manifest.read(path.parent)
        except ManifestError:  # damaged in the cache, or as published: look once more
            _download(repo_id, FILENAME, commit, MAX_MANIFEST_BYTES, where, force=True)
            manifest = Manifest.read(path.parent)
    for entry in manifest.files:
        _fetch_file(repo_id, commit, entry, manifest, path.parent, where)
    return path.parent, manifest


def _fetch_file(
    repo_id: str,
    commit: str,
    entry: Mapping[str, Any],
    manifest: Manifest,
    folder: Path,
    where: str,
) -> None:
    _download(repo_id, entry["path"], commit, entry["bytes"], where, exact=True)
    try:
        verify_file(folder, entry, manifest)
    except VerificationError:  # a damaged cache entry is fetched again, once
        _download(repo_id, entry["path"], commit, entry["bytes"], where, exact=True, force=True)
        try:
            verify_file(folder, entry, manifest)
        except VerificationError as error:
            raise VerificationError(
                f"{where} does not hold the file that the manifest of {manifest.name!r} speaks of; "
                f"it was downloaded twice. {error}"
            ) from error


def _download(
    repo_id: str,
    filename: str,
    revision: str,
    limit: int,
    where: str,
    *,
    exact: bool = False,
    force: bool = False,
) -> Path:
    import huggingface_hub as hub
    from huggingface_hub import errors

    try:
        cached = hub.try_to_load_from_cache(repo_id, filename, revision=revision)
        if (force or not isinstance(cached, str)) and not hub.constants.HF_HUB_OFFLINE:
            _check_size(repo_id, filename, revision, limit, where, exact)
        if force and hub.constants.HF_HUB_OFFLINE:
            force = False  # the damaged file stays what it is, and is reported as such
        for pause in (*_PAUSES, None):
            try:
                return Path(
                    hub.hf_hub_download(repo_id, filename, revision=revision, force_download=force)
                )
            except Exception as error:
                if pause is None or _status(error) not in _BUSY:
                    raise
                time.sleep(pause)
    except errors.GatedRepoError as error:
        raise DownloadError(
            f"{where}: access is restricted. Ask for it on the repository's page, then set "
            "HF_TOKEN or run `hf auth login`."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise DownloadError(
            f"{where}: there is no such repository, or it is private. Check the name; for a "
            "private one set HF_TOKEN or run `hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise DownloadError(f"{where}: the repository has no such revision.") from error
    except errors.LocalEntryNotFoundError as error:
        if status := _status(error):
            raise DownloadError(
                f"{where}: the hub answered {status} for {filename}. Nothing was left "
                "half-written; try again."
            ) from error
        raise DownloadError(
            f"{where}: {filename} is not in the cache, and the hub cannot be reached "
            "(no connection, or HF_HUB_OFFLINE=1). Connect once, or pass the path of a folder."
        ) from error
    except errors.EntryNotFoundError as error:
        what = "is not a preset of keras_gan_zoo: it" if filename == FILENAME else "is incomplete:"
        raise DownloadError(f"{where} {what} has no file {filename!r}.") from error
    except errors.HFValidationError as error:
        raise DownloadError(f"{where}: not a name of the hub. {error}") from error
    except (VerificationError, DownloadError):
        raise
    except Exception as error:  # HTTP errors, cut connections, a full disk: of several libraries
        raise DownloadError(
            f"{where}: {filename} could not be downloaded ({type(error).__name__}: {error}). "
            "Nothing was left half-written; try again."
        ) from error


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of the client, if there is one."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return status
        error = error.__cause__ or error.__context__
    return None


def _check_size(
    repo_id: str, filename: str, revision: str, limit: int, where: str, exact: bool
) -> None:
    """Refuse a file by the size that the server states, before it is downloaded."""
    import huggingface_hub as hub
    from huggingface_hub import errors

    url = hub.hf_hub_url(repo_id, filename, revision=revision)
    try:
        size = hub.get_hf_file_metadata(url).size
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        raise
    except Exception:  # not reachable: the download that follows retries, and says why
        return
    if size is None or size > limit or (exact and size != limit):
        wanted = f"expected {limit:,} bytes" if exact else f"at most {limit:,} bytes are read"
        stated = "no size" if size is None else f"{size:,} bytes"
        raise VerificationError(
            f"{where}: {wanted} of {filename!r}, the server states {stated}. Nothing was "
            "downloaded; tell the owner of the repository."
        )
