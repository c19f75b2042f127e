"""Every string the page shows or speaks, in English and Korean. Pure.

Errors keep the engine's own words as their detail, under a headline from this table; names of models,
backends and settings (`max_length`, `top_p`) are the same in every language.
"""

from __future__ import annotations

from typing import Literal, get_args

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LANGUAGE_NAMES: dict[Language, str] = {"en": "EN", "ko": "한국어"}

# key: (English, Korean)
TABLE: dict[str, tuple[str, str]] = {
    # Header
    "tagline": (
        "Code before and after the cursor; the model writes what belongs between.",
        "커서 앞뒤의 코드를 보고 모델이 그 사이를 채웁니다.",
    ),
    "page_language": ("Page language", "페이지 언어"),
    "theme": ("Light or dark", "밝게 / 어둡게"),
    # Choices
    "model": ("Model", "모델"),
    "backend": ("Backend", "백엔드"),
    "precision": ("Precision", "정밀도"),
    "precision_info": (
        "int8 keeps weights in a quarter of float32's bytes; on a CPU it is fastest with torch.",
        "int8은 가중치를 float32의 4분의 1 크기로 둡니다. CPU에서는 torch에서 가장 빠릅니다.",
    ),
    "precision_cost": (
        "Exactly right of {tasks} held-out holes: {counts}.",
        "검증용 빈칸 {tasks}개 중 정답 수: {counts}.",
    ),
    "language": ("Language", "언어"),
    "example": ("Example", "예제"),
    "example_choose": ("Choose an example", "예제를 고르세요"),
    "plain_text": ("plain text", "일반 텍스트"),
    "not_installed": ("{name} (not installed)", "{name} (설치되지 않음)"),
    "locked_nobody": (
        "The operator has fixed the model: everybody here shares it.",
        "운영자가 모델을 고정했습니다. 여기서는 모두가 같은 모델을 함께 씁니다.",
    ),
    "locked_login": (
        "Log in to change the model: everybody here shares it.",
        "모델을 바꾸려면 로그인하세요. 여기서는 모두가 같은 모델을 함께 씁니다.",
    ),
    "cancel_switch": ("Cancel the switch", "전환 취소"),
    # Editors
    "before": ("Before the cursor", "커서 앞"),
    "after": ("After the cursor", "커서 뒤"),
    "middle": ("Middle", "채워진 코드"),
    "line_ending": ("Line ending", "줄바꿈"),
    "paste_report": ("Line endings of the last paste", "마지막으로 붙여 넣은 글의 줄바꿈"),
    "ending_mixed": (
        "That text mixes line endings ({crlf} CRLF, {lf} LF, {cr} CR). The editors hold them all as one "
        "kind, and the program is written with {ending}.",
        "줄바꿈이 섞여 있는 글입니다(CRLF {crlf}개, LF {lf}개, CR {cr}개). 편집기에서는 한 가지로 통일하고, "
        "프로그램은 {ending}로 씁니다.",
    ),
    "ending_joined": (
        "The pasted lines end in {pasted}, this program in {ending}: they were converted to {ending}.",
        "붙여 넣은 줄은 {pasted}로 끝나지만 이 프로그램은 {ending}입니다. {ending}로 바꾸었습니다.",
    ),
    # Completing
    "complete": ("Complete", "채우기"),
    "stop": ("Stop", "멈추기"),
    "max_length": ("max_length", "max_length"),
    "max_length_info": (
        "Prompt and middle together, in tokens",
        "프롬프트와 채울 코드를 합한 토큰 수",
    ),
    "sum": (
        "prompt {prompt} + room {room} = {total}",
        "프롬프트 {prompt} + 여유 {room} = {total}",
    ),
    "trimmed": (
        "Too long: {prefix} tokens cut from the start of the prefix, {suffix} from the end of the suffix",
        "너무 깁니다: 앞부분의 처음 {prefix}토큰, 뒷부분의 마지막 {suffix}토큰을 잘랐습니다",
    ),
    "advanced": ("Advanced", "고급 설정"),
    "temperature": ("Temperature", "온도(temperature)"),
    "temperature_info": (
        "0 always takes the likeliest token",
        "0이면 항상 가장 확률이 높은 토큰을 고릅니다",
    ),
    "top_k": ("Top-k", "Top-k"),
    "top_k_info": (
        "Sample from the k likeliest; 0 is off",
        "확률이 높은 k개 중에서 고릅니다. 0은 끔",
    ),
    "top_p": ("Top-p", "Top-p"),
    "top_p_info": (
        "Sample from the likeliest that hold this probability; 1 is off",
        "이 확률을 채우는 상위 토큰에서 고릅니다. 1은 끔",
    ),
    "seed": ("Seed", "시드"),
    "seed_info": ("The same seed repeats the same sample", "시드가 같으면 결과도 같습니다"),
    "seed_random": ("random", "무작위"),
    "layout": ("Prompt order", "프롬프트 순서"),
    "layout_psm": ("PSM: prefix, suffix, middle", "PSM: 앞, 뒤, 가운데"),
    "layout_spm": ("SPM: suffix, prefix, middle", "SPM: 뒤, 앞, 가운데"),
    # The caption under the middle
    "caption_idle": (
        "Press {key} in either editor, or load an example.",
        "편집기에서 {key}를 누르거나 예제를 불러오세요.",
    ),
    "caption_waiting": ("Waiting for the model", "모델을 기다리고 있습니다"),
    "caption_waiting_for": ("Waiting: {what}", "대기 중: {what}"),
    "caption_queued": ("Waiting: {ahead} ahead of you", "대기 중: 앞에 {ahead}명"),
    "caption_writing": ("Writing", "쓰는 중"),
    "stop_token": ("stopped at", "멈춘 곳:"),
    "stop_max_length": ("stopped at max_length", "max_length에 도달해 멈춤"),
    "stop_time_limit": ("stopped at the time limit", "시간 제한에 도달해 멈춤"),
    "stop_you": ("stopped by you", "직접 멈춤"),
    "stop_error": ("stopped by an error", "오류로 멈춤"),
    "tokens": ("{count} tokens", "{count}토큰"),
    "token": ("1 token", "1토큰"),
    "speed": ("{speed} tok/s", "초당 {speed}토큰"),
    "first_token": ("first token after {seconds} s", "첫 토큰까지 {seconds}초"),
    # Panes
    "program": ("Program", "프로그램"),
    "raw_prompt": ("Raw prompt", "원본 프롬프트"),
    "raw_output": ("Raw output", "원본 출력"),
    "program_empty": (
        "The whole program will stand here, the new middle marked in it.",
        "완성된 프로그램이 여기에 나타나고, 채워진 부분이 표시됩니다.",
    ),
    "raw_prompt_empty": (
        "Exactly what the model receives will stand here, control tokens marked.",
        "모델이 받는 그대로의 프롬프트가 여기에 나타나고, 제어 토큰이 표시됩니다.",
    ),
    "raw_output_empty": (
        "Exactly what the model returns will stand here, its stop token marked.",
        "모델이 돌려준 그대로의 출력이 여기에 나타나고, 정지 토큰이 표시됩니다.",
    ),
    "legend_prefix": ("before", "앞"),
    "legend_middle": ("middle", "가운데"),
    "legend_suffix": ("after", "뒤"),
    "legend_control": ("control token", "제어 토큰"),
    "copy": ("Copy", "복사"),
    "copied": ("Copied", "복사함"),
    "download": ("Download", "내려받기"),
    # The status line
    "state_starting": ("starting", "시작하는 중"),
    "state_downloading": ("downloading {name}", "{name} 내려받는 중"),
    "state_loading": ("loading {name}", "{name} 불러오는 중"),
    "state_warming": ("compiling {name}", "{name} 컴파일하는 중"),
    "state_ready": ("ready", "준비됨"),
    "state_busy": ("writing", "쓰는 중"),
    "phase_waiting": ("waiting for the running completion", "진행 중인 채우기를 기다리는 중"),
    "phase_stopping": ("stopping the old model", "이전 모델을 멈추는 중"),
    "phase_ending": ("the stopped completion is ending", "멈춘 채우기를 마무리하는 중"),
    "state_failed": ("not loaded", "불러오지 못함"),
    "still_serving": ("{name} still answers", "그동안 {name} 모델이 응답합니다"),
    "parameters": ("{count} parameters", "매개변수 {count}개"),
    "memory": ("{size} in memory", "메모리 {size}"),
    "waiting": ("{count} waiting", "{count}명 대기 중"),
    # What is loaded
    "summary": ("What is loaded", "불러온 모델"),
    "summary_empty": ("No model is loaded yet.", "아직 불러온 모델이 없습니다."),
    "note": ("Note: {note}", "알림: {note}"),
    "instruct": (
        "An instruct model is made for chat. It fills in far worse than its base model: 20% against 58% on "
        "multi-line infilling.",
        "인스트럭트 모델은 대화용입니다. 여러 줄 채우기 정확도가 기본 모델의 58%에 비해 20%로 훨씬 낮습니다.",
    ),
    "spm_untrained": (
        "This model was not trained on the SPM order.",
        "이 모델은 SPM 순서로 학습되지 않았습니다.",
    ),
    "gemma": (
        "CodeGemma is under Google's",
        "CodeGemma에는 Google의 약관이 적용됩니다:",
    ),
    "gemma_terms": ("Gemma terms of use", "Gemma 이용 약관"),
    "gemma_policy": ("prohibited-use policy", "금지된 사용 정책"),
    "install": (
        "{name} is not installed here. Install it, then start the playground again:",
        "이 컴퓨터에 {name}이(가) 설치되어 있지 않습니다. 설치한 뒤 다시 시작하세요:",
    ),
    # Errors: a headline for each code
    "error": ("That did not work", "요청을 처리하지 못했습니다"),
    "error_bad_input": ("This cannot be completed as it is", "입력을 확인해 주세요"),
    "error_not_allowed": ("Not allowed here", "여기서는 할 수 없습니다"),
    "error_unknown_preset": ("Unknown model", "알 수 없는 모델입니다"),
    "error_unknown_backend": ("Unknown backend", "알 수 없는 백엔드입니다"),
    "error_backend_missing": ("Backend not installed", "백엔드가 설치되어 있지 않습니다"),
    "error_not_enough_memory": ("Not enough memory", "메모리가 부족합니다"),
    "error_load_failed": ("The model could not be loaded", "모델을 불러오지 못했습니다"),
    "error_worker_died": ("The model stopped unexpectedly", "모델이 예기치 않게 종료되었습니다"),
    "error_worker_gone": ("The model keeps stopping", "모델이 계속 종료됩니다"),
    "error_not_ready": ("No model is loaded", "불러온 모델이 없습니다"),
    "error_download_failed": ("The download failed", "내려받지 못했습니다"),
    "error_no_credentials": ("A key is needed", "키가 필요합니다"),
    "error_bad_credentials": ("The key was not accepted", "키가 받아들여지지 않았습니다"),
    "error_terms_not_accepted": (
        "The terms are not accepted yet",
        "이용 약관에 아직 동의하지 않았습니다",
    ),
    "error_preset_not_found": ("No such model there", "그런 모델이 없습니다"),
    "error_network": ("The site could not be reached", "사이트에 연결할 수 없습니다"),
    "error_connection_lost": ("The connection was lost", "연결이 끊어졌습니다"),
    "error_corrupt_file": ("A file is damaged", "손상된 파일이 있습니다"),
    "error_disk_full": ("Not enough room on the disk", "디스크 공간이 부족합니다"),
    # What to do next, in words of the page: the engine's own hint is English and stands below.
    "hint_no_credentials": (
        "Set a key in the environment or among the secrets of the Space, and accept the model's terms.",
        "환경 변수나 Space의 시크릿에 키를 설정하고 모델 이용 약관에 동의한 뒤 다시 시도해 주세요.",
    ),
    "hint_bad_credentials": (
        "Make a new key, set it, and try again.",
        "키를 새로 만들어 설정한 뒤 다시 시도해 주세요.",
    ),
    "hint_terms_not_accepted": (
        "Open the model's page with the key's account, accept the terms, and try again.",
        "키의 계정으로 모델 페이지를 열어 약관에 동의한 뒤 다시 시도해 주세요.",
    ),
    "hint_preset_not_found": (
        "Check the spelling and the version.",
        "이름과 버전을 확인해 주세요.",
    ),
    "hint_network": (
        "Check the connection and try again.",
        "인터넷 연결을 확인하고 다시 시도해 주세요.",
    ),
    "hint_connection_lost": (
        "Try again: it goes on from where it stopped.",
        "다시 시도하면 받은 곳부터 이어집니다.",
    ),
    "hint_corrupt_file": (
        "Choose the model again; if it fails again, delete its folder in the download cache.",
        "모델을 다시 선택해 주세요. 계속 실패하면 내려받기 캐시에서 해당 폴더를 지워 주세요.",
    ),
    "hint_disk_full": ("Free some room and try again.", "공간을 확보한 뒤 다시 시도해 주세요."),
    "hint_not_enough_memory": (
        "Choose a smaller model, a half-width precision, or a lower max_length.",
        "더 작은 모델이나 절반 정밀도를 고르거나 max_length를 낮춰 주세요.",
    ),
    "hint_worker_died": (
        "It is being started again; try once more in a moment.",
        "모델을 다시 시작하고 있습니다. 잠시 뒤에 다시 시도해 주세요.",
    ),
    "hint_worker_gone": (
        "It is not started again by itself. Choose a model and a backend to try again.",
        "자동으로 다시 시작하지 않습니다. 모델과 백엔드를 선택해 다시 시도해 주세요.",
    ),
    "hint_not_ready": ("Choose a model and a backend.", "모델과 백엔드를 선택해 주세요."),
    "error_queue_full": ("Too many requests are waiting", "대기 중인 요청이 너무 많습니다"),
    "hint_queue_full": ("Try again in a moment.", "잠시 뒤에 다시 시도해 주세요."),
    # Examples
    "example_quickstart": ("Which import is missing?", "빠진 import 찾기"),
    "example_table": ("Multiplication table", "구구단"),
    "example_loop": ("The body of a loop", "반복문 본문"),
    "example_condition": ("The condition of an if", "if 문의 조건"),
    "example_attribute": ("The attribute used below", "아래에서 쓰는 속성"),
    "example_filter": ("Keep what matches", "맞는 것만 모으기"),
    "example_exception": ("Which exception?", "어떤 예외를 잡을까"),
    "example_parser": ("An argument parser", "인자 파서"),
    "example_empty_prefix": ("Nothing before the cursor", "커서 앞이 비어 있을 때"),
    "example_empty_suffix": ("Nothing after the cursor", "커서 뒤가 비어 있을 때"),
    "example_docstring": ("Write a docstring", "독스트링 쓰기"),
    "example_body": ("A body of several lines", "여러 줄 함수 본문"),
    "example_javascript": ("JavaScript", "자바스크립트"),
}


