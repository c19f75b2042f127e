"""A switch of models on the page, over a scripted engine: progress, return, the pip command."""

from playwright.sync_api import expect

from codegemma_ui import presets
from codegemma_ui.errors import NotEnoughMemory
from tests.browser.playground import OpenPage, Playground, Scripted


def test_a_switch_tells_its_story_and_can_be_cancelled(
    playground: Playground, scripted: Scripted
) -> None:
    client = scripted.client
    playground.choose("model", "CodeGemma 2B")
    expect(playground.status).to_contain_text("loading CodeGemma 2B")
    assert client.switches == [("code_gemma_2b_en", None, None)]
    client.be(state="downloading", phase="downloading", progress=0.37)
    expect(playground.status).to_contain_text("downloading CodeGemma 2B · tensorflow 37%")
    expect(playground.status).to_contain_text("Bundled FIM model · tensorflow keeps answering")
    expect(playground.page.locator("#cancel-switch")).to_be_visible()
    playground.page.locator("#cancel-switch").click()
    expect(playground.status).to_contain_text("ready")
    expect(playground.page.locator("#model input")).to_have_value(presets.bundled().label)
    expect(playground.page.locator("#cancel-switch")).to_be_hidden()


def test_a_failed_switch_goes_back_and_says_what_to_do(
    playground: Playground, scripted: Scripted
) -> None:
    playground.choose("backend", "jax")
    expect(playground.status).to_contain_text("jax")
    scripted.client.be_ready(
        error={"code": "load_failed", "message": "A file is corrupt.", "hint": "Download it again."}
    )
    notice = playground.page.locator("#notices .notice.error")
    expect(notice).to_contain_text("The model could not be loaded")
    expect(notice).to_contain_text("A file is corrupt.")
    expect(notice).to_contain_text("Download it again.")
    expect(playground.page.locator("#backend input")).to_have_value("tensorflow")


def test_a_refused_switch_changes_nothing(playground: Playground, scripted: Scripted) -> None:
    scripted.client.switch_refusal = NotEnoughMemory("It needs 18.8 GB.", "Choose a smaller one.")
    playground.choose("model", "CodeGemma 7B")
    expect(playground.answer).to_contain_text("It needs 18.8 GB.")
    expect(playground.page.locator("#model input")).to_have_value(presets.bundled().label)


def test_a_backend_that_is_not_installed_shows_its_pip_line(
    scripted: Scripted, open_page: OpenPage
) -> None:
    scripted.client.missing = {"torch"}
    playground = open_page(scripted.url)
    playground.choose("backend", "torch (not installed)")
    expect(playground.answer).to_contain_text('pip install -e ".[torch]"')
    expect(playground.page.locator("#backend input")).to_have_value("tensorflow")


def test_a_codegemma_model_brings_the_terms_and_its_context(
    playground: Playground, scripted: Scripted
) -> None:
    assert playground.page.locator("#footer a").count() == 0
    scripted.client.be_ready(preset="code_gemma_1.1_instruct_7b_en", context_length=8192)
    links = playground.page.locator("#footer a")
    expect(links).to_have_count(2)
    assert [link.get_attribute("href") for link in links.all()] == [
        "https://ai.google.dev/gemma/terms",
        "https://ai.google.dev/gemma/prohibited_use_policy",
    ]
    expect(playground.page.locator("#notices")).to_contain_text("made for chat")
    expect(playground.page.locator("#max-length input[type=range]")).to_have_attribute(
        "max", "8192"
    )


def test_the_clock_leaves_a_control_in_use_alone(
    playground: Playground, scripted: Scripted
) -> None:
    playground.write("before", "typing")
    playground.page.locator("#backend input").click()
    expect(playground.page.get_by_role("option", name="jax")).to_be_visible()
    scripted.client.be(queue_length=2)
    expect(playground.status).to_contain_text("2 waiting")
    expect(playground.page.get_by_role("option", name="jax")).to_be_visible()
    assert playground.page.evaluate("document.activeElement.closest('#backend') !== null")
