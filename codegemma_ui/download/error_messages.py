"""Download errors: map the libraries' exceptions to our codes, messages and hints.

It imports neither library and identifies their exceptions by name.
"""

import errno
import os
from collections.abc import Iterator

from codegemma_ui.errors import DownloadFailed
from codegemma_ui.machine import proxies


class DownloadError(DownloadFailed):
    """A preset could not be downloaded.

    Args:
        code: One of the keys of `WORDS`, for programs.
        message: What was expected and what was received.
        hint: What to do next.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message, hint, code)


# The libraries' exceptions, as top-level package and class, to our codes. Other classes are looked up by
# their bases, then by their causes. By name, so that this imports neither library.
CODES = {
    "kagglehub.CredentialError": "bad_credentials",
    "kagglehub.UnauthenticatedError": "no_credentials",
    "kagglehub.DataCorruptionError": "corrupt_file",
    "kagglehub.NotFoundError": "preset_not_found",
    "requests.HTTPError": "status",
    "requests.ChunkedEncodingError": "connection_lost",
    "requests.ConnectionError": "network",
    "requests.Timeout": "network",
    "requests.InvalidProxyURL": "network",
    "requests.JSONDecodeError": "network",  # a proxy's page instead of the site's response
    "builtins.TimeoutError": "network",
    "huggingface_hub.GatedRepoError": "terms_not_accepted",
    "huggingface_hub.RepositoryNotFoundError": "preset_not_found",
    "huggingface_hub.RevisionNotFoundError": "preset_not_found",
    "huggingface_hub.RemoteEntryNotFoundError": "preset_not_found",
    "huggingface_hub.HfHubHTTPError": "status",
    "huggingface_hub.OfflineModeIsEnabled": "network",
    "huggingface_hub.FileMetadataError": "network",
    "httpx2.RemoteProtocolError": "connection_lost",
    "httpx2.ReadError": "connection_lost",
    "httpx2.TransportError": "network",
}

STATUS_CODES = {401: "bad_credentials", 403: "terms_not_accepted", 404: "preset_not_found"}

# code -> what was received, if the exception's class name would only be meaningful to programmers.
PLAIN = {
    "network": "no answer",
    "connection_lost": "a part of it",
    "corrupt_file": "data that does not match its checksum or its length",
}

# code -> (message, hint). The fields are `Source.words` and `received`; none of them ever contains a key.
WORDS = {
    "no_credentials": (
        "{site} gives {handle} to signed-in accounts only, and no key was found. "
        "Received: {received}.",
        "Create a token at {tokens}, set {variables} in the environment or among the secrets of the "
        "Space, accept the model's terms at {page}, then try again.",
    ),
    "bad_credentials": (
        "{site} needs a valid key, and the one that is set was not accepted. Received: {received}.",
        "Create a new token at {tokens}, set {variables} in the environment or among the secrets of "
        "the Space, then try again.",
    ),
    "terms_not_accepted": (
        "{site} opens {handle} to accounts that have accepted its terms, and this one has not. "
        "Received: {received}.",
        "Open {page}, sign in with the account of the key, accept the terms (for CodeGemma, the "
        "Gemma terms), then try again.",
    ),
    "preset_not_found": (
        "{site} has no such preset. Received: {received} for {handle}.",
        "Check the spelling and the version at {page}. A private model also needs {variables}.",
    ),
    "network": (
        "{site} could not be reached. Received: {received}.",
        "Check the internet connection and the proxy settings, then try again.",
    ),
    "connection_lost": (
        "The connection to {site} was lost before all of {handle} had arrived. Received: {received}.",
        "Try again: {resumes}.",
    ),
    "corrupt_file": (
        "A file of {handle} does not match {site}'s listing. Received: {received}.",
        "It was removed. Try again, and only that file is fetched again.",
    ),
    "other_format": (
        "{handle} is not {expected}. Received: {received}.",
        "{instead}",
    ),
    "no_fim_tokens": (
        "{handle} was not trained for fill-in-the-middle. {received}.",
        "{instead}",
    ),
    "disk_full": (
        "There is not enough disk space for {handle}. Received: {received}.",
        "Free some space, or set {cache} to a folder on a larger disk, then try again.",
    ),
    "bad_handle": (
        "Expected kaggle://owner/model/keras/variation[/version], hf://owner/name or a folder. "
        "Received: {received}.",
        "For example kaggle://keras/codegemma/keras/code_gemma_2b_en/2.",
    ),
    "unexpected": (
        "The download of {handle} failed unexpectedly. Received: {received}.",
        "Try again. If it fails again, see the log for details.",
    ),
}

# Hints for codes that a proxy may cause, if the site is accessed through one.
HINTS_THROUGH_A_PROXY = {
    "network": (
        "The request went through {proxy}: check that proxy, or name the site's host in NO_PROXY if it is "
        "reachable without, then try again."
    ),
    "connection_lost": "Try again: {resumes}. The data came through {proxy}, which may have cut it.",
}

# An exception's class -> what its library needs for a SOCKS proxy.
SOCKS_PACKAGES = {
    "ImportError": proxies.SOCKS_PACKAGE,  # httpx2, used by huggingface_hub
    "InvalidSchema": 'pip install "requests[socks]"',  # requests, used by kagglehub
}


def translate(
    error: Exception, words: dict[str, str], *, has_key: bool, moved: bool
) -> DownloadError:
    """Map an exception of one of the libraries to ours.

    Args:
        error: The library's exception.
        words: Message fields of the preset's source.
        has_key: Whether a key is set: Kaggle returns 403 both without a key and without accepted terms.
        moved: Whether data had arrived: then an unreachable site is a lost connection.
    """
    code = code_of(error)
    received = status_of(error)
    if code in ("bad_credentials", "terms_not_accepted") and not has_key:
        code, received = "no_credentials", f"{received} without a key"
    if code == "unexpected" and (unusable := _unusable_proxy(error, words)) is not None:
        return unusable
    if code == "network" and moved:
        code = "connection_lost"
    if not received.startswith("HTTP"):
        received = PLAIN.get(code, received)
    return error_of(code, words, received)


def code_of(error: BaseException) -> str:
    """Return our code for an exception, or for the first of its causes that has one."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return "disk_full"
        # huggingface_hub 2.4 raises a bare OSError when a file ends early (`http_get`).
        if type(cause) is OSError and str(cause).startswith("Consistency check failed"):
            return "corrupt_file"
    for cause in causes:
        for kind in type(cause).__mro__:
            code = CODES.get(f"{kind.__module__.split('.')[0]}.{kind.__name__}")
            if code == "status":
                status = int(cause.response.status_code)  # type: ignore[attr-defined]
                busy = status in (407, 429) or status >= 500  # 407: a proxy requires a password
                code = "network" if busy else STATUS_CODES.get(status)
            if code is not None:
                return code
    return "unexpected"


