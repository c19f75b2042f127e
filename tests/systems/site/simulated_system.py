"""Apply a profile to the modules of `codegemma_ui`, before anything else runs.

Each of our modules gets its own builtins, whose `import` returns fakes for the modules of the standard
library that lack something. Calls from elsewhere are recognized by the builtins of the calling frame.
"""

import builtins
import importlib.machinery
import io
import json
import os
import signal
import subprocess
import sys
import types
import warnings
from importlib.machinery import PathFinder, SourceFileLoader
from typing import Any

PACKAGE = "codegemma_ui"
CODE_PAGE = "cp949"  # Korean Windows'
_LINUX_FILES = ("/proc", "/sys")
_PASSED_OVER = ("pathlib", "io", "codecs", "glob", "os", "genericpath")
_ADDED = {
    "signal": {"SIGBREAK": signal.SIGTTIN, "CTRL_C_EVENT": 0, "CTRL_BREAK_EVENT": 1},
    "subprocess": {"CREATE_NEW_PROCESS_GROUP": 0x200, "CREATE_NO_WINDOW": 0x08000000},
}
"""Values for what a system has besides; SIGBREAK stands for a signal that nobody sends here."""

with open(os.environ["SIMULATED_SYSTEM"], encoding="utf-8") as _file:  # noqa: PTH123
    PROFILE = json.load(_file)
WINDOWS = PROFILE["platform"] == "win32"


class StandIn(types.ModuleType):
    """A module as the simulated system has it."""

    def __init__(self, real: types.ModuleType, **other: object) -> None:
        name = real.__name__
        added = {key: value for key, value in _ADDED.get(name, {}).items() if key in _added(name)}
        object.__getattribute__(self, "__dict__").update(
            _real=real,
            _missing=frozenset(PROFILE["missing"].get(name, ())),
            _other={**added, **other},
            __name__=name,
        )

    def __getattribute__(self, name: str) -> object:
        own = object.__getattribute__(self, "__dict__")
        if name in own["_other"]:
            return own["_other"][name]
        if name in own["_missing"]:
            raise AttributeError(f"module {own['__name__']!r} has no attribute {name!r}")
        return getattr(own["_real"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "__dict__")["_real"], name, value)


def _added(module: str) -> list[str]:
    return PROFILE["added"].get(module, [])


def _checked(options: dict) -> dict:
    """Return the options of a new process, or raise if the system does not support them."""
    for name in PROFILE["popen"]:
        if options.get(name):
            raise ValueError(f"{name} is not supported on Windows platforms")
    if "creationflags" in options and not WINDOWS:
        raise ValueError("creationflags is only supported on Windows platforms")
    flags = options.pop("creationflags", 0)
    if flags & _ADDED["subprocess"]["CREATE_NEW_PROCESS_GROUP"]:
        options["process_group"] = 0
    return options


class Popen(subprocess.Popen):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **_checked(options))


def run(*arguments: Any, **options: Any) -> subprocess.CompletedProcess:
    return subprocess.run(*arguments, **_checked(options))


def set_signal(number: int, handler: Any) -> object:
    taken = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM", "SIGTTIN")
    if WINDOWS and number not in [getattr(signal, name) for name in taken]:
        raise ValueError("invalid signal value")
    return signal.signal(number, handler)


_STAND_INS = {
    "os": StandIn(os, name=PROFILE["os_name"]),
    "signal": StandIn(signal, signal=set_signal),
    "subprocess": StandIn(subprocess, Popen=Popen, run=run),
    "sys": StandIn(sys, platform=PROFILE["platform"]),
}


def import_for_us(name, globals=None, locals=None, fromlist=(), level=0):
    top = name.partition(".")[0]
    if level == 0 and top in PROFILE["modules"]:
        raise ModuleNotFoundError(f"No module named {top!r}", name=top)
    module = builtins.__import__(name, globals, locals, fromlist, level)
    if level == 0 and name == "asyncio":
        _take_signal_handlers(module)
    if level == 0 and name in ("socket", "time") and name not in _STAND_INS:
        _STAND_INS[name] = StandIn(module)
    return _STAND_INS.get(top, module) if level == 0 and name in (top, "os.path") else module


OURS = {**vars(builtins), "__import__": import_for_us}


def _is_ours(frame: types.FrameType) -> bool:
    return frame.f_builtins is OURS


def _take_signal_handlers(asyncio: types.ModuleType) -> None:
    """Remove `add_signal_handler` from event loops, as on Windows."""
    loop = asyncio.unix_events._UnixSelectorEventLoop
    real = loop.add_signal_handler
    if not WINDOWS or getattr(real, "simulated", False):
        return

    def add_signal_handler(self, *arguments):
        if _is_ours(sys._getframe(1)):
            raise NotImplementedError
        return real(self, *arguments)

    add_signal_handler.simulated = True  # type: ignore[attr-defined]
    loop.add_signal_handler = add_signal_handler


def _hide_linux_files(event: str, arguments: tuple) -> None:
    if event not in ("open", "os.listdir", "os.scandir", "pathlib.Path.glob"):
        return
    if not str(arguments[0]).startswith(_LINUX_FILES):
        return
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in _PASSED_OVER:
        frame = frame.f_back
    if frame is not None and _is_ours(frame):
        raise FileNotFoundError(2, "No such file or directory", str(arguments[0]))


class Loader(SourceFileLoader):
    def exec_module(self, module: types.ModuleType) -> None:
        vars(module)["__builtins__"] = OURS
        super().exec_module(module)


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def _program_is_ours() -> bool:
    """Return whether `python -m codegemma_ui…` or app.py runs, a module that is executed and not imported."""
    words = sys.orig_argv[1:]
    if "-m" in words:
        return words[words.index("-m") + 1].partition(".")[0] == PACKAGE
    return any(os.path.basename(word) == "app.py" for word in words[:1])  # noqa: PTH119


sys.meta_path.insert(0, Finder)
sys.addaudithook(_hide_linux_files)
warnings.filterwarnings("error", category=EncodingWarning, module=PACKAGE)
if _program_is_ours():
    vars(sys.modules["__main__"])["__builtins__"] = OURS
if WINDOWS:
    sys.modules["tensorflow_text"] = None  # type: ignore[assignment]  # keras-hub asks for it, and it has no wheels there
if WINDOWS and "PYTHONIOENCODING" not in os.environ:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding=CODE_PAGE, errors=stream.errors)
