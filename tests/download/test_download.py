"""Downloads of a preset: the real kagglehub and huggingface_hub, against loopback hubs."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from codegemma_ui.download import DownloadError, credentials_present, download, fetching
from codegemma_ui.download.error_messages import CODES, WORDS
from codegemma_ui.presets import BUNDLED_FOLDER
from tests.support.hubs import (
    Faults,
    HuggingFaceHub,
    KaggleHub,
    isolate_this_process,
    isolated_environment,
)
from tests.support.hubs.fetching import run, start
from tests.support.hubs.kaggle import CODE_GEMMA_2B
from tests.support.hubs.server import TOKEN, USERNAME, Hub

REPOSITORY = Path(__file__).parents[2]
WEIGHTS = "model.weights.h5"

# The clients write whole chunks only, so the weights are 2.3 of them: then progress can be observed
# and a cut connection leaves a part to resume.
CHUNK_BYTES: dict[type[Hub], int] = {KaggleHub: 1024 * 1024, HuggingFaceHub: 10 * 1024 * 1024}


def after_chunks(hub: Hub, chunks: float) -> int:
    """Return the size of that many of the client's chunks, in bytes."""
    return int(chunks * CHUNK_BYTES[type(hub)])


def same_files(folder: Path, preset: Path) -> bool:
    """Return whether `folder` holds every file of `preset`, byte for byte."""
    files = [path for path in preset.rglob("*") if path.is_file()]
    return all(
        (folder / file.relative_to(preset)).read_bytes() == file.read_bytes() for file in files
    )


def make_preset(folder: Path, weights_bytes: int) -> Path:
    """Create a folder with the files of a preset; it is never loaded."""
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (folder / "config.json").write_text('{"registered_name": "keras_hub>GemmaBackbone"}')
    (folder / "tokenizer.json").write_text("{}")
    bytes_of = random.Random(0).randbytes
    (folder / "assets" / "tokenizer" / "vocabulary.spm").write_bytes(bytes_of(150_000))
    (folder / WEIGHTS).write_bytes(bytes_of(weights_bytes))
    return folder


def running(kind: type[KaggleHub | HuggingFaceHub], folder: Path) -> Iterator[Any]:
    preset = make_preset(folder / "preset", int(2.3 * CHUNK_BYTES[kind]))
    with kind(preset) as hub:
        yield hub
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=CHUNK_BYTES, ids=["kaggle", "huggingface"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hub]:
    """Start each hub in turn; every test must pass with both."""
    yield from running(request.param, tmp_path)


@pytest.fixture
def kaggle(tmp_path: Path) -> Iterator[KaggleHub]:
    yield from running(KaggleHub, tmp_path)


@pytest.fixture
def huggingface(tmp_path: Path) -> Iterator[HuggingFaceHub]:
    yield from running(HuggingFaceHub, tmp_path)


def with_key(environment: dict[str, str], token: str = TOKEN) -> dict[str, str]:
    return {**environment, "KAGGLE_API_TOKEN": token, "HF_TOKEN": token}


# Successful downloads


def test_code_gemma_2b_en_is_fetched_under_the_handle_keras_hub_gives_it(tmp_path: Path) -> None:
    with KaggleHub(BUNDLED_FOLDER) as hub:
        assert hub.handle == "kaggle://keras/codegemma/keras/code_gemma_2b_en/2"
        result = run(hub.handle, isolated_environment(tmp_path, hub))
    folder = Path(result.last["path"])
    assert folder == tmp_path / "kagglehub/models/keras/codegemma/keras/code_gemma_2b_en/2"
    assert same_files(folder, BUNDLED_FOLDER)


def test_a_vocabulary_comes_alone_and_the_rest_comes_when_it_is_wanted(
    hub: Hub, tmp_path: Path
) -> None:
    environment, path = isolated_environment(tmp_path, hub), "assets/tokenizer/vocabulary.spm"
    result = run(hub.handle, environment, "--only", path)
    folder = Path(result.last["path"])
    assert (folder / path).read_bytes() == (hub.preset / path).read_bytes()
    assert result.events[-2]["total_bytes"] == 150_000
    assert not (folder / WEIGHTS).exists()
    assert run(hub.handle, environment, "--only", path).last["path"] == str(folder)
    whole = run(hub.handle, environment)
    assert same_files(Path(whole.last["path"]), hub.preset)


