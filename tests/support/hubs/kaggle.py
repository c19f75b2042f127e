"""Kaggle as kagglehub 1.0.2 sees it while it fetches a model.

Two ways lead a client here, neither of which needs a change in it:

- a free port (the default): KAGGLE_API_ENVIRONMENT=LOCALHOST sends kagglesdk to http://localhost,
  port 80, and `http_proxy` sends that here. It is the truer one: files are streamed to the disk.
- port 7777: KAGGLE_API_ENVIRONMENT=TEST sends kagglesdk to http://localhost:7777. In that
  environment it also prints every request and answer, and so reads each file into memory before it
  writes a byte: no progress is seen, and a cut connection leaves nothing to resume.
"""

import contextlib
import io
import tarfile
from pathlib import Path
from typing import Any

from .server import Call, Faults, Hub, md5_header, port_lock

CODE_GEMMA_2B = "kaggle://keras/codegemma/keras/code_gemma_2b_en/2"  # KerasHub's `code_gemma_2b_en`
FIXED_PORT = 7777

_SERVICE = "/api/v1/models.ModelApiService/"
_STORAGE = "/storage/"
_ARCHIVE = "/archive.tar.gz"


class KaggleHub(Hub):
    """Kaggle with one model. See `Hub` for the arguments.

    Its port may be 0 (LOCALHOST through a proxy variable) or 7777 (TEST).
    """

    def __init__(
        self,
        preset: Path,
        handle: str = CODE_GEMMA_2B,
        faults: Faults | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(preset, handle, faults, port)
        self._fixed = port == FIXED_PORT
        self._lock: contextlib.ExitStack | None = None

    def environment(self) -> dict[str, str]:
        if self._fixed:
            return {"KAGGLE_API_ENVIRONMENT": "TEST"}
        # Pages and hubs addressed as 127.0.0.1 are not contacted through the proxy.
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": self.url,
            "no_proxy": "127.0.0.1",
        }

    def start(self) -> "KaggleHub":
        if self._fixed:
            self._lock = contextlib.ExitStack()
            self._lock.enter_context(port_lock(FIXED_PORT))
        super().start()
        return self

    def stop(self) -> None:
        super().stop()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> "KaggleHub":
        return self.start()

    def answer(self, call: Call) -> None:
        path = call.request.path
        if path == _ARCHIVE:
            return call.data(self._archive(), {})
        if path.startswith(_STORAGE):
            name = path.removeprefix(_STORAGE)
            data = (self.preset / name).read_bytes()
            headers = {}
            if self.faults.checksums and self.faults.truncated != name:
                wrong = self.faults.wrong_checksum == name
                headers["X-Goog-Hash"] = md5_header(b"other bytes" if wrong else data)
            return call.file(name, headers)

        # As on Kaggle: a bad key is always 401, a missing key and unaccepted terms are both 403.
        if call.request.with_key and not call.key_is_good():
            return _refuse(call, 401, "Unauthenticated")
        if self.faults.forbidden or (
            self.faults.requires_credentials and not call.request.with_key
        ):
            return _refuse(call, 403, "Permission 'models.get' was denied")
        owner, model, _, variation, *version = self.handle.removeprefix("kaggle://").split("/")
        asked = call.request.json
        known = (
            asked.get("ownerSlug") == owner
            and asked.get("modelSlug") == model
            and asked.get("instanceSlug") == variation
            and asked.get("framework") == "MODEL_FRAMEWORK_KERAS"
            and str(asked.get("versionNumber", version[0])) == version[0]
        )
        if self.faults.missing or not known:
            return _refuse(call, 404, "Not found")

        match path.removeprefix(_SERVICE):
            case "GetModelInstance":
                return call.json({"slug": variation, "versionNumber": int(version[0])})
            case "ListModelInstanceVersionFiles":
                if self.faults.listing_fails:
                    self.faults.listing_fails = False
                    return _refuse(call, 500, "Internal error")
                return call.json(self._listing(asked))
            case "DownloadModelInstanceVersion":
                # The bytes are in a cloud storage bucket, and a resumed download requests its address.
                path = _STORAGE + asked["path"] if "path" in asked else _ARCHIVE
                return call.redirect(f"http://{call.handler.headers['Host']}{path}")
            case _:
                return _refuse(call, 404, "No such service")

    def _listing(self, asked: dict[str, Any]) -> dict[str, Any]:
        start = int(asked.get("pageToken") or 0)
        end = start + int(asked.get("pageSize") or 20)
        files = [{"name": name, "size": size} for name, size in self.files().items()]
        token = str(end) if end < len(files) else ""
        return {"files": files[start:end], "nextPageToken": token}

    def _archive(self) -> bytes:
        """Return the whole model, which kagglehub requests if there are more than 25 files."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
            for name in self.files():
                archive.add(self.preset / name, name)
        return packed.getvalue()


def _refuse(call: Call, status: int, message: str) -> None:
    call.json({"code": status, "message": message}, status=status)
