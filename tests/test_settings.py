"""Precedence of settings: flag, environment variable, default."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from codegemma_ui import settings
from codegemma_ui.errors import BadInput, UnknownBackend, UnknownPreset
from codegemma_ui.settings import RemoteServer, Settings


def resolve(flags: list[str] | None = None, **environ: str) -> Settings:
    parser = argparse.ArgumentParser()
    settings.add_serve_flags(parser)
    return settings.resolve(parser.parse_args(flags or []), environ)


def test_defaults() -> None:
    assert resolve() == Settings()


def test_every_flag_has_a_variable() -> None:
    parser = argparse.ArgumentParser()
    settings.add_serve_flags(parser)
    for action in parser._actions:
        if action.dest != "help":
            assert f"CODEGEMMA_UI_{action.dest.upper()}" in (action.help or "")


@pytest.mark.parametrize(
    ("flag", "field", "variable", "value", "other"),
    [
        ("--host", "host", "HOST", "0.0.0.0", "::1"),
        ("--port", "port", "PORT", "8000", "9000"),
        ("--preset", "preset", "PRESET", "code_gemma_2b_en", "hf://owner/model"),
        ("--backend", "backend", "BACKEND", "jax", "torch"),
        ("--dtype", "dtype", "DTYPE", "float16", "bfloat16"),
        ("--max-length", "max_length", "MAX_LENGTH", "64", "256"),
        ("--context-length", "context_length", "CONTEXT_LENGTH", "2048", "1024"),
        ("--time-limit", "time_limit_s", "TIME_LIMIT", "3", "4"),
        ("--queue-size", "queue_size", "QUEUE_SIZE", "1", "2"),
        ("--max-concurrency", "max_concurrency", "MAX_CONCURRENCY", "8", "64"),
        ("--idle-minutes", "idle_minutes", "IDLE_MINUTES", "30", "0.5"),
        ("--language", "language", "LANGUAGE", "ko", "en"),
        ("--allow-switch", "allow_switch", "ALLOW_SWITCH", "login", "nobody"),
        ("--log-level", "log_level", "LOG_LEVEL", "debug", "warning"),
    ],
)
def test_a_flag_wins_over_its_variable(
    flag: str, field: str, variable: str, value: str, other: str
) -> None:
    environ: dict[str, Any] = {f"CODEGEMMA_UI_{variable}": other}
    assert str(getattr(resolve(**environ), field)).removesuffix(".0") == other
    assert str(getattr(resolve([flag, value], **environ), field)).removesuffix(".0") in (
        value,
        value.removesuffix(".0"),
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_whoever_sits_at_the_machine_may_switch(host: str) -> None:
    assert resolve(["--host", host]).allow_switch == "everyone"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "play.example.org"])
def test_nobody_may_switch_where_strangers_come(host: str) -> None:
    assert resolve(["--host", host]).allow_switch == "nobody"
    assert resolve(["--host", host, "--allow-switch", "everyone"]).allow_switch == "everyone"


def test_the_backends_order() -> None:
    assert resolve(KERAS_BACKEND="torch").backend == "torch"
    assert resolve(KERAS_BACKEND="torch", CODEGEMMA_UI_BACKEND="jax").backend == "jax"
    flags = ["--backend", "tensorflow"]
    assert resolve(flags, KERAS_BACKEND="torch", CODEGEMMA_UI_BACKEND="jax").backend == "tensorflow"


def test_lists_and_pythons() -> None:
    chosen = resolve(
        CODEGEMMA_UI_EXTRA_PRESETS="hf://a/b, kaggle://a/b/keras/c",
        CODEGEMMA_UI_PYTHON_JAX="/envs/jax/bin/python",
    )
    assert chosen.extra_presets == ("hf://a/b", "kaggle://a/b/keras/c")
    assert chosen.pythons == {"jax": "/envs/jax/bin/python"}


def test_switches_are_flags_or_variables() -> None:
    for given in (
        resolve(["--no-api", "--metrics"]),
        resolve(CODEGEMMA_UI_NO_API="1", CODEGEMMA_UI_METRICS="true"),
    ):
        assert (given.api, given.metrics) == (False, True)
    off = resolve(CODEGEMMA_UI_NO_API="0", CODEGEMMA_UI_METRICS="no")
    assert (off.api, off.metrics) == (True, False)


def test_hosts_are_repeated_or_listed_and_a_spaces_own_is_implied() -> None:
    assert resolve(
        ["--allowed-host", "a.example", "--allowed-host", "b.example"]
    ).allowed_hosts == (
        "a.example",
        "b.example",
    )
    assert resolve(CODEGEMMA_UI_ALLOWED_HOST="a.example, b.example").allowed_hosts == (
        "a.example",
        "b.example",
    )
    flags = ["--allowed-host", "c.example"]
    chosen = resolve(flags, CODEGEMMA_UI_ALLOWED_HOST="a.example", SPACE_HOST="o-s.hf.space")
    assert chosen.allowed_hosts == ("c.example", "o-s.hf.space")
    both = resolve(SPACE_HOST="o-s.hf.space, fim.example")  # a Space with a domain of its own
    assert both.allowed_hosts == ("o-s.hf.space", "fim.example")


def test_the_login_is_a_variable_and_never_shown() -> None:
    chosen = resolve(CODEGEMMA_UI_AUTH="ann:pass:word")
    assert chosen.auth == ("ann", "pass:word")
    assert "word" not in repr(chosen)
    with pytest.raises(SystemExit):
        resolve(["--auth", "ann:word"])
    for pair in ("ann", "ann:", ":hush-hush", " :hush-hush"):
        with pytest.raises(BadInput) as caught:
            resolve(CODEGEMMA_UI_AUTH=pair)
        assert "user:password" in str(caught.value)
        assert "hush" not in str(caught.value)


def test_the_key_of_other_tools_is_a_variable_and_never_shown() -> None:
    assert resolve().api_key is None
    chosen = resolve(["--openai-api"], CODEGEMMA_UI_API_KEY="hush-hush", CODEGEMMA_UI_MCP="1")
    assert (chosen.openai_api, chosen.mcp, chosen.api_key) == (True, True, "hush-hush")
    assert "hush" not in repr(chosen)
    with pytest.raises(SystemExit):
        resolve(["--api-key", "hush-hush"])
    for key in ("hush hush", "hüsh", "hu\x07sh", "one-key\nhush hush"):
        with pytest.raises(BadInput) as caught:
            resolve(CODEGEMMA_UI_API_KEY=key)
        assert "CODEGEMMA_UI_API_KEY must be" in str(caught.value)
        assert key not in str(caught.value)


@pytest.mark.parametrize("flag", ["--openai-api", "--mcp"])
def test_behind_a_login_other_tools_need_a_key(flag: str) -> None:
    login = {"CODEGEMMA_UI_AUTH": "ann:hush-hush"}
    with pytest.raises(BadInput) as caught:
        resolve([flag], **login)
    assert f"CODEGEMMA_UI_API_KEY must be set where {flag}" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert resolve([flag], **login, CODEGEMMA_UI_API_KEY="key").auth is not None
    assert resolve([], **login).api_key is None


def test_a_space_listens_on_every_address() -> None:
    assert resolve(SPACE_ID="owner/space").host == "0.0.0.0"


@pytest.mark.parametrize(
    ("environ", "kind", "said"),
    [
        ({"CODEGEMMA_UI_BACKEND": "theano"}, UnknownBackend, "tensorflow, jax, torch"),
        ({"KERAS_BACKEND": "theano"}, UnknownBackend, "Received: 'theano'"),
        ({"CODEGEMMA_UI_PRESET": "gpt"}, UnknownPreset, "Received: 'gpt'"),
        ({"CODEGEMMA_UI_PORT": "http"}, BadInput, "--port (CODEGEMMA_UI_PORT) must be a number"),
        ({"CODEGEMMA_UI_PORT": "70000"}, BadInput, "Received: '70000'"),
        ({"CODEGEMMA_UI_MAX_LENGTH": "nan"}, BadInput, "Received: 'nan'"),
        ({"CODEGEMMA_UI_MAX_CONCURRENCY": "0"}, BadInput, "must be a number from 1 to 64"),
        ({"CODEGEMMA_UI_IDLE_MINUTES": "-1"}, BadInput, "must be a number from 0 to 10080"),
        ({"CODEGEMMA_UI_MAX_CONCURRENCY": "65"}, BadInput, "Received: '65'"),
        ({"CODEGEMMA_UI_DTYPE": "int3"}, BadInput, "must be one of auto"),
        ({"CODEGEMMA_UI_METRICS": "maybe"}, BadInput, "Received: 'maybe'"),
        ({"CODEGEMMA_UI_LOG_LEVEL": "loud"}, BadInput, "warning, info, debug"),
    ],
)
def test_a_wrong_choice_is_named(environ: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as caught:
        resolve(**environ)
    assert said in str(caught.value)


def test_a_server_is_named_with_how_long_it_may_take() -> None:
    flags = ["--backend", "openai", "--openai-base-url", "http://127.0.0.1:8000/v1/"]
    chosen = resolve([*flags, "--openai-timeout", "7"], CODEGEMMA_UI_OPENAI_MODEL="codegemma")
    assert chosen.server == RemoteServer("http://127.0.0.1:8000/v1", "codegemma", timeout_s=7.0)
    assert chosen.backends[-1] == chosen.backend == "openai"
    assert "openai" not in resolve().backends


def test_the_openai_backend_needs_a_server() -> None:
    with pytest.raises(BadInput, match="CODEGEMMA_UI_OPENAI_BASE_URL"):
        resolve(["--backend", "openai"])


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://a/v1",
        "http://",
        "http://a:99999/",
        "http://a/v1?key=x",
        "http://a/\n",
    ],
)
def test_a_servers_address_is_checked(url: str) -> None:
    with pytest.raises(BadInput, match="--openai-base-url"):
        resolve(["--openai-base-url", url])


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(BadInput) as caught:
        resolve(["--openai-base-url", "http://ann:hush@host/v1"])
    assert "hush" not in str(caught.value)
    assert "OPENAI_API_KEY" in caught.value.hint


def test_several_devices_are_jaxs() -> None:
    assert resolve(["--backend", "jax", "--model-parallel", "4"]).model_parallel == 4
    with pytest.raises(BadInput, match="needs --backend jax"):
        resolve(["--model-parallel", "2"])


def test_torchs_device_is_a_choice() -> None:
    assert resolve().torch_device == "auto"
    assert resolve(["--torch-device", "mps"], CODEGEMMA_UI_TORCH_DEVICE="cpu").torch_device == "mps"
    with pytest.raises(BadInput, match="auto, cpu, cuda, mps"):
        resolve(CODEGEMMA_UI_TORCH_DEVICE="tpu")


@pytest.mark.parametrize(
    ("flags", "environ", "source"),
    [
        ([], {"KERAS_BACKEND": "openvino"}, "KERAS_BACKEND"),
        ([], {"CODEGEMMA_UI_BACKEND": "x", "KERAS_BACKEND": "jax"}, "CODEGEMMA_UI_BACKEND"),
        (["--backend", "x"], {"CODEGEMMA_UI_BACKEND": "jax"}, "--backend"),
        (["--port", "x"], {}, "--port"),
        ([], {"CODEGEMMA_UI_PORT": "x"}, "CODEGEMMA_UI_PORT"),
        ([], {"CODEGEMMA_UI_METRICS": "x"}, "CODEGEMMA_UI_METRICS"),
        (["--preset", "x"], {}, "--preset"),
        ([], {"CODEGEMMA_UI_PRESET": "x"}, "CODEGEMMA_UI_PRESET"),
        (["--model-parallel", "2"], {"KERAS_BACKEND": "torch"}, "KERAS_BACKEND"),
        (["--model-parallel", "2"], {}, "the default"),
    ],
)
def test_a_message_names_what_was_really_set(
    flags: list[str], environ: dict[str, str], source: str
) -> None:
    with pytest.raises(BadInput) as caught:
        resolve(flags, **environ)
    assert caught.value.message.endswith(f", {'' if source == 'the default' else 'from '}{source}")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/playground", "/playground"),
        ("/a/b-c/", "/a/b-c"),
        ("/", ""),
        ("https://site.example/playground", "https://site.example/playground"),
    ],
)
def test_a_root_path_is_a_path_or_a_whole_address(given: str, kept: str) -> None:
    assert resolve(CODEGEMMA_UI_ROOT_PATH=given).root_path == kept
    assert resolve(GRADIO_ROOT_PATH=given).root_path == kept


@pytest.mark.parametrize(
    "given",
    ["playground", "//other.example/x", "/a?b", "/a#b", "/a b", "/<b>", "ftp://x/y", "http:/x"],
)
def test_what_is_no_root_path_is_refused(given: str) -> None:
    with pytest.raises(BadInput, match="root-path"):
        resolve(CODEGEMMA_UI_ROOT_PATH=given)