def test_progress_grows_to_the_whole_and_comes_twice_a_second(hub: Hub, tmp_path: Path) -> None:
    hub.faults.bytes_per_second = after_chunks(hub, 1.5)
    with start(hub.handle, isolated_environment(tmp_path, hub)) as process:
        assert process.stdout is not None
        lines = [(time.monotonic(), json.loads(line)) for line in process.stdout]
    *progress, (_, last) = lines
    received = [event["received_bytes"] for _, event in progress]
    assert last["event"] == "downloaded"
    assert {event["total_bytes"] for _, event in progress} == {hub.total_bytes}
    assert received == sorted(received)
    assert len(set(received)) >= 4  # some progress was reported
    assert received[-1] == hub.total_bytes
    times = [at for at, _ in lines]
    assert max(after - before for before, after in pairwise(times)) < 0.9
    assert len(lines) < 20  # and not one for every chunk
    assert same_files(Path(last["path"]), hub.preset)


def test_the_second_time_it_is_there_with_the_hub_gone(hub: Hub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, hub)
    first = run(hub.handle, environment)
    hub.stop()
    hub.requests.clear()
    second = run(hub.handle, environment)
    assert second.events == [{"event": "downloaded", "path": first.last["path"]}]


def test_the_second_time_a_versioned_handle_asks_nobody(kaggle: KaggleHub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, kaggle)
    run(kaggle.handle, environment)
    kaggle.requests.clear()
    run(kaggle.handle, environment)
    assert kaggle.requests == []


def test_a_handle_without_a_version_takes_the_newest(kaggle: KaggleHub, tmp_path: Path) -> None:
    handle = kaggle.handle.removesuffix("/2")
    result = run(handle, isolated_environment(tmp_path, kaggle))
    assert Path(result.last["path"]).name == "2"
    assert result.received[-1] == kaggle.total_bytes


def test_a_preset_of_many_files_comes_as_an_archive(kaggle: KaggleHub, tmp_path: Path) -> None:
    for number in range(105):
        (kaggle.preset / f"part_{number}.txt").write_text("x")
    result = run(kaggle.handle, isolated_environment(tmp_path, kaggle))
    assert same_files(Path(result.last["path"]), kaggle.preset)
    assert result.received[-1] == kaggle.total_bytes
    listings = [r for r in kaggle.requests if r.path.endswith("ListModelInstanceVersionFiles")]
    assert [r.json.get("pageToken") for r in listings[:2]] == [None, "100"]


def test_without_a_listing_it_comes_with_the_total_unknown(hub: Hub, tmp_path: Path) -> None:
    hub.faults.listing_fails = True
    hub.faults.bytes_per_second = after_chunks(hub, 3)
    result = run(hub.handle, isolated_environment(tmp_path, hub))
    totals = {event["total_bytes"] for event in result.events if event["event"] == "progress"}
    assert totals == {None}
    assert same_files(Path(result.last["path"]), hub.preset)


def test_a_local_folder_is_its_own_download(tmp_path: Path) -> None:
    result = run(str(BUNDLED_FOLDER), isolated_environment(tmp_path))
    assert result.events == [{"event": "downloaded", "path": str(BUNDLED_FOLDER)}]


@pytest.mark.parametrize("variables", ["token", "pair", "file"])
def test_a_gated_preset_comes_with_a_key(kaggle: KaggleHub, tmp_path: Path, variables: str) -> None:
    kaggle.faults.requires_credentials = True
    environment = isolated_environment(tmp_path, kaggle)
    if variables == "token":
        environment["KAGGLE_API_TOKEN"] = TOKEN
    elif variables == "pair":
        environment |= {"KAGGLE_USERNAME": USERNAME, "KAGGLE_KEY": TOKEN}
    else:
        file = Path(environment["KAGGLE_CONFIG_DIR"]) / "kaggle.json"
        file.parent.mkdir()
        file.write_text(json.dumps({"username": USERNAME, "key": TOKEN}))
    assert run(kaggle.handle, environment).last["event"] == "downloaded"


