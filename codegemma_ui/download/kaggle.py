"""Presets on Kaggle: requests to kagglehub, and its file locations."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegemma_ui.download.error_messages import error_of
from codegemma_ui.download.source import check_key, size_on_disk


@dataclass
class Kaggle:
    """`kaggle://owner/model/keras/variation[/version]`, through kagglehub (read: 1.0.2)."""

    handle: Any  # kagglehub.handle.ModelHandle
    words: dict[str, str]
    only: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Kaggle":
        from kagglehub.handle import parse_model_handle
        from kagglesdk.kaggle_env import get_endpoint, get_env

        path = text.removeprefix("kaggle://")
        owner, model = path.split("/")[:2]
        words = {
            "site": "Kaggle",
            "handle": text,
            "page": f"https://www.kaggle.com/models/{owner}/{model}",
            "tokens": "https://www.kaggle.com/settings",
            "variables": "KAGGLE_API_TOKEN (or KAGGLE_USERNAME and KAGGLE_KEY)",
            "cache": "KAGGLEHUB_CACHE",
            "resumes": "it goes on from where it stopped",
        }
        with contextlib.suppress(Exception):  # an environment unknown to kagglesdk fails later
            words["address"] = get_endpoint(get_env())
        return cls(parse_model_handle(path), words)

    def cached(self) -> Path | None:
        from kagglehub.cache import Cache

        if not self.handle.is_versioned():
            return None
        found = Cache().load_from_cache(self.handle)
        if not found and self.only and Cache().load_from_cache(self.handle, self.only):
            return self.folder()
        if found and not Path(found, "config.json").is_file():
            Cache().mark_as_incomplete(self.handle)  # or kagglehub would return a broken folder
            return None
        return Path(found) if found else None

    def has_key(self) -> bool:
        from kagglehub.clients import build_kaggle_client
        from kagglehub.config import get_kaggle_credentials

        try:
            with build_kaggle_client():  # reads all key files, sends nothing
                found = get_kaggle_credentials()
        except Exception as error:
            # Broken JSON is a ValueError, a very long token an OSError that quotes it: report neither.
            raise error_of("bad_credentials", self.words, "a key that cannot be read") from error
        if found is not None:
            check_key(f"{found.username}{found.key}{found.api_key}", self.words)
        return found is not None

    def listing(self) -> dict[str, int]:
        from kagglehub.clients import build_kaggle_client
        from kagglesdk.models.types.model_api_service import (
            ApiGetModelInstanceRequest,
            ApiListModelInstanceVersionFilesRequest,
        )

        def address(request: Any) -> Any:
            request.owner_slug = self.handle.owner
            request.model_slug = self.handle.model
            request.framework = self.handle.framework_enum()
            request.instance_slug = self.handle.variation
            return request

        sizes: dict[str, int] = {}
        with build_kaggle_client() as client:
            api = client.models.model_api_client
            if not self.handle.is_versioned():
                instance = api.get_model_instance(address(ApiGetModelInstanceRequest()))
                self.handle = self.handle.with_version(instance.version_number)
            request = address(ApiListModelInstanceVersionFilesRequest())
            request.version_number = self.handle.version
            request.page_size = 100
            while True:
                page = api.list_model_instance_version_files(request)
                sizes.update({file.name: file.size for file in page.files})
                if not page.next_page_token:
                    return sizes
                request.page_token = page.next_page_token

    def folder(self) -> Path:
        from kagglehub.cache import get_cached_path

        return Path(get_cached_path(self.handle))

    def received_bytes(self) -> int:
        folder = self.folder()
        archive = folder.with_name(f"{folder.name}.archive")  # for presets with more than 25 files
        return sum(map(size_on_disk, [archive, *folder.rglob("*")]))

    def fetch(self) -> Path:
        import kagglehub

        # kagglehub appends to the final file and has no lock of its own: two processes fetching one preset
        # would mix their data. The second one waits here and then finds it cached.
        with _file_lock(self.folder().with_suffix(".lock")):
            if self.only is None:
                return Path(kagglehub.model_download(str(self.handle)))
            kagglehub.model_download(str(self.handle), path=self.only)
            return self.folder()

    def discard(self, preset: Path, name: str) -> None:
        from kagglehub.cache import Cache

        Cache().mark_as_incomplete(self.handle)
        (preset / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire()
    except NotImplementedError:  # a file system without locks: continue without one
        yield
        return
    try:
        yield
    finally:
        lock.release()
