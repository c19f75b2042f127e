"""Turn a handle into a folder: list the preset, check format and disk space, let the library download it."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from codegemma_ui import presets
from codegemma_ui.download.error_messages import WORDS, DownloadError, error_of, translate
from codegemma_ui.download.huggingface import HuggingFace
from codegemma_ui.download.inspecting import (
    SMALL_FILES,
    check_folder,
    check_listing,
    other_format,
)
from codegemma_ui.download.kaggle import Kaggle
from codegemma_ui.download.source import ANSWER_SECONDS, Source, size_on_disk
from codegemma_ui.fim.vocabulary import TOKENIZER_MODEL, VOCABULARY_FILE
from codegemma_ui.presets.model_format import CONFIG_FILE, format_of, wanted

Report = Callable[[int, int | None], None]
Result = TypeVar("Result")

POLL_SECONDS = 0.25
STALL_SECONDS = (
    120.0  # long, because a resumed file is hashed from its start before new data arrives
)


def download(
    handle: str,
    report: Report,
    *,
    only: str | None = None,
    stall_seconds: float = STALL_SECONDS,
) -> Path:
    """Download a preset, or find it on disk.

    Args:
        handle: `kaggle://owner/model/keras/variation[/version]`, `hf://owner/name`, or a folder.
        report: Called in this thread with received and total bytes (None if unknown), as soon as the total is
            known and then at least every half second. Not called for a preset that needs no download.
        only: Path inside the preset of the only file needed; None for all files.
        stall_seconds: Give up after this long without a single byte.

    Returns:
        The preset's folder, with its `config.json` or with that one file.

    Raises:
        DownloadError: With a code of `WORDS`. After a stall the library's threads may live on.
    """
    source: Source
    if presets.KAGGLE_HANDLE.fullmatch(handle):
        source = Kaggle.parse(handle)
    elif presets.HF_HANDLE.fullmatch(handle):
        source = HuggingFace.parse(handle)
    elif handle and "://" not in handle:
        return _local(handle)
    else:
        raise _bad_handle(handle)

    try:
        source.only = only
        cached = source.cached()
        if cached is not None:
            if only is None:
                check_folder(handle, source.words, cached)
            return cached
        has_key = source.has_key()
        sizes = _list(source)
        if only == VOCABULARY_FILE.as_posix() and TOKENIZER_MODEL.as_posix() in sizes:
            only = source.only = TOKENIZER_MODEL.as_posix()
        if sizes and only not in sizes:
            check_listing(handle, source.words, sizes)
        sizes = {name: sizes[name] for name in wanted(sizes)}
        if only is not None:
            sizes = {name: size for name, size in sizes.items() if name == only}
        _check_room(source, sizes)
    except DownloadError:
        raise
    except Exception as error:
        raise translate(error, source.words, has_key=True, moved=False) from error
    total = sum(sizes.values()) or None

    def fetch() -> Path:
        return _fetch(source, total, report, stall_seconds, has_key=has_key)

    known = any(handle == preset.handle for preset in presets.CODEGEMMA)
    if only is None and not known and source.received_bytes() < (total or 0):
        for name in (name for name in SMALL_FILES if name in sizes):
            source.only = name
            check_folder(handle, source.words, fetch())
        source.only = None
    path = fetch()
    _verify(source, path, sizes)
    if only is None:
        check_folder(handle, source.words, path)
    if total is not None:
        report(total, total)
    return path


def credentials_present() -> dict[str, bool]:
    """Return whether a readable key is set, per site (`kaggle`, `huggingface`); never the key itself."""
    present = {}
    sources: dict[str, Source] = {
        "kaggle": Kaggle.parse("kaggle://keras/codegemma/keras/code_gemma_2b_en"),
        "huggingface": HuggingFace.parse("hf://google/codegemma-2b"),
    }
    for name, source in sources.items():
        try:
            present[name] = source.has_key()
        except (DownloadError, OSError):  # an unreadable key file
            present[name] = False
    return present


def _list(source: Source) -> dict[str, int]:
    """Return the files to expect: path inside the preset -> bytes; empty if unknown.

    A failed listing does not stop the download. The library may have the preset in its cache or on a mounted
    disk, and otherwise reports the problem itself.
    """
    listing = _in_background(source.listing)
    with contextlib.suppress(Exception):
        return listing.result(ANSWER_SECONDS)
    if not listing.done():
        raise error_of("network", source.words, f"no answer for {ANSWER_SECONDS:.0f} seconds")
    return {}


def _check_room(source: Source, sizes: dict[str, int]) -> None:
    missing = sum(sizes.values()) - source.received_bytes()
    free = shutil.disk_usage(_existing(source.folder())).free
    if missing > free:
        room = f"{_in_words(missing)} still to come, {_in_words(free)} free"
        raise error_of("disk_full", source.words, room)


def _fetch(
    source: Source, total: int | None, report: Report, stall_seconds: float, *, has_key: bool
) -> Path:
    """Run the library's download in a thread, and watch the folder grow from this one."""
    started_with = source.received_bytes()
    fetching = _in_background(source.fetch)
    received, grew_at = -1, time.monotonic()
    while not fetching.done():
        now = source.received_bytes()
        if now != received:
            received, grew_at = now, time.monotonic()
        elif time.monotonic() - grew_at > stall_seconds:
            code = "connection_lost" if received > started_with else "network"
            raise error_of(code, source.words, f"no bytes for {stall_seconds:.0f} seconds")
        if total is not None:
            report(min(received, total), total)
        elif received > started_with:
            report(received, None)
        with contextlib.suppress(Exception):
            fetching.result(POLL_SECONDS)
    error = fetching.exception()
    if isinstance(error, DownloadError):
        raise error
    if isinstance(error, Exception):
        moved = source.received_bytes() > started_with
        raise translate(error, source.words, has_key=has_key, moved=moved) from error
    return fetching.result()