@pytest.mark.parametrize("implicit", ["", "1"])
def test_a_gated_repo_comes_with_a_token(
    huggingface: HuggingFaceHub, tmp_path: Path, implicit: str
) -> None:
    huggingface.faults.requires_credentials = True
    environment = with_key(isolated_environment(tmp_path, huggingface))
    environment["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = implicit
    assert run(huggingface.handle, environment).last["event"] == "downloaded"


def test_a_client_that_gradio_makes_in_the_pages_process_takes_no_token_along() -> None:
    script = """
from codegemma_ui.ui import gradio_setup
gradio_setup.before_import()
from huggingface_hub.utils import build_hf_headers
print("authorization" in build_hf_headers())
"""
    told = subprocess.check_output(
        [sys.executable, "-c", script], env={**os.environ, "HF_TOKEN": TOKEN}, text=True
    )
    assert told.strip() == "False"


# Rejected downloads


def test_without_a_key_the_hint_says_which_variables_to_set(hub: Hub, tmp_path: Path) -> None:
    hub.faults.requires_credentials = True
    error = run(hub.handle, isolated_environment(tmp_path, hub)).last
    assert error["code"] == "no_credentials"
    variables = ["KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"]
    for name in variables if isinstance(hub, KaggleHub) else ["HF_TOKEN"]:
        assert name in error["hint"]
    assert "Space" in error["hint"]


@pytest.mark.parametrize("fault", ["refused", "line break", "not ascii"])
def test_a_bad_key_is_named_as_such(hub: Hub, tmp_path: Path, fault: str) -> None:
    hub.faults.requires_credentials = True
    key = {"refused": "wrong-key", "line break": "wrong\n-key", "not ascii": "wrong-key-é"}[fault]
    result = run(hub.handle, with_key(isolated_environment(tmp_path, hub), key))
    assert result.last["code"] == "bad_credentials"
    assert "wrong" not in result.output


@pytest.mark.parametrize("text", ["{not json", "[]", "null", '{"username": "somebody"}'])
def test_a_malformed_kaggle_json_is_a_bad_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    isolate_this_process(tmp_path, monkeypatch)
    file = Path(os.environ["KAGGLE_CONFIG_DIR"]) / "kaggle.json"
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(DownloadError) as caught:
        download(CODE_GEMMA_2B, lambda *_: None)
    assert caught.value.code == "bad_credentials"
    assert credentials_present()["kaggle"] is False


def test_a_very_long_kaggle_token_is_not_quoted(kaggle: KaggleHub, tmp_path: Path) -> None:
    # kagglesdk first checks whether the token is a file's name, which the system rejects.
    environment = with_key(isolated_environment(tmp_path, kaggle), "long-token-" * 60)
    result = run(kaggle.handle, environment)
    assert result.last["code"] == "bad_credentials"
    assert "long-token" not in result.output


def test_terms_not_accepted_leads_to_the_models_page(hub: Hub, tmp_path: Path) -> None:
    hub.faults.forbidden = True
    error = run(hub.handle, with_key(isolated_environment(tmp_path, hub))).last
    assert error["code"] == "terms_not_accepted"
    assert "HTTP 403" in error["message"]
    page = (
        "https://www.kaggle.com/models/keras/codegemma"
        if isinstance(hub, KaggleHub)
        else "https://huggingface.co/keras/code_gemma_2b_en"
    )
    assert page in error["hint"]


def test_a_preset_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    hub.faults.missing = True
    error = run(hub.handle, with_key(isolated_environment(tmp_path, hub))).last
    assert error["code"] == "preset_not_found"
    assert hub.handle in error["message"]


def test_a_repo_that_is_not_a_preset(hub: Hub, tmp_path: Path) -> None:
    (hub.preset / "config.json").unlink()
    error = run(hub.handle, isolated_environment(tmp_path, hub)).last
    assert error["code"] == "preset_not_found"
    assert "config.json" in error["message"]


@pytest.mark.parametrize(
    ("handle", "code"),
    [
        ("", "bad_handle"),
        ("code_gemma_2b_en", "bad_handle"),
        ("kaggle://keras/codegemma", "bad_handle"),
        ("kaggle://keras/codegemma/transformers/2b", "bad_handle"),
        ("kaggle://keras/codegemma/keras/code_gemma_2b_en/latest", "bad_handle"),
        ("kaggle://keras/../keras/code_gemma_2b_en/2", "bad_handle"),
        ("hf://only-a-name", "bad_handle"),
        ("hf://owner/name/more", "bad_handle"),
        ("hf://owner/a--b", "bad_handle"),
        ("https://example.org/preset", "bad_handle"),
        ("./no/such/folder", "preset_not_found"),
        ("/tmp", "preset_not_found"),
    ],
)
def test_a_handle_that_cannot_be_fetched(
    handle: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_this_process(tmp_path, monkeypatch)
    with pytest.raises(DownloadError) as caught:
        download(handle, lambda *_: None)
    assert caught.value.code == code
    assert "Received" in caught.value.message


# Interrupted downloads


def test_a_hub_that_cannot_be_reached(hub: Hub, tmp_path: Path) -> None:
    hub.stop()
    assert run(hub.handle, isolated_environment(tmp_path, hub)).last["code"] == "network"


def test_a_hub_that_is_down(kaggle: KaggleHub, tmp_path: Path) -> None:
    kaggle.faults.busy = True
    error = run(kaggle.handle, isolated_environment(tmp_path, kaggle)).last
    assert error["code"] == "network"
    assert "HTTP 503" in error["message"]


def test_a_hub_that_never_answers(
    kaggle: KaggleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_this_process(tmp_path, monkeypatch, kaggle)
    monkeypatch.setattr(fetching, "ANSWER_SECONDS", 0.5)
    kaggle.faults.silent = True
    with pytest.raises(DownloadError, match="could not be reached"):
        download(kaggle.handle, lambda *_: None)


def test_a_hub_that_falls_silent_half_way(
    kaggle: KaggleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_this_process(tmp_path, monkeypatch, kaggle)
    kaggle.faults.stall_after = after_chunks(kaggle, 1.5)
    with pytest.raises(DownloadError) as caught:
        download(kaggle.handle, lambda *_: None, stall_seconds=1.0)
    assert caught.value.code == "connection_lost"


def test_a_cut_connection_is_resumed_by_a_retry(kaggle: KaggleHub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, kaggle)
    kaggle.faults.cut_after = after_chunks(kaggle, 1.5)
    error = run(kaggle.handle, environment).last
    assert error["code"] == "connection_lost"

    kaggle.faults.cut_after = None
    kaggle.requests.clear()
    result = run(kaggle.handle, environment)
    assert same_files(Path(result.last["path"]), kaggle.preset)
    one_chunk = after_chunks(kaggle, 1)
    assert result.received[0] > one_chunk  # the first run's part counts from the start
    assert [r.range for r in kaggle.requests if r.range] == [f"bytes={one_chunk}-"]


def test_hugging_face_resumes_a_cut_by_itself(huggingface: HuggingFaceHub, tmp_path: Path) -> None:
    huggingface.faults = Faults(cut_after=after_chunks(huggingface, 1.5), cuts=1)
    result = run(huggingface.handle, isolated_environment(tmp_path, huggingface))
    assert same_files(Path(result.last["path"]), huggingface.preset)
    assert [request.range for request in huggingface.requests if request.range]


def test_hugging_face_gives_up_when_every_try_is_cut(
    huggingface: HuggingFaceHub, tmp_path: Path
) -> None:
    environment = isolated_environment(tmp_path, huggingface)
    huggingface.faults.cut_after = 0
    assert run(huggingface.handle, environment).last["code"] == "connection_lost"
    huggingface.faults.cut_after = None
    assert run(huggingface.handle, environment).last["event"] == "downloaded"


def test_a_file_shorter_than_listed_is_removed_and_fetched_again(hub: Hub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, hub)
    hub.faults.truncated = WEIGHTS
    error = run(hub.handle, environment).last
    assert error["code"] == "corrupt_file"
    assert not list(tmp_path.glob(f"kagglehub/**/{WEIGHTS}"))
    assert not list(tmp_path.glob(f"huggingface/**/{WEIGHTS}"))

    hub.faults.truncated = None
    hub.requests.clear()
    result = run(hub.handle, environment)
    assert same_files(Path(result.last["path"]), hub.preset)
    fetched = {request.path.rpartition("/")[2] for request in hub.file_requests()}
    assert WEIGHTS in fetched
    if isinstance(hub, HuggingFaceHub):
        assert fetched == {WEIGHTS}  # complete files had been kept


def test_a_file_with_other_bytes_than_its_checksum(kaggle: KaggleHub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, kaggle)
    kaggle.faults.wrong_checksum = WEIGHTS
    assert run(kaggle.handle, environment).last["code"] == "corrupt_file"
    kaggle.faults.wrong_checksum = None
    assert run(kaggle.handle, environment).last["event"] == "downloaded"


def test_a_cache_that_lost_its_config_is_not_handed_out(kaggle: KaggleHub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, kaggle)
    folder = Path(run(kaggle.handle, environment).last["path"])
    (folder / "config.json").unlink()
    assert run(kaggle.handle, environment).last["event"] == "downloaded"
    assert same_files(folder, kaggle.preset)


def test_a_disk_without_room_is_noticed_beforehand(
    kaggle: KaggleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_this_process(tmp_path, monkeypatch, kaggle)
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1_000_000))
    with pytest.raises(DownloadError) as caught:
        download(kaggle.handle, lambda *_: None)
    assert caught.value.code == "disk_full"
    assert "1.0 MB free" in caught.value.message
    assert kaggle.file_requests() == []


def test_a_disk_that_fills_up_on_the_way(
    kaggle: KaggleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_this_process(tmp_path, monkeypatch, kaggle)

    def full(_: str) -> str:
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise RuntimeError("a worker thread failed") from error

    monkeypatch.setattr("kagglehub.model_download", full)
    with pytest.raises(DownloadError) as caught:
        download(kaggle.handle, lambda *_: None)
    assert caught.value.code == "disk_full"
    assert "No space left" in caught.value.message


# Cancellation


def start_and_wait_for(
    hub: Hub, environment: dict[str, str], received: int, **options: Any
) -> "subprocess.Popen[str]":
    process = start(hub.handle, environment, **options)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["received_bytes"] >= received:
            return process
    raise AssertionError("the download ended before it could be cancelled")


def test_a_killed_download_is_taken_up_again(hub: Hub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, hub)
    one_chunk = after_chunks(hub, 1)
    hub.faults.bytes_per_second = one_chunk
    with start_and_wait_for(hub, environment, received=one_chunk) as process:
        process.kill()
    hub.faults.bytes_per_second = None
    hub.requests.clear()
    result = run(hub.handle, environment)
    assert same_files(Path(result.last["path"]), hub.preset)
    assert not list(tmp_path.rglob("*.incomplete"))  # nothing is left to fill the disk
    if isinstance(hub, KaggleHub):
        assert [request.range for request in hub.requests if request.range]


def test_it_ends_when_its_parent_does(kaggle: KaggleHub, tmp_path: Path) -> None:
    environment = isolated_environment(tmp_path, kaggle)
    kaggle.faults.bytes_per_second = after_chunks(kaggle, 0.5)
    with start_and_wait_for(kaggle, environment, 0, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=5) != 0


def test_two_processes_that_want_one_preset_do_not_mix_their_bytes(
    kaggle: KaggleHub, tmp_path: Path
) -> None:
    environment = isolated_environment(tmp_path, kaggle)
    kaggle.faults.bytes_per_second = after_chunks(kaggle, 1.5)
    with (
        start(kaggle.handle, environment) as one,
        start(kaggle.handle, environment) as two,
    ):
        last = [json.loads(process.communicate()[0].splitlines()[-1]) for process in (one, two)]
    assert last[0] == last[1]
    assert same_files(Path(last[0]["path"]), kaggle.preset)
    assert sum(request.sent_bytes for request in kaggle.requests) == kaggle.total_bytes


# Secrets


def test_no_framework_is_imported(kaggle: KaggleHub, tmp_path: Path) -> None:
    script = (
        "import sys; from codegemma_ui.download import credentials_present, download\n"
        f"download({kaggle.handle!r}, lambda *_: None); credentials_present()\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=isolated_environment(tmp_path, kaggle),
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stdout.splitlines()[-1].split())
    assert "kagglehub" in imported
    assert not imported & {"keras", "keras_hub", "keras_nlp", "tensorflow", "jax", "torch"}


def test_the_fixed_test_environment_of_kagglesdk_works_and_shows_no_key(
    tmp_path: Path,
) -> None:
    # There kagglesdk prints each request with its Authorization header; `run` looks for the key.
    preset = make_preset(tmp_path / "preset", 100_000)
    with KaggleHub(preset, faults=Faults(requires_credentials=True), port=7777) as hub:
        result = run(hub.handle, with_key(isolated_environment(tmp_path, hub)))
    assert same_files(Path(result.last["path"]), preset)


def test_credentials_are_reported_without_their_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolate_this_process(tmp_path, monkeypatch)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    assert credentials_present() == {"kaggle": False, "huggingface": False}
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert credentials_present() == {"kaggle": True, "huggingface": True}


def test_every_code_of_the_table_has_its_words() -> None:
    assert set(CODES.values()) - {"status"} <= set(WORDS)
