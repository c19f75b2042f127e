"""A missing private name of torch disables only the feature that needs it, with a note."""

from __future__ import annotations

import time
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from codegemma_ui.errors import LoadFailed  # noqa: E402
from codegemma_ui.workers.keras.steps import torch_names, torch_products  # noqa: E402
from codegemma_ui.workers.keras.steps.torch_compiling import Graphs  # noqa: E402
from codegemma_ui.workers.keras.steps.weights import Quantized  # noqa: E402


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Simulate a torch that lacks these names."""
    found = torch_names.found
    monkeypatch.setattr(torch_names, "found", lambda name: None if name in names else found(name))


def test_this_torch_has_them_all() -> None:
    kernels = ("torch._weight_int8pack_mm", torch_names._PACK_INT4, torch_names._MULTIPLY_INT4)
    for name in (*torch_names._INDUCTOR.values(), *kernels):
        assert torch_names.found(name) is not None, name
    assert torch_names.uncompiled("cpu") == torch_names.without_compiler("cpu")


def test_a_name_or_a_module_that_is_not_there_is_none() -> None:
    assert torch_names.found("torch._inductor.codecache") is not None
    for name in ("torch._inductor.no_such_name", "torch.no_such_module.name", "torch.ops.aten.nor"):
        assert torch_names.found(name) is None


def test_without_inductor_graphs_run_as_they_are_and_nothing_kept_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_names, "cxx_compiler", lambda: "g++")
    without(monkeypatch, "torch._guards.TracingContext")
    monkeypatch.setattr(
        "codegemma_ui.workers.keras.compiled.discard", lambda: pytest.fail("it was thrown away")
    )
    graphs = Graphs("cpu", str)
    for key in ("step", "verify"):
        graphs.add((key,), print, lambda: pytest.fail("it was compiled"))
    graphs.warmed()
    deadline = time.monotonic() + 20
    while graphs.compiling and time.monotonic() < deadline:
        time.sleep(0.005)
    assert (graphs.compiling, graphs.compiled, graphs.find(("step",))) == (0, 0, print)
    assert graphs.note == (
        f"torch runs uncompiled, which is slower: torch {torch.__version__} has no "
        "torch._guards.TracingContext"
    )


def test_without_its_kernel_int8_is_multiplied_by_other_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch_names, "cxx_compiler", lambda: None)
    monkeypatch.setattr(torch_products, "_chosen", {})
    values = torch.randint(-127, 128, (48, 32), dtype=torch.int8)
    scale, x = torch.rand(48), torch.randint(-8, 8, (1, 32)).float()
    without(monkeypatch, "torch._weight_int8pack_mm")
    torch_products.prepare(Quantized(values, scale), ())
    assert torch_products.kernel_int8 not in torch_products._chosen.values()
    product = torch_products.product(x, values, scale)
    assert torch.allclose(product, x @ values.float().T * scale, rtol=1e-2, atol=1e-2)


def test_a_product_that_the_machine_held_up_at_first_is_still_found_the_fastest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, runs = 0.0, 0

    def taking(seconds: float) -> Any:
        def product(*_: Any) -> None:
            nonlocal now, runs
            runs += 1
            now += seconds + (0.04 if runs < 12 and seconds < 0.01 else 0.0)  # held up

        return product

    monkeypatch.setattr("time.perf_counter", lambda: now)
    products = [taking(0.013), taking(0.003), taking(0.025)]
    assert torch_products._fastest(products, *[torch.ones(1)] * 3) == 1


@pytest.mark.parametrize("name", [torch_names._PACK_INT4, torch_names._MULTIPLY_INT4])
def test_without_its_kernels_int4_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def quantise_and_multiply() -> None:
        matrix = torch_products.int4(torch.randn(64, 64))
        torch_products.kernel_int4(torch.randn(1, 64), *matrix)

    without(monkeypatch, name)
    with pytest.raises(
        LoadFailed, match=f"{name}.* Received: torch {torch.__version__[:4]}"
    ) as told:
        quantise_and_multiply()
    assert "--dtype int8" in told.value.hint


def test_a_card_without_triton_is_not_compiled_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "triton" in (torch_names.uncompiled("cuda") or "")