def status_of(error: BaseException) -> str:
    """Return the HTTP status, or the exception's class. Never its text: some quote the key's header."""
    for cause in _causes(error):
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if status is not None:
            return f"HTTP {status}"
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
    return type(error).__name__


def _unusable_proxy(error: BaseException, words: dict[str, str]) -> DownloadError | None:
    """Return the error if a proxy is set that the library cannot use at all."""
    found = proxies.set_here()
    needed = [
        package
        for cause in _causes(error)
        if (package := SOCKS_PACKAGES.get(type(cause).__name__)) and "SOCKS" in str(cause)
    ]
    message, _ = WORDS["network"]
    site = words.get("site", "The site")
    for one in found:
        if needed and one.socks:
            lacks = f"{one}, which needs a package that is not installed here"
            return DownloadError(
                "network",
                message.format(site=site, received=lacks),
                f"{needed[0]}, or unset {one.source}, then start again.",
            )
    for one in found:
        if not one.usable:
            return DownloadError(
                "network",
                message.format(site=site, received=f"{one.source} without the address of a proxy"),
                f"Set {one.source} to one such as http://proxy:3128, or unset it, then start again.",
            )
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def error_of(code: str, words: dict[str, str], received: str) -> DownloadError:
    """Return the error for a code, with message and hint filled in.

    Args:
        code: One of the keys of `WORDS`.
        words: Message fields of the source; empty if the handle did not lead to one. `address` is its URL,
            for the proxy in use.
        received: What was received.
    """
    message, hint = WORDS[code]
    through = proxies.of(words["address"]) if "address" in words else None
    if through is not None and code in HINTS_THROUGH_A_PROXY:
        hint, words = HINTS_THROUGH_A_PROXY[code], {**words, "proxy": str(through)}
    fields = {"handle": "the preset", **words, "received": received}
    return DownloadError(code, message.format(**fields), hint.format(**fields))
