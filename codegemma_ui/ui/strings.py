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
    "log_out": ("Log out", "로그아웃"),
    "theme": ("Light or dark", "밝게 / 어둡게"),
    # The server is lost; a page that was loaded again
    "lost": ("The server does not answer", "서버가 응답하지 않습니다"),
    "lost_kept": (
        "Your code is safe in this tab. The page comes back by itself as soon as the server answers.",
        "코드는 이 탭에 그대로 있습니다. 서버가 응답하면 페이지가 저절로 돌아옵니다.",
    ),
    "lost_unsent": (
        "Your press of Complete was not answered: nothing was completed. Press it again once the server "
        "answers.",
        "채우기를 눌렀지만 응답이 없어 아무것도 채우지 못했습니다. 서버가 응답하면 다시 눌러 주세요.",
    ),
    "lost_unkept": (
        "The page reloads as soon as the server answers, but it cannot keep your code in this browser: "
        "copy it now.",
        "서버가 응답하면 페이지를 새로 고칩니다. 이 브라우저에는 코드를 보관할 수 없으니 지금 복사해 두세요.",
    ),
    "kept": ("What this tab kept", "이 탭이 보관한 내용"),
    "cut": (
        "This completion was cut off: the page was reloaded or lost the server. "
        "What had been written by then is kept.",
        "페이지를 새로 고쳤거나 서버와 연결이 끊겨 중단되었습니다. 그때까지 쓴 내용은 그대로 있습니다.",
    ),
    "cut_early": (
        "The page was reloaded or lost the server before anything was written. Press Complete to try again.",
        "내용을 쓰기 전에 페이지를 새로 고쳤거나 서버와 연결이 끊겼습니다. 채우기를 눌러 다시 시도하세요.",
    ),
    "cut_write_on": ("Continue from here", "여기서부터 이어 쓰기"),
    # Choices
    "model": ("Model", "모델"),
    "backend": ("Backend", "백엔드"),
    "precision": ("Precision", "정밀도"),
    "precision_info": (
        "bfloat16 keeps weights in half of float32's bytes, int8 in a quarter; int4, on torch and a CPU, "
        "in a sixth. A large model on a CPU is faster the fewer they are.",
        "bfloat16은 가중치를 float32의 절반, int8은 4분의 1 크기로 두고, int4는 torch와 CPU에서 "
        "6분의 1 크기로 둡니다. CPU에서 큰 모델은 가중치가 작을수록 빠릅니다.",
    ),
    "precision_served": (
        "The model computes in the server's own precision.",
        "정밀도는 서버가 정합니다.",
    ),
    "chosen_by_auto": ("{dtype} (auto)", "{dtype}(auto)"),
    "as_served": ("the server's precision", "서버의 정밀도"),
    "precision_cost": (
        "The bundled model's exact match and perplexity on {tasks} held-out holes: {figures}.",
        "내장 모델로 검증용 빈칸 {tasks}개에서 잰 정답률과 퍼플렉시티: {figures}.",
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
    "counts_by": ("What the token sum depends on", "토큰 계산의 기준"),
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
    "prefix_too_long": (
        "Too long to complete: {count} characters stand before the cursor, and at most {limit} are taken. "
        "Keep the end of that text, which is nearest to the cursor.",
        "너무 길어서 채울 수 없습니다. 커서 앞에 {count}자가 있고, 최대 {limit}자까지 채울 수 있습니다. "
        "커서에 가장 가까운 끝부분만 남기세요.",
    ),
    "suffix_too_long": (
        "Too long to complete: {count} characters stand after the cursor, and at most {limit} are taken. "
        "Keep the beginning of that text, which is nearest to the cursor.",
        "너무 길어서 채울 수 없습니다. 커서 뒤에 {count}자가 있고, 최대 {limit}자까지 채울 수 있습니다. "
        "커서에 가장 가까운 첫부분만 남기세요.",
    ),
    "files_too_long": (
        "Too long to complete: the other files have {count} characters together, and at most {limit} are "
        "taken. Keep what this file uses of them.",
        "너무 길어서 채울 수 없습니다. 다른 파일이 모두 {count}자이고, 최대 {limit}자까지 채울 수 있습니다. "
        "이 파일에서 쓰는 부분만 남기세요.",
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
    "stop_on_repetition": ("Stop when it repeats itself", "같은 내용을 반복하면 멈춤"),
    "layout": ("Prompt order", "프롬프트 순서"),
    "layout_psm": ("PSM: prefix, suffix, middle", "PSM: 앞, 뒤, 가운데"),
    "layout_spm": ("SPM: suffix, prefix, middle", "SPM: 뒤, 앞, 가운데"),
    "layout_ltr": ("Left to right: no suffix", "왼쪽에서 오른쪽: 뒷부분 없음"),
    # The caption under the middle
    "caption_idle": (
        "Press {key} in either editor, or load an example.",
        "편집기에서 {key}를 누르거나 예제를 불러오세요.",
    ),
    "caption_waiting": ("Waiting for the model", "모델을 기다리고 있습니다"),
    "caption_waiting_for": ("Waiting: {what}", "대기 중: {what}"),
    "caption_queued": ("Waiting: {ahead} ahead of you", "대기 중: 앞에 {ahead}명"),
    "caption_prefill": ("Reading the prompt: {count} tokens", "프롬프트 읽는 중: {count}토큰"),
    "caption_prefilling": (
        "Reading the prompt: {done} of {total} tokens",
        "프롬프트 읽는 중: {total}토큰 중 {done}토큰",
    ),
    "caption_prefill_left": ("about {seconds} s left", "약 {seconds}초 남음"),
    "caption_writing": ("Writing", "쓰는 중"),
    "caption_scoring": ("Scoring", "채점하는 중"),
    "about": ("about {time}", "약 {time}"),
    "at_most_left": ("at most {time} left", "길어야 {time} 남음"),
    "limit_left": (
        "the time limit comes in {time}, after about {count} more tokens",
        "{time} 뒤 시간 제한, 그때까지 약 {count}토큰",
    ),
    "in_seconds": ("{count} s", "{count}초"),
    "in_minutes": ("{count} min", "{count}분"),
    "stop_token": ("stopped at", "멈춘 곳:"),
    "stop_unnamed": (
        "stopped by itself; the server does not say at which token",
        "스스로 멈춤(어느 토큰에서 멈췄는지 서버가 알려 주지 않음)",
    ),
    "stop_max_length": ("stopped at max_length", "max_length에 도달해 멈춤"),
    "stop_time_limit": ("stopped at the time limit", "시간 제한에 도달해 멈춤"),
    "stop_server": (
        "ended by the server for a reason of its own",
        "서버가 자체 이유로 끝냄",
    ),
    "stop_repetition": ("stopped: it repeats itself", "멈춤: 같은 내용을 반복함"),
    "stop_scored": ("scored, nothing written", "점수만 계산함"),
    "stop_you": ("stopped by you", "직접 멈춤"),
    "stop_cut": ("cut off", "중단됨"),
    "stop_error": ("stopped by an error", "오류로 멈춤"),
    "tokens": ("{count} tokens", "{count}토큰"),
    "token": ("1 token", "1토큰"),
    "speed": ("{speed} tok/s", "초당 {speed}토큰"),
    "first_token": ("first token after {seconds} s", "첫 토큰까지 {seconds}초"),
    "first_token_queued": (
        "first token {seconds} s after {queued} s in the queue",
        "대기 {queued}초, 첫 토큰까지 {seconds}초",
    ),
    "unfinished_time_limit": (
        "Not finished: after {tokens} the time limit of {limit} ended it.",
        "끝나지 않았습니다. {tokens}을 쓴 뒤 시간 제한({limit})에 걸렸습니다.",
    ),
    "unfinished_max_length": (
        "Not finished: after {tokens} max_length ({limit}) was reached.",
        "끝나지 않았습니다. {tokens}을 쓴 뒤 max_length({limit})에 도달했습니다.",
    ),
    "go_on": ("Go on", "이어서 쓰기"),
    "limit_allows": (
        "At {speed} tok/s the {limit} s limit allows about {count} tokens",
        "초당 {speed}토큰이면 제한 시간 {limit}초 안에 약 {count}토큰을 쓸 수 있습니다",
    ),
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
    "legend_past": ("past the end", "끝난 뒤"),
    "copy": ("Copy", "복사"),
    "copied": ("Copied", "복사함"),
    "copy_by_hand": (
        "The browser does not let this page copy. The text is selected: press {key}.",
        "브라우저가 이 페이지의 복사를 막았습니다. 텍스트를 선택해 두었으니 {key} 키를 누르세요.",
    ),
    "download": ("Download", "내려받기"),
    # The teaching views
    "branch_ask": ("What a view asks to write", "보기에서 요청한 채우기"),
    "show_ask": ("What a view asks to show", "보기에서 요청한 결과"),
    "tab_xray": ("Prompt X-ray", "프롬프트 엑스레이"),
    "xray_says": (
        "The prompt as the model receives it: each cell is a token, with its number in the vocabulary.",
        "모델이 받는 그대로의 프롬프트입니다. 칸 하나가 토큰 하나이며, 숫자는 어휘 번호입니다.",
    ),
    "xray_empty": (
        "The tokens of the prompt will stand here.",
        "프롬프트의 토큰이 여기에 나타납니다.",
    ),
    "xray_token": ("token {id}", "토큰 {id}"),
    "xray_place": ("line {line}, column {column}", "{line}행 {column}열"),
    "xray_cut": ("{role}: {count} cut off", "{role}: {count}개 잘림"),
    "xray_prompt": ("Tokens of the prompt", "프롬프트의 토큰"),
    "role_bos": ("start", "시작"),
    "role_path": ("path", "경로"),
    "role_context": ("other file", "다른 파일"),
    "role_control": ("control", "제어"),
    "role_prefix": ("before", "앞"),
    "role_suffix": ("after", "뒤"),
    "role_middle": ("middle", "가운데"),
    "role_room": ("room for the middle", "가운데를 위한 여유"),
    "tab_tokens": ("Tokens", "토큰"),
    "tokens_says": (
        "How sure the model was of each token it wrote, and what else it might have written there.",
        "모델이 각 토큰을 얼마나 확신했는지, 대신 무엇을 쓸 수 있었는지 보여 줍니다.",
    ),
    "tokens_empty": (
        "Complete something; its tokens will stand here.",
        "채우기를 실행하면 토큰이 여기에 나타납니다.",
    ),
    "tokens_strip": (
        "Probability of each token, in order",
        "토큰 순서대로 나타낸 확률",
    ),
    "tokens_sure": ("how likely the token was", "토큰의 확률"),
    "tokens_stop": ("how likely an end was there", "그 자리에서 멈출 확률"),
    "tokens_focus": (
        "Choose a token: what else the model might have written there will stand here.",
        "토큰을 고르면 그 자리에 대신 쓸 수 있었던 것이 여기에 나타납니다.",
    ),
    "tokens_unsure": ("Least sure token (U)", "가장 불확실한 토큰 (U)"),
    "tokens_pick": ("Write on from this one instead", "이 토큰으로 바꾸어 이어 쓰기"),
    "tokens_chosen": ("chosen", "선택됨"),
    "tokens_other": (
        "Choose another one and the model writes on from there; everything before is kept.",
        "다른 토큰을 고르면 그 앞은 그대로 두고 거기서부터 다시 씁니다.",
    ),
    "tokens_forced": ("kept or chosen by you", "직접 고르거나 유지한 토큰"),
    "tokens_past": ("past the end", "끝난 뒤"),
    "tokens_sum": (
        "{count} tokens, log probability {logprob} together.",
        "토큰 {count}개, 로그 확률 합계 {logprob}.",
    ),
    "tokens_keep_going": ("Keep going", "계속 쓰기"),
    "tokens_stop_chance": ("chance of stopping here {share}", "여기서 멈출 확률 {share}"),
    "tokens_untold": (
        "The server did not tell how likely these tokens were, nor what else was.",
        "서버가 이 토큰들의 확률도, 다른 후보도 알려 주지 않았습니다.",
    ),
    "tokens_some_untold": (
        "The server did not tell how likely some of them were.",
        "일부 토큰의 확률은 서버가 알려 주지 않았습니다.",
    ),
    "not_told": ("not told by the server", "서버가 알려 주지 않음"),
    "tokens_branches": ("Branches", "갈래"),
    "tokens_original": ("As first written", "처음 쓴 것"),
    "tokens_branch": ("from token {at}", "{at}번째 토큰부터"),
    "tokens_went_on": ("went on after {at} tokens", "{at}번째 토큰 뒤로 계속"),
    # Boundary check
    "boundaries_says": ("Boundary check", "경계 점검"),
    "boundaries_warning": ("Warning", "주의"),
    "boundaries_note": ("Note", "참고"),
    "boundaries_fine": ("Fine", "괜찮음"),
    "boundaries_why": ("Why?", "이유"),
    "boundaries_more": ("+{count} more", "+{count}개 더"),
    "boundaries_less": ("Less", "접기"),
    "boundaries_goto": (
        "Go to: {side}, line {line}, column {column}",
        "{side}, {line}행 {column}열로 가기",
    ),
    "check_trailing_space_fine": (
        "Ends in a space: fine, the model was trained for it",
        "공백으로 끝남: 이렇게 학습되어 괜찮습니다",
    ),
    "check_trailing_space_fine_why": (
        "In a running text the space belongs to the next word's token; here it stands alone, and the word "
        "comes without it. Models trained to fill in saw texts cut anywhere, so this is fine in PSM and SPM: "
        "Google's quickstart ends in “import ” too. Left to right it is not.",
        "이어지는 글에서는 공백이 다음 단어의 토큰에 속하지만, 여기서는 공백이 따로 떨어지고 단어는 공백 "
        "없이 옵니다. 채우기 모델은 아무 데서나 잘린 글로 학습했으므로 PSM과 SPM에서는 괜찮습니다. 구글 "
        "퀵스타트도 “import ”로 끝납니다. 왼쪽에서 오른쪽 순서에서는 그렇지 않습니다.",
    ),
    "check_trailing_space_warning": (
        "Ends in a space that belongs to the next word's token",
        "다음 단어의 토큰에 속하는 공백으로 끝남",
    ),
    "check_trailing_space_warning_why": (
        "The model was trained on whole texts in this order, where a word's token begins with its space. A "
        "space on its own tells it that no ordinary word follows. Without it, the model writes the space "
        "itself.",
        "이 순서에서 모델은 잘리지 않은 글로 학습했고, 그런 글에서 단어의 토큰은 공백으로 시작합니다. "
        "공백만 따로 있으면 보통 단어가 오지 않는다는 뜻이 됩니다. 공백을 지우면 모델이 공백까지 씁니다.",
    ),
    "check_trailing_space_warning_fix": ("Remove the space", "공백 지우기"),
    "check_trailing_blanks": ("Ends in {count} blanks", "공백 {count}칸으로 끝남"),
    "check_trailing_blanks_why": (
        "Several blanks after code are rare in the texts a model learns from, and what follows them is a "
        "comment or an aligned column more often than code.",
        "코드 뒤에 공백이 여러 칸 오는 일은 학습한 글에 드물고, 그 뒤에는 코드보다 주석이나 줄 맞춤이 더 "
        "자주 옵니다.",
    ),
    "check_trailing_blanks_fix": ("Keep one", "한 칸만 남기기"),
    "check_carriage_returns": (
        "{count} carriage returns (CR) in the text",
        "글에 캐리지 리턴(CR) {count}개",
    ),
    "check_carriage_returns_why": (
        "Each CR is a token of its own, which models hardly ever met: their texts end lines in LF.",
        "CR은 하나하나가 따로 토큰이 되는데, 모델이 배운 글은 줄이 LF로 끝나므로 거의 본 적이 없습니다.",
    ),
    "check_carriage_returns_fix": ("Make them LF", "LF로 바꾸기"),
    "check_crlf": (
        "CRLF: the model reads LF, the program is written in CRLF",
        "CRLF: 모델은 LF로 읽고, 프로그램은 CRLF로 씁니다",
    ),
    "check_crlf_why": (
        "A carriage return before each line break would be a token of its own, which the model hardly ever "
        "met. So it reads and writes LF, and every line of the program, the new ones too, ends in CRLF.",
        "줄바꿈마다 캐리지 리턴이 있으면 모델이 거의 본 적 없는 토큰이 하나씩 더 생깁니다. 그래서 모델은 "
        "LF로 읽고 쓰며, 프로그램은 새로 채운 줄까지 모두 CRLF로 끝납니다.",
    ),
    "check_inside_name": (
        "The cursor stands inside the name “{name}”",
        "커서가 이름 “{name}” 안에 있음",
    ),
    "check_inside_name_why": (
        "The model reads “{head}” and “{tail}” as parts with something between them, in tokens that it "
        "rarely met apart. To have the name kept whole, move the cursor behind it.",
        "모델은 “{head}”와 “{tail}” 사이에 무언가 들어간다고 읽고, 이렇게 나뉜 토큰은 거의 본 적이 "
        "없습니다. 이름을 온전히 두려면 커서를 이름 뒤로 옮기세요.",
    ),
    "check_inside_name_fix": ("Move the cursor behind it", "커서를 뒤로 옮기기"),
    "check_mixed_indentation_spaces": (
        "Tabs among lines that begin with spaces",
        "공백 들여쓰기에 탭이 섞여 있음",
    ),
    "check_mixed_indentation_tabs": (
        "Spaces among lines that begin with tabs",
        "탭 들여쓰기에 공백이 섞여 있음",
    ),
    "check_mixed_indentation_spaces_why": (
        "Most lines here begin with spaces. Python refuses a block that mixes the two, and a model that sees "
        "both may go on with either. A tab becomes {unit} spaces.",
        "여기서는 대부분의 줄이 공백으로 시작합니다. 파이썬은 둘이 섞인 블록을 거부하고, 둘을 함께 본 "
        "모델은 어느 쪽으로든 이어 쓸 수 있습니다. 탭 하나를 공백 {unit}칸으로 바꿉니다.",
    ),
    "check_mixed_indentation_tabs_why": (
        "Most lines here begin with tabs. Python refuses a block that mixes the two, and a model that sees "
        "both may go on with either. {unit} spaces become a tab.",
        "여기서는 대부분의 줄이 탭으로 시작합니다. 파이썬은 둘이 섞인 블록을 거부하고, 둘을 함께 본 "
        "모델은 어느 쪽으로든 이어 쓸 수 있습니다. 공백 {unit}칸을 탭 하나로 바꿉니다.",
    ),
    "check_mixed_indentation_spaces_fix": ("Use spaces", "공백으로 통일"),
    "check_mixed_indentation_tabs_fix": ("Use tabs", "탭으로 통일"),
    "check_control_text": (
        "“{name}” is read as text here, not as a control token",
        "“{name}”: 제어 토큰이 아니라 글자로 읽힙니다",
    ),
    "check_control_text_why": (
        "Only the playground places control tokens. What you type with their names stays ordinary "
        "characters, so that no text can end or turn a prompt.",
        "제어 토큰은 플레이그라운드만 넣습니다. 같은 이름을 입력해도 보통 글자로 남으므로, 어떤 글도 "
        "프롬프트를 끝내거나 바꿀 수 없습니다.",
    ),
    "check_control_text_fix": ("Remove", "지우기"),
    "check_invisible": (
        "Characters that cannot be seen: {count}, the first {name}",
        "보이지 않는 문자: {count}개, 첫 번째는 {name}",
    ),
    "check_invisible_why": (
        "They come along when text is copied from a web page or a document. In a program they break names, "
        "indentation or strings, and the model reads each as rare tokens of its own.",
        "웹 페이지나 문서에서 글을 복사할 때 따라옵니다. 프로그램에서는 이름, 들여쓰기, 문자열을 망가뜨리고, "
        "모델은 하나하나를 드문 토큰으로 읽습니다.",
    ),
    "check_invisible_fix": ("Make them plain, or remove them", "보통 공백으로 바꾸거나 지우기"),
    "check_invisible_spaces_fix": ("Make them plain spaces", "보통 공백으로 바꾸기"),
    "check_invisible_nothing_fix": ("Remove", "지우기"),
    "check_invisible_note": (
        "Begins with a byte-order mark: kept in the program, not read by the model",
        "바이트 순서 표시(BOM)로 시작함: 프로그램에는 남고 모델은 읽지 않습니다",
    ),
    "check_invisible_note_why": (
        "Some editors write U+FEFF at the head of a file to tell its encoding. It is no part of the code, "
        "and the texts that a model learned from have none.",
        "일부 편집기는 파일의 인코딩을 알리려고 맨 앞에 U+FEFF를 씁니다. 코드의 일부가 아니며, 모델이 배운 "
        "글에는 없습니다.",
    ),
    "check_blocks": (
        "“\u2581” (U+2581) is written by its bytes: KerasHub would read a space",
        "“\u2581”(U+2581)는 바이트로 적습니다: KerasHub라면 공백으로 읽습니다",
    ),
    "check_blocks_why": (
        "SentencePiece, which makes the tokens, writes a space as this character and so cannot tell the two "
        "apart. Here it goes in as its three bytes, <0xE2><0x96><0x81>, which stand for it again in what "
        "comes back; these are not the token ids that KerasHub would make. If it came from a list of tokens, "
        "you want spaces.",
        "토큰을 만드는 SentencePiece는 공백을 이 문자로 적으므로 둘을 구별하지 못합니다. 여기서는 세 바이트 "
        "<0xE2><0x96><0x81>로 적어, 돌아온 글에서도 그 문자가 됩니다. KerasHub가 만드는 토큰 번호와는 "
        "다릅니다. 토큰 목록에서 복사한 글이라면 공백이 맞습니다.",
    ),
    "check_blocks_fix": ("Make them spaces", "공백으로 바꾸기"),
    "check_whole_prompt": (
        "A whole prompt stands in the first editor",
        "첫 편집기에 프롬프트 전체가 들어 있음",
    ),
    "check_whole_prompt_why": (
        "The playground builds the prompt itself; in the editors belongs only what stands before and after "
        "the cursor. As it is, the control tokens are read as ordinary characters.",
        "프롬프트는 플레이그라운드가 만듭니다. 편집기에는 커서 앞과 뒤의 코드만 넣으세요. 지금은 제어 "
        "토큰이 보통 글자로 읽힙니다.",
    ),
    "check_whole_prompt_fix": ("Split it into both editors", "두 편집기로 나누기"),
    "check_repeated": (
        "“{text}” ends the first part and begins the second",
        "“{text}”: 앞의 끝과 뒤의 시작에 똑같이 있음",
    ),
    "check_repeated_why": (
        "The suffix says again what the prefix has just said. Programs seldom do, so that a model can hardly "
        "guess what belongs between the two.",
        "뒷부분이 앞부분의 끝을 되풀이합니다. 모델에게는 이미 다 채워진 자리로 보여, 바로 멈추거나 같은 "
        "말을 한 번 더 쓰게 됩니다.",
    ),
    "check_repeated_fix": ("Remove the second", "두 번째 지우기"),
    "check_empty_suffix": (
        "Nothing after the cursor: no suffix tells where to stop",
        "커서 뒤가 비어 있음: 어디서 멈출지 알려 줄 뒷부분이 없습니다",
    ),
    "check_empty_suffix_why": (
        "The suffix shows the model what comes next, and so what belongs in between and where it ends. "
        "Without one it goes on as it likes.",
        "뒷부분은 다음에 무엇이 오는지, 그래서 사이에 무엇이 들어가고 어디서 끝나는지 알려 줍니다. "
        "없으면 모델이 마음대로 이어 씁니다.",
    ),
    "check_trimmed": (
        "{count:,} tokens are cut off and not seen by the model",
        "{count:,}토큰이 잘려 모델에 보이지 않음",
    ),
    "check_trimmed_why": (
        "Prompt and middle share max_length. What stands farthest from the cursor is cut first: the other "
        "files, the start of the prefix, the end of the suffix.",
        "프롬프트와 채울 코드는 max_length를 나누어 씁니다. 커서에서 먼 것부터 잘립니다: 다른 파일, "
        "앞부분의 처음, 뒷부분의 마지막.",
    ),
    "check_trimmed_fix": ("Set max_length to {max_length}", "max_length를 {max_length}로"),
    # Path and other files
    "path": ("File path", "파일 경로"),
    "path_info": (
        "Stands on a line before the code, such as src/main.py; empty for none",
        "코드 앞 한 줄에 놓입니다. 예: src/main.py. 비우면 없음",
    ),
    "files": ("Other files of the project", "프로젝트의 다른 파일"),
    "files_info": (
        "Each with its path on a line, then its text; <|file_separator|> between two",
        "파일마다 경로 한 줄, 이어서 내용. 파일 사이에는 <|file_separator|>",
    ),
    "legend_path": ("path", "경로"),
    "legend_context": ("other file", "다른 파일"),
    # Lessons and quiz
    "lesson_ask": ("What a lesson asks to set", "수업에서 요청한 설정"),
    "quiz_ask": ("What the quiz asks to compare", "퀴즈에서 요청한 비교"),
    "tab_lessons": ("Lessons", "수업"),
    "lessons_says": (
        "Six short lessons; each sets the editors and the settings, and starts nothing.",
        "짧은 수업 여섯 개입니다. 편집기와 설정을 맞춰 줄 뿐, 아무것도 실행하지 않습니다.",
    ),
    "lessons_list": ("Lessons", "수업 목록"),
    "lesson_says": ("The open lesson", "열려 있는 수업"),
    "lesson_of": ("Lesson {number} of {count}", "수업 {number}/{count}"),
    "lesson_look": (
        "Press {complete}, then look at {tab}.",
        "{complete} 버튼을 누른 뒤 {tab} 탭을 보세요.",
    ),
    "lesson_try": ("Try:", "바꿔 보기:"),
    "lesson_as_given": ("as given", "그대로"),
    "lesson_next": ("Next", "다음"),
    "lesson_back": ("Back", "이전"),
    "lesson_close": ("Close the lesson", "수업 닫기"),
    "lesson_fim": ("What fill-in-the-middle is", "빈칸 채우기란"),
    "lesson_fim_says": (
        "A model that fills in reads the code before and after the cursor, and writes what belongs between. "
        "Here it finds the name of a module, `sys`, which only the code after the cursor tells.",
        "빈칸을 채우는 모델은 커서 앞과 뒤의 코드를 읽고 그 사이에 들어갈 코드를 씁니다. 여기서는 커서 "
        "뒤의 코드만 보고 알 수 있는 모듈 이름 `sys`를 찾아냅니다.",
    ),
    "lesson_anatomy": ("The anatomy of a prompt", "프롬프트의 구조"),
    "lesson_anatomy_says": (
        "The model reads one row of tokens: `<bos>`, then the prefix, the suffix and the place of the "
        "middle, each behind its control token, with nothing in between. A control token is a single "
        "token, and no text that a person types can become one. This model was trained on both orders, "
        "PSM and SPM, and writes the same module in both.",
        "모델은 토큰을 한 줄로 읽습니다: `<bos>` 다음에 앞부분, 뒷부분, 가운데 자리가 저마다 제어 토큰 "
        "뒤에 빈틈없이 놓입니다. 제어 토큰은 하나의 토큰이며, 사람이 입력한 글은 결코 제어 토큰이 되지 "
        "않습니다. 이 모델은 PSM과 SPM 두 순서로 모두 학습했고, 어느 쪽에서나 같은 모듈을 씁니다.",
    ),
    "lesson_anatomy_spm": ("SPM: suffix first", "SPM: 뒷부분 먼저"),
    "lesson_suffix": ("Why the suffix matters", "뒷부분이 중요한 이유"),
    "lesson_suffix_says": (
        "After `import ` almost any module may follow; the code below decides. With `math.sqrt` there, the "
        "model is more than 95% sure of `math`, and just as sure of another module when the code is another. "
        "With nothing below it can only guess, and is less than 10% sure of its guess.",
        "`import ` 뒤에는 거의 모든 모듈이 올 수 있고, 무엇이 올지는 아래 코드가 정합니다. `math.sqrt`가 "
        "있으면 모델은 `math`를 95% 넘게 확신하고, 코드가 바뀌면 다른 모듈을 그만큼 확신합니다. 아래가 "
        "비어 있으면 짐작할 뿐이며, 그 확신은 10%도 되지 않습니다.",
    ),
    "lesson_suffix_other": ("another suffix", "다른 뒷부분"),
    "lesson_suffix_none": ("no suffix", "뒷부분 없이"),
    "lesson_boundaries": ("Boundaries and whitespace", "경계와 공백"),
    "lesson_boundaries_says": (
        "A word's token usually begins with its space: with the space before the cursor the model writes "
        "`values`, without it ` values`, and the program is the same. Left to right, where no text it "
        "learned from was cut there, the same space leads it astray. So does a cursor inside a name; the "
        "line under the editors says so, and moves it.",
        "단어의 토큰은 대개 공백으로 시작하므로, 커서 앞에 공백이 있으면 모델은 `values`를, 없으면 "
        "공백을 붙여 ` values`를 쓰며 프로그램은 같습니다. 왼쪽에서 오른쪽 순서에서는 학습한 글이 그 "
        "자리에서 잘린 적이 없어 같은 공백이 모델을 헤매게 합니다. 이름 안에 놓인 커서도 그런데, 이때는 "
        "편집기 아래 줄이 알려 주고 커서를 옮겨 줍니다.",
    ),
    "lesson_boundaries_no_space": ("without the space", "공백 없이"),
    "lesson_boundaries_whole_text": ("left to right", "왼쪽에서 오른쪽"),
    "lesson_boundaries_inside": ("inside the name", "이름 안에서"),
    "lesson_stopping": ("Stopping", "멈추기"),
    "lesson_stopping_says": (
        "A middle ends with a token too: `<|file_separator|>`, which the model writes when nothing is "
        "missing. Focus a token to see the chance of stopping there: next to none up to the `)`, almost "
        "certain after it. Without a suffix the same model writes on through the loop's body, and in the "
        "endless class it never finds its end, so that max_length has to stop it.",
        "가운데도 토큰으로 끝나는데, 빠진 것이 없으면 모델은 `<|file_separator|>`를 씁니다. 토큰을 "
        "선택하면 거기서 멈출 확률이 보입니다: `)`까지는 0에 가깝다가 그 뒤에는 거의 100%입니다. "
        "뒷부분이 없으면 같은 모델이 반복문 본문까지 이어 쓰고, 끝없는 클래스에서는 끝을 찾지 못해 "
        "max_length가 멈추게 합니다.",
    ),
    "lesson_stopping_none": ("no suffix", "뒷부분 없이"),
    "lesson_stopping_endless": ("an endless class", "끝없는 클래스"),
    "lesson_files": ("Several files", "여러 파일"),
    "lesson_files_says": (
        "Other files stand before the prefix, as the CodeGemma report packs them: a path on its own "
        "line, the text, then `<|file_separator|>`, and last the path of this file. From `player.py` the "
        "model learns that a name and a `score` go together; without that file it does not know. Both "
        "fields are under Advanced.",
        "다른 파일은 CodeGemma 보고서의 방식대로 앞부분보다 먼저 놓입니다: 한 줄에 경로, 이어서 내용, "
        "`<|file_separator|>`, 그리고 마지막에 이 파일의 경로. 모델은 `player.py`에서 name과 `score`가 "
        "함께 쓰인다는 것을 배우고, 그 파일이 없으면 알지 못합니다. 두 입력란은 고급 설정에 있습니다.",
    ),
    "lesson_files_alone": ("this file alone", "이 파일만"),
    "quiz_says": (
        "Guess what stands in a hole, and hold it against the model's middle and the original.",
        "빈칸에 들어갈 코드를 맞혀 보고, 모델이 채운 것과 원래 코드를 견주어 보세요.",
    ),
    "quiz_title": ("Hole quiz", "빈칸 퀴즈"),
    "quiz_how": (
        "Put a whole program into an editor, select what is to be guessed, and hide it.",
        "편집기에 프로그램 전체를 넣고, 맞힐 부분을 선택한 다음 숨기세요.",
    ),
    "quiz_hide": ("Hide the selection", "선택한 부분 숨기기"),
    "quiz_load": ("Load a program", "프로그램 불러오기"),
    "quiz_nothing_selected": (
        "Nothing is selected. Select some lines in an editor first.",
        "선택한 부분이 없습니다. 편집기에서 먼저 몇 줄을 선택하세요.",
    ),
    "quiz_hidden": (
        "Hidden: {characters} characters. The hole stands between the two editors.",
        "{characters}자를 숨겼습니다. 빈칸은 두 편집기 사이에 있습니다.",
    ),
    "quiz_guess": ("Your guess", "내 추측"),
    "quiz_compare": ("Compare with the model", "모델과 비교"),
    "quiz_back": ("Put it back", "되돌려 놓기"),
    "quiz_busy": ("The model is filling in…", "모델이 채우는 중…"),
    "quiz_scoring": ("Scoring the answers…", "답을 채점하는 중…"),
    "quiz_failed": (
        "The model did not finish; try again.",
        "모델이 끝내지 못했습니다. 다시 시도하세요.",
    ),
    "quiz_changed": (
        "The editors have changed since. Undo that, or hide something again.",
        "그 뒤에 편집기 내용이 바뀌었습니다. 바꾼 것을 되돌리거나 다시 숨기세요.",
    ),
    "quiz_compared": ("What belongs in the hole", "빈칸에 들어갈 코드"),
    "quiz_who": ("Who", "누가"),
    "quiz_text": ("Text", "코드"),
    "quiz_exact": ("Exact match", "정확히 일치"),
    "quiz_parses": ("Parses", "구문 검사"),
    "quiz_likelihood": ("Likelihood", "가능도"),
    "quiz_you": ("You", "나"),
    "quiz_model": ("Model", "모델"),
    "quiz_truth": ("Original", "원본"),
    "quiz_same": ("same", "같음"),
    "quiz_other": ("different", "다름"),
    "quiz_is_python": ("Python", "올바른 파이썬"),
    "quiz_no_python": ("syntax error", "구문 오류"),
    "quiz_not_parsed": ("not parsed", "검사 안 함"),
    "quiz_unscored": ("cut off, so none", "중간에 끊겨 없음"),
    "quiz_tokens": ("{count} tokens", "{count}토큰"),
    "quiz_nothing": ("(nothing)", "(없음)"),
    "quiz_one_in": ("1 in {many}", "{many}분의 1"),
    "quiz_locale": ("en-US", "ko-KR"),
    "quiz_likelihood_is": (
        "Likelihood is the model's own: of these tokens, and of stopping right after them. Blanks at the end "
        "do not count for a match.",
        "가능도는 모델이 매긴 값으로, 이 토큰들을 쓰고 바로 멈출 확률입니다. 끝의 공백은 일치 여부에 "
        "넣지 않습니다.",
    ),
    "quiz_only_python": (
        "Only Python is parsed.",
        "구문 검사는 파이썬만 합니다.",
    ),
    "quiz_both": ("You and the model both found it.", "나와 모델 모두 맞혔습니다."),
    "quiz_you_only": ("You found it, the model did not.", "나는 맞혔고 모델은 틀렸습니다."),
    "quiz_model_only": ("The model found it, you did not.", "모델은 맞혔고 나는 틀렸습니다."),
    "quiz_neither": ("Neither of you found it.", "둘 다 맞히지 못했습니다."),
    "quiz_truth_less_likely": (
        "The model held its own answer {times} times as likely as the original.",
        "모델은 자기 답이 원본보다 {times}배 더 그럴듯하다고 보았습니다.",
    ),
    "quiz_truth_likelier": (
        "Yet it held the original {times} times as likely as its own answer: taking the likeliest token each "
        "time does not find the likeliest text.",
        "그런데 모델은 원본이 자기 답보다 {times}배 더 그럴듯하다고 보았습니다. 매번 가장 확률이 높은 "
        "토큰을 골라도 가장 확률이 높은 글이 되지는 않습니다.",
    ),
    # Take along
    "take_ask": ("What is to be written as code", "코드로 쓸 결과"),
    "open_ask": ("A completion to open", "열어 볼 결과"),
    "tab_take": ("Take along", "가져가기"),
    "take_says": (
        "The completion in view, taken elsewhere: as code for other programs, as a link, as a file.",
        "지금 보이는 결과를 다른 프로그램용 코드, 다시 볼 수 있는 링크, 파일로 가져갑니다.",
    ),
    "take_nothing": (
        "Complete something, and it can be taken along. Or open a file that somebody gave you.",
        "채우기를 실행하면 결과를 가져갈 수 있습니다. 다른 사람에게 받은 파일을 열 수도 있습니다.",
    ),
    "take_code": ("As code", "코드로"),
    "take_tools": ("Programs that run it", "실행할 도구"),
    "take_writing": ("The scripts are being written.", "스크립트를 쓰고 있습니다."),
    "take_prepare": (
        "It runs in the folder of this repository. Once before:",
        "이 저장소의 폴더에서 실행합니다. 그 전에 한 번:",
    ),
    "take_prepare_installed": (
        "It runs where this program is installed. Once before:",
        "이 프로그램이 설치된 환경에서 실행합니다. 그 전에 한 번:",
    ),
    "take_script": ("Script", "스크립트"),
    "take_link": ("As a link", "링크로"),
    "take_link_size": (
        "{count} of at most {most} characters. All of it is in the address itself; nothing is stored on the "
        "server.",
        "{count}자(최대 {most}자). 모든 내용이 주소 안에 들어 있으며 서버에는 아무것도 저장하지 않습니다.",
    ),
    "take_link_long": (
        "As a link this would take {count} characters, and at most {most} go through everywhere. Take the "
        "file instead.",
        "링크로 만들면 {count}자가 되어, 어디서나 열리는 {most}자를 넘습니다. 대신 파일로 가져가세요.",
    ),
    "take_link_old": (
        "This browser cannot pack a link. Take the file instead.",
        "이 브라우저에서는 링크를 만들 수 없습니다. 대신 파일로 가져가세요.",
    ),
    "take_copy_link": ("Copy link", "링크 복사"),
    "take_file": ("As a file", "파일로"),
    "take_file_says": (
        "JSON with both sides, the settings and every token. An opened file is shown as it was recorded, "
        "without running a model.",
        "앞뒤 코드와 설정, 모든 토큰이 담긴 JSON입니다. 파일을 열면 모델을 실행하지 않고 기록된 그대로 "
        "보여 줍니다.",
    ),
    "take_download": ("Download JSON", "JSON 내려받기"),
    "take_open": ("Open a file", "파일 열기"),
    "take_too_large": (
        "This completion is too long to be written as code here.",
        "이 결과는 너무 길어서 여기서 코드로 쓸 수 없습니다.",
    ),
    "take_unknown_model": (
        "This completion was written by {name}, which is not among the models here. Code is written for "
        "those only.",
        "이 결과를 쓴 {name} 모델은 여기에 없습니다. 여기에 있는 모델의 결과만 코드로 쓸 수 있습니다.",
    ),
    "take_note_spelled": (
        "The code spells a special token. Here it stays text, but this tool would read the token; so the "
        "prompt is given as token ids.",
        "코드에 특수 토큰의 이름이 들어 있습니다. 여기서는 글자로 남지만 이 도구는 토큰으로 읽으므로, "
        "프롬프트를 토큰 번호로 적었습니다.",
    ),
    "take_note_joined": (
        "This tool would read two neighbouring texts of the prompt as one, in other tokens; so the prompt is "
        "given as token ids.",
        "이 도구는 프롬프트에서 이웃한 두 글을 하나로 읽어 토큰이 달라지므로, 프롬프트를 토큰 번호로 "
        "적었습니다.",
    ),
    "take_note_blocks": (
        "This tool would read the character \u2581 (U+2581) as a space; so the prompt is given as token ids.",
        "이 도구는 \u2581(U+2581) 문자를 공백으로 읽으므로, 프롬프트를 토큰 번호로 적었습니다.",
    ),
    "take_note_chosen": (
        "The middle begins with tokens chosen by hand; they and the prompt are given as token ids.",
        "가운데가 직접 고른 토큰으로 시작하므로, 그 토큰과 프롬프트를 토큰 번호로 적었습니다.",
    ),
    "take_note_drawn": (
        "Tokens were drawn (the temperature is above 0). This tool draws other random numbers: the same seed "
        "gives another text.",
        "온도가 0보다 커서 토큰을 뽑았습니다. 이 도구는 난수가 달라서 시드가 같아도 다른 글이 나옵니다.",
    ),
    "take_note_undrawn": (
        "Tokens were drawn without a seed: every run gives another text.",
        "시드 없이 토큰을 뽑았으므로 실행할 때마다 다른 글이 나옵니다.",
    ),
    "take_note_rounded": (
        "In a half-width precision every tool rounds otherwise: where two tokens are about equally likely, "
        "it may choose the other.",
        "절반 정밀도에서는 도구마다 반올림이 달라, 두 토큰의 확률이 비슷하면 다른 쪽을 고를 수 있습니다.",
    ),
    "take_note_int8": (
        "Every tool keeps int8 weights in its own way: some tokens may differ.",
        "int8 가중치를 두는 방식이 도구마다 달라 일부 토큰이 다를 수 있습니다.",
    ),
    "take_note_served": (
        "A server wrote this in a precision of its own. The script computes in float32: where two tokens are "
        "about equally likely, it may choose the other.",
        "서버가 자기 정밀도로 쓴 결과입니다. 스크립트는 float32로 계산하므로, 두 토큰의 확률이 비슷하면 다른 "
        "쪽을 고를 수 있습니다.",
    ),
    "take_note_stopped": (
        "This completion was stopped before its end; the script goes on to it.",
        "이 결과는 끝나기 전에 멈춘 것입니다. 스크립트는 끝까지 씁니다.",
    ),
    "take_note_login": (
        "This playground asks for a login: set PLAYGROUND_USER and PLAYGROUND_PASSWORD.",
        "로그인이 필요합니다. PLAYGROUND_USER와 PLAYGROUND_PASSWORD를 설정하세요.",
    ),
    "take_note_serving": (
        "At this moment the playground serves another model or precision.",
        "지금 이 플레이그라운드는 다른 모델이나 정밀도로 응답합니다.",
    ),
    "opened": (
        "A recorded completion, shown as it was; no model ran for it here. Written by {by}.",
        "기록된 결과를 그대로 보여 줍니다. 여기서 모델을 실행한 것이 아닙니다. 쓴 모델: {by}.",
    ),
    "open_broken": (
        "This link or file is damaged and cannot be read. Nothing here was changed; ask for it again.",
        "링크나 파일이 손상되어 읽을 수 없습니다. 화면은 바뀌지 않았습니다. 다시 받아 보세요.",
    ),
    "open_foreign": (
        "This link or file holds no completion of this playground. Nothing here was changed.",
        "이 링크나 파일에는 이 플레이그라운드의 결과가 없습니다. 화면은 바뀌지 않았습니다.",
    ),
    "open_too_large": (
        "This link or file is too large for a completion: it may hold 4.5 MB at most, once unpacked. "
        "Nothing here was changed.",
        "이 링크나 파일은 결과라고 하기에는 너무 큽니다. 압축을 푼 크기가 4.5MB까지인 것만 열 수 있습니다. "
        "화면은 바뀌지 않았습니다.",
    ),
    "open_half_character": (
        "This link or file cannot be shown: it holds half of a character (a lone surrogate), which is not "
        "text. Nothing here was changed.",
        "이 링크나 파일은 표시할 수 없습니다. 글자의 반쪽(짝이 없는 서로게이트)이 들어 있어 텍스트로 읽을 수 "
        "없습니다. 화면은 바뀌지 않았습니다.",
    ),
    "open_stop_reason": (
        "This link or file cannot be shown: it names a reason for stopping that this playground does not "
        "know. Nothing here was changed.",
        "이 링크나 파일은 표시할 수 없습니다. 이 플레이그라운드가 모르는 이유로 멈췄다고 적혀 있습니다. "
        "화면은 바뀌지 않았습니다.",
    ),
    "open_busy": (
        "A completion is being written. Stop it or wait for its end, then open this again.",
        "지금 쓰는 중입니다. 멈추거나 끝나기를 기다린 뒤 다시 열어 주세요.",
    ),
    # Comparisons
    "race_ask": ("What the race asks for", "순서 비교에서 요청한 채우기"),
    "tab_race": ("Layout race", "순서 비교"),
    "race_says": (
        "The same request in three prompt orders, with the same seed, one after the other.",
        "같은 요청을 같은 시드로, 프롬프트 순서만 바꾸어 차례로 실행합니다.",
    ),
    "race_start": ("Race the three orders", "세 순서로 실행하기"),
    "race_idle": ("not run", "실행하지 않음"),
    "race_trained": ("trained on this order", "학습한 순서"),
    "race_untrained": ("not trained on this order", "학습하지 않은 순서"),
    "race_order": ("Order of the prompt", "프롬프트의 순서"),
    "race_middle": ("Result of {layout}", "{layout} 결과"),
    "race_ttft": ("First token after", "첫 토큰까지"),
    "race_seconds": ("{seconds} s", "{seconds}초"),
    "race_prompt": ("Prompt", "프롬프트"),
    "race_written": ("Written", "쓴 양"),
    "race_logprob": ("Log probability", "로그 확률"),
    "race_per_token": ("Per token", "토큰당"),
    "race_truth": ("True middle", "원래 코드"),
    "race_truth_waits": ("not scored yet", "아직 채점하지 않음"),
    "race_ends": ("Ends there", "거기서 끝낼 확률"),
    "race_exact": ("Written to the letter", "똑같이 썼는지"),
    "race_yes": ("yes", "예"),
    "race_no": ("no", "아니요"),
    "race_show": ("Show in the other views", "다른 보기에서 보기"),
    "race_seed": ("seed {seed}", "시드 {seed}"),
    "race_greedy": ("at temperature 0 it changes nothing", "온도가 0이면 결과에 영향이 없습니다"),
    "race_mixed": (
        "The model was changed during this race: its lanes are not of one model.",
        "비교하는 동안 모델이 바뀌었습니다. 모두 같은 모델의 결과가 아닙니다.",
    ),
    "race_cached": (
        "The model does not read again what it has read lately: a prompt that it knows starts sooner.",
        "모델은 최근에 읽은 내용을 다시 읽지 않습니다. 이미 읽은 프롬프트는 더 빨리 시작합니다.",
    ),
    "race_sums": (
        "Log probabilities of different texts do not rank them; those of the true middle do.",
        "서로 다른 글의 로그 확률로는 순위를 매길 수 없지만, 원래 코드의 로그 확률끼리는 비교할 수 있습니다.",
    ),
    "race_codegemma": (
        "CodeGemma's documentation shows PSM only; its report says that PSM and SPM were both trained:",
        "CodeGemma 문서에는 PSM만 나오지만, 보고서에는 PSM과 SPM을 모두 학습했다고 적혀 있습니다:",
    ),
    "race_report": ("arXiv 2406.11409, section 2.1", "arXiv 2406.11409, 2.1절"),
    "truth": ("The true middle, if you know it", "원래 코드를 알고 있다면"),
    "truth_label": ("True middle", "원래 코드"),
    "truth_info": (
        "What really stands between the two sides. The race then tells how likely each order makes it.",
        "앞부분과 뒷부분 사이에 실제로 있던 코드입니다. 넣어 두면 순서마다 그 확률을 알려 줍니다.",
    ),
    "suffix_ask": ("What is to be scored", "채점을 요청한 결과"),
    "tab_suffix": ("Suffix gain", "뒷부분의 효과"),
    "suffix_says": (
        "What the suffix bought: the same tokens, scored with the suffix and without it.",
        "뒷부분이 얼마나 도움이 되었는지, 같은 토큰의 확률을 뒷부분이 있을 때와 없을 때로 나누어 비교합니다.",
    ),
    "suffix_start": ("Score with and without the suffix", "뒷부분이 있을 때와 없을 때 채점하기"),
    "suffix_idle": (
        "A bar for each token of the completion in view: up where the suffix made it likelier, else down.",
        "지금 보이는 결과의 토큰마다 막대를 그립니다. 뒷부분이 확률을 높였으면 위로, 낮췄으면 아래로.",
    ),
    "suffix_nothing": (
        "There is nothing to score yet: let a completion come to its end first.",
        "아직 채점할 결과가 없습니다. 먼저 채우기를 끝까지 실행하세요.",
    ),
    "suffix_none": (
        "Nothing stands after the cursor: with a suffix and without one, the prompt is the same.",
        "커서 뒤에 아무것도 없어서 뒷부분이 있을 때와 없을 때의 프롬프트가 같습니다.",
    ),
    "suffix_other_model": (
        "Another model wrote this, with other tokens. Complete again with the one that is loaded.",
        "다른 모델이 다른 토큰으로 쓴 결과입니다. 지금 불러온 모델로 다시 채워 주세요.",
    ),
    "suffix_scoring_with": ("Scoring with the suffix", "뒷부분이 있을 때를 채점하는 중"),
    "suffix_scoring_without": ("Scoring without the suffix", "뒷부분이 없을 때를 채점하는 중"),
    "suffix_how": (
        "Both prompts are {layout}. In the second one nothing stands where the suffix did, which tells the "
        "model that the file ends there.",
        "두 프롬프트 모두 {layout} 순서입니다. 두 번째에는 뒷부분 자리가 비어 있어, 모델은 파일이 거기서 "
        "끝난다고 여깁니다.",
    ),
    "suffix_was_ltr": (
        "This middle was written left to right: its model never saw the suffix.",
        "왼쪽에서 오른쪽으로 쓴 결과라서, 쓸 때는 모델이 뒷부분을 보지 못했습니다.",
    ),
    "suffix_likelier": (
        "With the suffix this middle is {factor} times as likely ({nats} nats).",
        "뒷부분이 있으면 이 코드의 확률이 {factor}배가 됩니다({nats} nat).",
    ),
    "suffix_unlikelier": (
        "With the suffix this middle is {factor} times less likely ({nats} nats).",
        "뒷부분이 있으면 이 코드의 확률이 {factor}분의 1이 됩니다({nats} nat).",
    ),
    "suffix_even": (
        "The suffix hardly changed how likely this middle is ({nats} nats).",
        "뒷부분이 있어도 이 코드의 확률은 거의 그대로입니다({nats} nat).",
    ),
    "suffix_gained_most": (
        "{piece} gained most, from {without_it} to {with_it}: {share} of all that was gained.",
        "가장 많이 오른 토큰은 {piece}입니다. {without_it}에서 {with_it}로 올라, 전체 상승분의 {share}를 "
        "차지합니다.",
    ),
    "suffix_lost_most": (
        "{piece} lost most, from {without_it} to {with_it}: {share} of all that was lost.",
        "가장 많이 내린 토큰은 {piece}입니다. {without_it}에서 {with_it}로 내려, 전체 하락분의 {share}를 "
        "차지합니다.",
    ),
    "suffix_strip": (
        "What the suffix changed, token by token",
        "토큰마다 뒷부분이 바꾼 확률",
    ),
    "suffix_with": ("with the suffix", "뒷부분이 있을 때"),
    "suffix_without": ("without it", "없을 때"),
    "nats": ("{nats} nats", "{nats} nat"),
    # The status line
    "state_starting": ("starting", "시작하는 중"),
    "state_downloading": ("downloading {name}", "{name} 내려받는 중"),
    "state_loading": ("loading {name}", "{name} 불러오는 중"),
    "state_warming": ("compiling {name}", "{name} 컴파일하는 중"),
    "state_ready": ("ready", "준비됨"),
    "state_busy": ("writing", "쓰는 중"),
    "phase_waiting": ("waiting for the running completion", "진행 중인 채우기를 기다리는 중"),
    "phase_stopping": ("stopping the old model", "이전 모델을 멈추는 중"),
    "phase_prefill": ("prefilling the prompt", "프롬프트 프리필 중"),
    "phase_scoring": ("scoring", "채점하는 중"),
    "phase_quiet": ("the model does not answer", "모델이 응답하지 않습니다"),
    "phase_ending": ("the stopped completion is ending", "멈춘 채우기를 마무리하는 중"),
    "state_asleep": (
        "asleep: comes back with the next request",
        "쉬는 중: 다음 요청이 오면 다시 불러옵니다",
    ),
    "state_failed": ("not loaded", "불러오지 못함"),
    "still_serving": ("{name} still answers", "그동안 {name} 모델이 응답합니다"),
    "parameters": ("{count} parameters", "매개변수 {count}개"),
    "memory": ("{size} in memory", "메모리 {size}"),
    "serving": ("{count} of {most} at once", "동시에 {count}/{most}"),
    "waiting": ("{count} waiting", "{count}명 대기 중"),
    # What is loaded
    "summary": ("What is loaded", "불러온 모델"),
    "summary_empty": ("No model is loaded yet.", "아직 불러온 모델이 없습니다."),
    "note": ("Note: {note}", "알림: {note}"),
    "narrowed": (
        "Here auto means {dtype}: {wider} needs about {needed} GB, and {free} GB of memory were free.",
        "여기서 auto는 {dtype}입니다. {wider}에는 약 {needed}GB가 필요한데 남은 메모리가 {free}GB였습니다.",
    ),
    "narrowed_cost": (
        "With the bundled model, {dtype} has an exact match of {exact} (float32: {exact_in_float32}) and a "
        "perplexity of {perplexity} (float32: {perplexity_in_float32}).",
        "내장 모델로 재면 {dtype}의 정확 일치는 {exact}(float32는 {exact_in_float32}), 퍼플렉서티는 "
        "{perplexity}(float32는 {perplexity_in_float32})입니다.",
    ),
    "faster_backend": (
        "With a model of this size on a CPU, the backend {name} is faster than {backend}: about {speed} "
        "tokens a second against {slower}, measured in bfloat16 on 2 cores at CodeGemma 2B's size.",
        "이 크기의 모델은 CPU에서 {backend} 백엔드보다 {name} 백엔드가 빠릅니다. CodeGemma 2B 크기, "
        "bfloat16, 코어 2개에서 측정한 속도는 초당 약 {speed}토큰 대 {slower}토큰입니다.",
    ),
    "lacks": (
        "This server does less than a local backend: {what}.",
        "이 서버는 로컬 백엔드보다 할 수 있는 것이 적습니다: {what}.",
    ),
    "lacks_logprobs": (
        "it does not tell how likely tokens were",
        "토큰의 확률을 알려 주지 않음",
    ),
    "lacks_stop_probability": (
        "it does not tell how likely an end was at each token",
        "토큰마다 멈출 확률을 알려 주지 않음",
    ),
    "lacks_token_ids": (
        "it takes no token ids, so that some branches and texts that spell a control token are refused",
        "토큰 번호를 받지 않아 일부 갈래와 제어 토큰의 이름이 든 글은 거절됨",
    ),
    "lacks_score": (
        "it scores no given text, as Suffix gain, the true middle of a race and the quiz ask for",
        "주어진 글을 채점하지 않음(뒷부분의 효과, 순서 비교의 원래 코드, 퀴즈)",
    ),
    "lacks_top_k": ("it takes no top-k", "top-k를 받지 않음"),
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
    "error_unsupported_precision": (
        "The backend has no such precision",
        "이 백엔드에서 쓸 수 없는 정밀도입니다",
    ),
    "error_backend_missing": ("Backend not installed", "백엔드가 설치되어 있지 않습니다"),
    "error_not_enough_memory": ("Not enough memory", "메모리가 부족합니다"),
    "error_load_failed": ("The model could not be loaded", "모델을 불러오지 못했습니다"),
    "error_not_a_preset": ("This is no preset of a Gemma", "Gemma 프리셋이 아닙니다"),
    "error_backend_broken": (
        "The backend's packages do not fit together",
        "백엔드의 패키지들이 서로 맞지 않습니다",
    ),
    "error_no_such_device": ("No such device", "그런 장치가 없습니다"),
    "error_not_enough_devices": ("Not enough devices", "장치가 부족합니다"),
    "error_worker_died": ("The model stopped unexpectedly", "모델이 예기치 않게 종료되었습니다"),
    "error_choice_failed": (
        "That choice cannot complete here",
        "이 선택으로는 채울 수 없습니다",
    ),
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
    "error_other_format": ("Not a KerasHub preset", "KerasHub 프리셋이 아닙니다"),
    "error_no_fim_tokens": ("Not made for filling in", "빈칸 채우기용 모델이 아닙니다"),
    "error_network": ("The site could not be reached", "사이트에 연결할 수 없습니다"),
    "error_connection_lost": ("The connection was lost", "연결이 끊어졌습니다"),
    "error_corrupt_file": ("A file is damaged", "손상된 파일이 있습니다"),
    "error_disk_full": ("Not enough room on the disk", "디스크 공간이 부족합니다"),
    "error_server_absent": ("The server cannot be reached", "서버에 연결할 수 없습니다"),
    "error_server_silent": ("The server does not answer", "서버가 응답하지 않습니다"),
    "error_server_key": ("The server does not accept the key", "서버가 키를 받아들이지 않습니다"),
    "error_server_busy": ("The server is busy", "서버가 바쁩니다"),
    "error_server_not_found": ("The server has no such model", "서버에 그런 모델이 없습니다"),
    "error_server_refused": ("The server refuses this", "서버가 요청을 거절했습니다"),
    "error_server_failed": ("The server failed", "서버에서 오류가 났습니다"),
    "error_server_broke_off": ("The answer broke off", "응답이 중간에 끊어졌습니다"),
    "error_server_nonsense": (
        "This is no server of the completions protocol",
        "completions 프로토콜을 쓰는 서버가 아닙니다",
    ),
    "error_not_supported": ("This server cannot do that", "이 서버에서는 할 수 없습니다"),
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
    "hint_other_format": (
        "Choose a KerasHub preset, such as one of CodeGemma's in the list.",
        "목록에 있는 CodeGemma처럼 KerasHub 프리셋인 모델을 고르세요.",
    ),
    "hint_no_fim_tokens": (
        "Choose a model with FIM control tokens, such as CodeGemma.",
        "CodeGemma처럼 FIM 제어 토큰이 있는 모델을 고르세요.",
    ),
    "hint_network": (
        "Check the connection and try again.",
        "인터넷 연결을 확인하고 다시 시도해 주세요.",
    ),
    "hint_connection_lost": (
        "Try again: it goes on from where it stopped.",
        "다시 시도하면 받은 곳부터 이어집니다.",
    ),
    "hint_server_absent": (
        "The operator's server may be down: try again in a while.",
        "운영자의 서버가 꺼져 있을 수 있습니다. 잠시 뒤에 다시 시도해 주세요.",
    ),
    "hint_server_silent": (
        "It may be loading or overloaded: try again in a while.",
        "서버가 모델을 불러오는 중이거나 바쁠 수 있습니다. 잠시 뒤에 다시 시도해 주세요.",
    ),
    "hint_server_busy": ("Try again in a while.", "잠시 뒤에 다시 시도해 주세요."),
    "hint_server_failed": (
        "Try again; the server's own log says more.",
        "다시 시도해 주세요. 자세한 내용은 서버의 로그에 있습니다.",
    ),
    "hint_server_broke_off": (
        "What came is kept. Try again.",
        "받은 내용은 그대로 있습니다. 다시 시도해 주세요.",
    ),
    "hint_corrupt_file": (
        "If the model was downloaded, delete its folder and choose it again; else copy it anew.",
        "내려받은 모델이면 해당 폴더를 지우고 다시 선택해 주세요. 아니면 폴더를 다시 복사해 주세요.",
    ),
    "hint_not_a_preset": (
        "A preset is a KerasHub folder with config.json, weights and a SentencePiece vocabulary.",
        "프리셋은 config.json, 가중치, SentencePiece 어휘 파일이 있는 KerasHub 폴더입니다.",
    ),
    "hint_no_such_device": (
        "Choose --torch-device auto, or install a torch that is built for the device.",
        "--torch-device auto를 고르거나 그 장치용으로 만든 torch를 설치해 주세요.",
    ),
    "hint_disk_full": ("Free some room and try again.", "공간을 확보한 뒤 다시 시도해 주세요."),
    "hint_not_enough_memory": (
        "What would need less memory stands below.",
        "메모리를 덜 쓰는 방법은 아래에 있습니다.",
    ),
    "hint_choice_failed": (
        "What worked before takes its place again; try again, or choose something else.",
        "전에 쓰던 것으로 되돌립니다. 다시 시도하거나 다른 것을 고르세요.",
    ),
    "hint_worker_died": (
        "It is being started again; try once more in a moment.",
        "모델을 다시 시작하고 있습니다. 잠시 뒤에 다시 시도해 주세요.",
    ),
    "hint_worker_gone": (
        "It is loaded again after a while. Choose a model and a backend to try at once.",
        "잠시 후 자동으로 다시 불러옵니다. 바로 시도하려면 모델과 백엔드를 선택하세요.",
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
    return template(key, language).format(**values)


def template(key: str, language: Language) -> str:
    """One string of the page with its `{names}`, for a script to fill."""
    return TABLE[key][LANGUAGES.index(language)]


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