def text(key: str, language: Language, /, **values: object) -> str:
    """One string of the page.

    Args:
        key: a key of `TABLE`.
        language: "en" or "ko".
        values: what the string's `{names}` stand for.
    """
    return TABLE[key][LANGUAGES.index(language)].format(**values)


def error_title(code: str, language: Language) -> str:
    """The headline of an error; a code that has none of its own gets the general one."""
    return text(f"error_{code}" if f"error_{code}" in TABLE else "error", language)


def error_hint(code: str, language: Language) -> str:
    """What to do next, where the engine's English hint will not do; else empty."""
    key = f"hint_{code}"
    return text(key, language) if language != "en" and key in TABLE else ""


def choose_language(asked: str | None, operators: str, accepted: str | None) -> Language:
    """The language of a page at its first load.

    Args:
        asked: `?lang=` of the address, if any.
        operators: "en", "ko", or "auto" for the browser's.
        accepted: the browser's Accept-Language header
            (https://www.rfc-editor.org/rfc/rfc9110#name-accept-language).
    """
    for wish in (asked, operators):
        for language in LANGUAGES:
            if wish and wish.lower().split("-")[0] == language:
                return language
    return _preferred(accepted or "")


def _preferred(accepted: str) -> Language:
    weighed: list[tuple[float, Language]] = []
    for item in accepted.split(","):
        tag, _, weight = item.strip().partition(";q=")
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language:
                try:
                    weighed.append((float(weight or 1), language))
                except ValueError:
                    continue
    return max(weighed, key=lambda one: one[0], default=(0.0, LANGUAGES[0]))[1]
