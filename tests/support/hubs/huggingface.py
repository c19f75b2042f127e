"""The Hugging Face Hub as huggingface_hub 2.4 sees it while it fetches a model.

It sends no xet headers, so files come over plain HTTP.
"""

import functools
import hashlib
from pathlib import Path
from typing import Any

from .server import Call, Faults, Hub

LARGE_FILE_BYTES = 100_000  # from here on a file is in Git LFS, as weights are


class HuggingFaceHub(Hub):
    """The Hub with one model, or one dataset. See `Hub` for the other arguments."""

    def __init__(
        self,
        preset: Path,
        handle: str = "hf://keras/code_gemma_2b_en",
        faults: Faults | None = None,
        port: int = 0,
        *,
        dataset: bool = False,
    ) -> None:
        super().__init__(preset, handle, faults, port)
        self.dataset = dataset
        self.repo = handle.removeprefix("hf://")

    def environment(self) -> dict[str, str]:
        return {"HF_ENDPOINT": self.url}

    def __enter__(self) -> "HuggingFaceHub":
        self.start()
        return self

    @property
    def commit(self) -> str:
        text = "".join(self._hash(name) for name in self.files())
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def answer(self, call: Call) -> None:
        path = call.request.path
        if call.request.with_key and not call.key_is_good():
            bad = "Invalid credentials in Authorization header"
            return _refuse(call, 401, None, bad)
        if self.dataset and path == f"/api/datasets/{self.repo}":
            return call.json(self._info(with_sizes=False))
        if self.faults.missing or self.dataset or self.repo not in path:
            # A missing model and a private one look the same to those without a key.
            status = 404 if call.request.with_key else 401
            return _refuse(call, status, "RepoNotFound", "Repository not found")

        # Metadata is public even for a gated model; only its files are restricted.
        api = f"/api/models/{self.repo}"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{self.commit}"):
            if self.faults.listing_fails and "blobs" in call.request.query:
                return _refuse(call, 500, None, "Internal error")
            return call.json(self._info(with_sizes="blobs" in call.request.query))
        if path.startswith(f"{api}/tree/"):
            return call.json([self._entry(name) for name in self.files()])

        if self.faults.forbidden:
            return _refuse(call, 403, "GatedRepo", f"Access to model {self.repo} is restricted")
        if self.faults.requires_credentials and not call.request.with_key:
            return _refuse(call, 401, "GatedRepo", f"Access to model {self.repo} is restricted")
        name = path.removeprefix(f"/{self.repo}/resolve/").partition("/")[2]
        if name not in self.files():
            return _refuse(call, 404, "EntryNotFound", "Entry not found")
        size = str(self.files()[name])
        headers = {"X-Repo-Commit": self.commit, "ETag": f'"{self._hash(name)}"'}
        headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": size}
        return call.file(name, headers)

    def _info(self, *, with_sizes: bool) -> dict[str, Any]:
        siblings: list[dict[str, Any]] = []
        for name in self.files():
            entry = self._entry(name)
            siblings.append({"rfilename": name})
            if with_sizes:
                siblings[-1] |= {"size": entry["size"], "blobId": entry["oid"]}
                if "lfs" in entry:
                    siblings[-1]["lfs"] = {**entry["lfs"], "sha256": entry["lfs"]["oid"]}
        return {"id": self.repo, "modelId": self.repo, "sha": self.commit, "siblings": siblings}

    def _entry(self, name: str) -> dict[str, Any]:
        size = self.files()[name]
        entry: dict[str, Any] = {"type": "file", "path": name, "size": size}
        entry["oid"] = _git_hash(self.preset / name, size)
        if size >= LARGE_FILE_BYTES:
            entry["lfs"] = {"oid": self._hash(name), "size": size, "pointerSize": 134}
        return entry

    def _hash(self, name: str) -> str:
        """Return the ETag: SHA-256 for a large file, the git blob's hash for a small one."""
        path, size = self.preset / name, self.files()[name]
        return _sha256(path, size) if size >= LARGE_FILE_BYTES else _git_hash(path, size)


@functools.cache
def _sha256(path: Path, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _git_hash(path: Path, size: int) -> str:
    blob = b"blob %d\0" % size + path.read_bytes()
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


def _refuse(call: Call, status: int, code: str | None, message: str) -> None:
    headers = {"X-Error-Message": message}
    if code is not None:
        headers["X-Error-Code"] = code
    call.json({"error": message}, status=status, headers=headers)
