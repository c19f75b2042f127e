"""Presets on the Hugging Face Hub: requests to huggingface_hub, and its file locations."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from codegemma_ui.download.error_messages import code_of, error_of, status_of
from codegemma_ui.download.inspecting import other_format
from codegemma_ui.download.source import ANSWER_SECONDS, check_key, size_on_disk
from codegemma_ui.presets.model_format import wanted


@dataclass
class HuggingFace:
    """`hf://owner/name`, through huggingface_hub (read: 2.4)."""

    repo: str
    words: dict[str, str]
    only: str | None = None
    blobs: set[str] = field(default_factory=set)  # the preset's files by their cache names
    commit: str | None = None
    wanted: list[str] | None = None  # from the listing; None for all
    unreachable: Exception | None = None

    @classmethod
    def parse(cls, text: str) -> "HuggingFace":
        from huggingface_hub.constants import ENDPOINT
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        repo = text.removeprefix("hf://")
        try:
            validate_repo_id(repo)
        except HFValidationError as error:
            raise error_of("bad_handle", {}, repr(text)) from error
        words = {
            "site": "Hugging Face",
            "address": ENDPOINT,
            "handle": text,
            "page": f"https://huggingface.co/{repo}",
            "tokens": "https://huggingface.co/settings/tokens",
            "variables": "HF_TOKEN",
            "cache": "HF_HOME",
            "resumes": "the files that are complete are kept",
        }
        return cls(repo, words)

    def cached(self) -> Path | None:
        return None  # `main` may have moved; `fetch` uses the cache if the site is unreachable

    def has_key(self) -> bool:
        token = _token()
        if token is not None:
            check_key(token, self.words)
        return token is not None

    def listing(self) -> dict[str, int]:
        from huggingface_hub import HfApi

        self._remove_abandoned()
        try:
            info = HfApi(token=_token()).model_info(
                self.repo, files_metadata=True, timeout=ANSWER_SECONDS / 3
            )
        except Exception as error:
            answered = status_of(error).startswith("HTTP")
            self.unreachable = error if code_of(error) == "network" and not answered else None
            raise
        files = info.siblings or []
        # A blob is named after its ETag: the SHA-256 of a large file, the git hash of a small one.
        self.blobs = {file.lfs.sha256 if file.lfs else str(file.blob_id) for file in files}
        self.commit = info.sha
        self.wanted = wanted(file.rfilename for file in files)
        return {file.rfilename: file.size or 0 for file in files}

    def folder(self) -> Path:
        from huggingface_hub.constants import HF_HUB_CACHE
        from huggingface_hub.file_download import repo_folder_name

        return Path(HF_HUB_CACHE).expanduser() / repo_folder_name(
            repo_id=self.repo, repo_type="model"
        )

    def received_bytes(self) -> int:
        largest: dict[
            str, int
        ] = {}  # a blob is `NAME`, or `NAME.RANDOM.incomplete` while downloading
        for file in self.folder().glob("blobs/*"):
            name = file.name.split(".")[0]
            if not self.blobs or name in self.blobs:
                largest[name] = max(largest.get(name, 0), size_on_disk(file))
        return sum(largest.values())

    def fetch(self) -> Path:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import RepositoryNotFoundError

        patterns = self.wanted if self.only is None else [self.only]
        if self.unreachable is None:
            try:
                return Path(snapshot_download(self.repo, allow_patterns=patterns, token=_token()))
            except RepositoryNotFoundError:
                if self._is_dataset():
                    raise other_format(self.words["handle"], self.words, "a dataset") from None
                raise
        try:
            return Path(
                snapshot_download(self.repo, allow_patterns=patterns, local_files_only=True)
            )
        except FileNotFoundError:  # not in the cache, or incomplete
            raise self.unreachable from None

    def _is_dataset(self) -> bool:
        from huggingface_hub import HfApi

        with contextlib.suppress(Exception):
            HfApi(token=_token()).dataset_info(self.repo, timeout=ANSWER_SECONDS / 3)
            return True
        return False

    def discard(self, preset: Path, name: str) -> None:
        blob = (preset / name).resolve()  # the snapshot contains links into blobs/
        (preset / name).unlink(missing_ok=True)
        if blob.parent == self.folder().resolve() / "blobs":
            blob.unlink(missing_ok=True)

    def _remove_abandoned(self) -> None:
        """Remove leftovers of killed downloads: their parts have random names and are never resumed."""
        from filelock import FileLock, Timeout

        locks = self.folder().parent / ".locks" / self.folder().name
        for partial in self.folder().glob("blobs/*.incomplete"):
            # huggingface_hub holds this lock during a file's download: active ones are left alone.
            lock = FileLock(locks / f"{partial.name.split('.')[0]}.lock", timeout=0)
            with contextlib.suppress(Timeout, NotImplementedError, OSError), lock:
                partial.unlink(missing_ok=True)


def _token() -> str | None:
    """Return the operator's key, passed explicitly: the page's process sends none by itself."""
    from huggingface_hub import get_token

    return get_token()
