"""Connection to a server: the `openai` library with our timeouts, retries and key.

The library retries a request, with increasing or server-defined pauses, if it could not be sent or the server
returned 408, 409, 429 or 5xx. Once an answer has begun, nothing is retried here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai

from codegemma_ui.machine import proxies
from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai.failures import KEY, ServerError, protocol_error, unusable_proxy
from codegemma_ui.workers.openai.stream import Stream

MAKERS = {"llamacpp": "llama.cpp", "vllm": "vLLM"}
"""`owned_by` of a listed model -> the server, which then also gets its own parameters."""


@dataclass(frozen=True)
class ServedModel:
    """A model listed by a server.

    Attributes:
        id: its name in requests.
        server: one of `MAKERS`, or "server".
        context_length: tokens, if the server reports it.
        parameters: number of weights, if reported.
    """

    id: str
    server: str = "server"
    context_length: int | None = None
    parameters: int | None = None

    @classmethod
    def of(cls, listed: Any) -> ServedModel:
        """Parse an entry of `GET /models`; `meta` is llama.cpp's, `max_model_len` vLLM's."""
        entry = listed.to_dict()
        meta = entry.get("meta") or {}
        return cls(
            id=str(entry["id"]),
            server=MAKERS.get(str(entry.get("owned_by")), "server"),
            context_length=_count(entry.get("max_model_len") or meta.get("n_ctx")),
            parameters=_count(meta.get("n_params")),
        )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


class Server:
    """A server.

    Args:
        place: its address and timeout.
        retries: number of retries per request; None for the default in `place`.

    Raises:
        ServerError: a configured proxy cannot be used.
    """

    def __init__(self, place: RemoteServer, retries: int | None = None) -> None:
        self.place = place
        self.retries = place.retries if retries is None else retries
        key = os.environ.get(KEY, "").strip()
        try:
            self._client = openai.AsyncOpenAI(
                base_url=place.base_url,
                api_key=key or "none",
                timeout=openai.Timeout(place.timeout_s, connect=place.connect_timeout_s),
                max_retries=self.retries,
            )
        except Exception as error:
            failure = unusable_proxy(error)
            if failure is None:
                raise
            raise failure from None  # its text may quote a proxy's password
        self._headers: Any = {} if key else {"Authorization": openai.Omit()}

    async def model(self) -> ServedModel:
        """Return the model to use: the one the operator named, else the only one there is.

        Raises:
            ServerError: it does not exist, or there are several.
            openai.OpenAIError: see `failures.readable`.
        """
        wanted = self.place.model
        try:
            page: Any = await self._client.models.list(extra_headers=self._headers)
            listed = [ServedModel.of(one) for one in page.data]
        except openai.NotFoundError:
            if wanted:  # the server has no list; trust the operator
                return ServedModel(wanted)
            raise
        except (AttributeError, TypeError, KeyError) as error:
            through = proxies.of(self.place.base_url)
            raise protocol_error("no list of models", through) from error
        named = [one for one in listed if not wanted or one.id == wanted]
        if len(named) != 1:
            there = ", ".join(one.id for one in listed[:10]) or "none"
            raise ServerError(
                f"--openai-model must be one that the server has: {there}. Received: {wanted!r}",
                "Name one of them.",
                code="server_not_found",
            )
        return named[0]

    async def ask(self, body: Mapping[str, Any], extra: Mapping[str, Any]) -> Any:
        """Request an answer in one piece: `openai.types.Completion`."""
        return await self._create(body, extra)

    async def stream(self, body: Mapping[str, Any], extra: Mapping[str, Any]) -> Stream:
        """Request a streamed answer; the caller closes it."""
        answer = await self._create({**body, "stream": True}, extra)
        return Stream(answer.response)

    async def _create(self, body: Mapping[str, Any], extra: Mapping[str, Any]) -> Any:
        return await self._client.completions.create(
            **body, extra_body=dict(extra), extra_headers=self._headers
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()