def _verify(source: Source, preset: Path, sizes: dict[str, int]) -> None:
    """Compare the result with the listing; remove files that differ, so that they are fetched again."""
    if isinstance(source, HuggingFace) and preset.name != source.commit:
        sizes = {}  # `main` moved between the two requests, or this is the cache
    wrong = []
    for name, size in sizes.items():
        if size <= 0 or _leads_out(name):
            continue
        came = size_on_disk(preset / name)
        if came != size:
            source.discard(preset, name)
            wrong.append(f"{came:,} of {size:,} bytes of {name}")
    if wrong:
        raise error_of("corrupt_file", source.words, "; ".join(wrong))
    wanted = source.only or "config.json"
    if not (preset / wanted).is_file():
        raise error_of("preset_not_found", source.words, f"a model without {wanted}")


def _bad_handle(handle: str) -> DownloadError:
    framework = presets.other_framework(handle)
    if framework is None:
        return error_of("bad_handle", {}, repr(handle))
    message = WORDS["bad_handle"][0].format(received=f"{handle}, for {framework}")
    return DownloadError("bad_handle", message, presets.instead_of(handle))


def _leads_out(name: str) -> bool:
    """Return whether a path leaves its base folder, as the hub or this system interprets it."""
    paths: tuple[PurePath, ...] = PurePosixPath(name), PurePath(name)
    return any(path.anchor or ".." in path.parts for path in paths)


def _local(handle: str) -> Path:
    folder = Path(os.path.expanduser(handle))  # noqa: PTH111  # Path's raises for ~nobody
    if folder.is_file():
        raise other_format(handle, {}, f"a file, {format_of([folder.name])}")
    if folder.is_dir():
        check_folder(handle, {}, folder)
    if (folder / CONFIG_FILE).is_file():
        return folder.resolve()
    if folder.is_dir():
        came = "a folder without one"
    elif folder.is_absolute() or handle.startswith((".", "~")):
        came = "no such folder"
    else:
        raise _bad_handle(handle)
    raise DownloadError(
        "preset_not_found",
        f"Expected a folder with a preset's config.json in it. Received: {came}: {handle}.",
        "Give the folder that save_to_preset() wrote.",
    )


def _in_background(work: Callable[[], Result]) -> "Future[Result]":
    """Run `work` in a daemon thread: unlike an executor's, it cannot delay the end of the process."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _existing(path: Path) -> Path:
    return next(folder for folder in [path, *path.absolute().parents] if folder.exists())


def _in_words(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
