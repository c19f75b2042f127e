"""The connection to a server: the `openai` library with our timeouts, retries and key.

The library tries a request again, with a growing pause or the one that the server asks for, where it could
not be sent or the server said 408, 409, 429 or 5xx. Once an answer has begun, nothing is tried again here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai

from codegemma_ui.machine import proxies
from codegemma_ui.settings import RemoteServer
from codegemma_ui.workers.openai.failures import KEY, ServerError, nonsense, unusable_proxy
from codegemma_ui.workers.openai.stream import Stream

MAKERS = {"llamacpp": "llama.cpp", "vllm": "vLLM"}
"""What `owned_by` of a listed model says -> the server, whose own parameters are then sent too."""


@dataclass(frozen=True)
class ServedModel:
    """A model that a server lists.

    Attributes:
        id: as requests name it.
        server: of `MAKERS`, or "server".
        context_length: tokens, where the server says so.
        parameters: number of weights, where it says so.
    """

    id: str
    server: str = "server"
    context_length: int | None = None
    parameters: int | None = None

    @classmethod
    def of(cls, listed: Any) -> ServedModel:
        """Of an entry of `GET /models`; `meta` is llama.cpp's, `max_model_len` vLLM's."""
        told = listed.to_dict()
        meta = told.get("meta") or {}
        return cls(
            id=str(told["id"]),
            server=MAKERS.get(str(told.get("owned_by")), "server"),
            context_length=_count(told.get("max_model_len") or meta.get("n_ctx")),
            parameters=_count(meta.get("n_params")),
        )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


class Server:
    """A server.

    Args:
        place: where it is, and how long it may take.
        retries: how often a request is tried again; as the place says, where None.

    Raises:
        ServerError: a proxy that is set cannot be used.
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
            told = unusable_proxy(error)
            if told is None:
                raise
            raise told from None  # its text may quote a proxy's password
        self._headers: Any = {} if key else {"Authorization": openai.Omit()}

    async def model(self) -> ServedModel:
        """The model to ask: the one that the operator named, else the only one there is.

        Raises:
            ServerError: it is not there, or there are several.
            openai.OpenAIError: see `failures.readable`.
        """
        wanted = self.place.model
        try:
            page: Any = await self._client.models.list(extra_headers=self._headers)
            listed = [ServedModel.of(one) for one in page.data]
        except openai.NotFoundError:
            if wanted:  # a server without a list: the operator knows better
                return ServedModel(wanted)
            raise
        except (AttributeError, TypeError, KeyError) as error:
            through = proxies.of(self.place.base_url)
            raise nonsense("no list of models", through) from error
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
        """An answer in one piece: `openai.types.Completion`."""
        return await self._create(body, extra)

    async def stream(self, body: Mapping[str, Any], extra: Mapping[str, Any]) -> Stream:
        """An answer as it comes, to be closed."""
        answer = await self._create({**body, "stream": True}, extra)
        return Stream(answer.response)

    async def _create(self, body: Mapping[str, Any], extra: Mapping[str, Any]) -> Any:
        return await self._client.completions.create(
            **body, extra_body=dict(extra), extra_headers=self._headers
        )

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()
