"""Training on a card, rehearsed: a call prepares and trains, the next goes on, the model travels back."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import psutil
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from codegemma_ui import machine
from codegemma_ui.presets import BUNDLED_FOLDER
from tools.gpu import evaluate, rehearsal, text, train
from tools.gpu.results import CALL_S, Results
from training import corpus
from training.corpus import SourceFile
from training.held_out import KINDS
from training.model import Gemma, Shape

CODE = Path(__file__).read_text()


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Return a folder with the packed text."""
    folder = tmp_path / "here"
    (folder / "corpus").mkdir(parents=True)
    files = [SourceFile(f"package-{n}", "1", "a.py", CODE + f"# {n}\n") for n in range(8)]
    corpus.write(folder / "corpus" / "train.jsonl", files)
    vocabulary = BUNDLED_FOLDER / "assets" / "tokenizer" / "vocabulary.spm"
    (folder / "vocabulary.spm").write_bytes(vocabulary.read_bytes())
    (folder / "held_out").mkdir()
    for kind in KINDS:
        (folder / "held_out" / f"{kind}.jsonl").write_text("{}\n")
    text.pack(folder, tmp_path / "gpu", processes=1)
    return tmp_path / "gpu"


def call(parts: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    there, out = parts.parent / "there", parts.parent / "out"
    flags = ["--out", out, "--parts", parts, "--folder", there, "--shape", "small", "--turns", "2"]
    monkeypatch.setattr(sys, "argv", ["train", *map(str, flags), "--seconds", "33", "--hours", "1"])
    monkeypatch.setitem(train.TOKENS, "small", 1024)
    monkeypatch.setattr(train, "peak_flops", lambda: 1e12)
    # By itself, since it takes as long as a busy machine needs.
    assert train.prepare(Results(there, "prepared"), parts, there, 2, 1, programs=50)
    train.main()
    return dict(Results(out, "train-small").steps)


def test_a_call_trains_and_the_next_goes_on(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "SPARE_S", 24.0)
    first = call(parts, monkeypatch)["call 1"]
    assert first["tokens"] > 500
    assert 0 < first["share_of_peak"] < 1
    second = call(parts, monkeypatch)["call 2"]
    assert second["steps"] > first["steps"]
    assert second["spent_s"] > first["spent_s"]


def test_a_rehearsal_goes_from_a_text_to_a_judged_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as --small sets it
    monkeypatch.setitem(train.TOKENS, "small", 1024)
    monkeypatch.setattr(evaluate, "KINDS", ("multi_line",))  # each kind starts two engines
    monkeypatch.setattr(rehearsal, "PACKAGES", ("json", "http"))
    rehearsal.make(tmp_path)
    out, there = tmp_path / "out", tmp_path / "training"
    flags = ["--small", "--out", str(out), "--folder", str(there)]
    train.main([*flags, "--parts", str(tmp_path), "--hours", "0.002"])
    figures = Results(out, "train-small").steps["call 1"]
    assert (figures["device"], figures["left_s"]) == ("cpu", 0)
    with pytest.raises(SystemExit) as ended:
        evaluate.main([*flags, "--limit", "1"])
    assert ended.value.code == 0
    judged = Results(out, "evaluate-small").steps
    assert judged[f"multi_line exported at step {figures['steps']}"]["tasks"] == 1
    assert (out / f"model-small-exported-{figures['steps']}.tar.00").exists()


def test_few_cores_take_as_much_text_as_they_can_pack() -> None:
    assert train.most_bytes(CALL_S, 16) > 580e6  # all of it
    assert 50e6 < train.most_bytes(CALL_S, 2) < 100e6
    assert train.most_bytes(30, 2) == 0  # the least is one piece


@pytest.mark.skipif(bool(machine.gpus()), reason="there is a card")
def test_without_a_card_the_rehearsal_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        train.main(["--out", str(tmp_path)])
    assert "--small rehearses on a CPU" in capsys.readouterr().err


def test_without_text_it_ends_with_the_reason(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.gpu.train", "--out", f"{tmp_path}/out"]
    command += ["--parts", str(tmp_path), "--folder", f"{tmp_path}/there", "--shape", "small"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "There should be parts of the text." in done.stderr
    assert done.stderr.splitlines()[-1] == "The text is not ready: the error stands above."


def test_without_a_training_there_is_nothing_to_judge(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.gpu.evaluate", "--out", f"{tmp_path}/out"]
    command += ["--folder", f"{tmp_path}/there", "--shape", "small"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "There is no training of this shape to judge" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_flops_are_those_that_torch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.attention.QUERIES", 16)  # half of the scores are never computed
    shape = Shape(512, layers=3, dim=128, heads=4, kv_heads=2, head_dim=32, feed_forward=192)
    model = Gemma(shape, compiled=False)
    ids, weights = torch.randint(0, 512, (2, 256)), torch.ones(2, 256)
    with FlopCounterMode(display=False) as counter:
        loss, _ = model.loss(ids, ids, weights)
        loss.backward()
    counted = counter.get_total_flops() / ids.numel()
    assert train.flops_a_token(shape, 256) == pytest.approx(counted, rel=0.05)


def children() -> set[psutil.Process]:
    return set(psutil.Process(os.getpid()).children(recursive=True))


def test_what_packs_beside_the_training_ends_with_it(parts: Path) -> None:
    there = parts.parent / "there"
    text.unpack(parts, there, 1)
    before = children()  # of other tests
    with train.packing_others(there, turns=3, processes=1):
        deadline = time.monotonic() + 20
        while not (packing := children() - before):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert not psutil.wait_procs(list(packing), timeout=10)[1]


def test_the_model_comes_back_in_files_that_may_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "FILE_BYTES", 5_000)
    preset, out, there = tmp_path / "preset", tmp_path / "out", tmp_path / "there"
    for folder in (preset, out, there):
        folder.mkdir()
    (preset / "weights.h5").write_bytes(os.urandom(12_000))
    evaluate.send_back(preset, out, "large")
    assert len(list(out.iterdir())) > 2
    command = f"cat {out}/model-large.tar.* > {there}/whole.tar"
    subprocess.run(command, shell=True, check=True)
    with tarfile.open(there / "whole.tar") as archive:
        archive.extractall(there, filter="data")
    assert (there / "preset" / "weights.h5").read_bytes() == (preset / "weights.h5").read_bytes()
