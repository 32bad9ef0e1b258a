"""Which line of the application's own code a stack leads through."""

import sys
import sysconfig
import traceback
from pathlib import Path
from types import FrameType

_OURS = str(Path(__file__).parents[1])
_OTHERS = ("<frozen", *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}, _OURS)


def is_own(file: str) -> bool:
    """Whether a file belongs to the application, rather than to Python, an installed package or nodrop."""
    return not file.startswith(_OTHERS)


def where(error: BaseException) -> str:
    """The last line of the application's own code on the way to `error`, or else the last line of any file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if is_own(frame.filename)]
    # Nothing but this very call where a module is looked for and not there.
    last = (own or frames)[-1]
    return f"{last.filename}, line {last.lineno}"


def caller(frame: FrameType | None) -> str:
    """The innermost line of the application's own code in the stack of `frame`; empty if there is none."""
    while frame:
        if is_own(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}, line {frame.f_lineno}"
        frame = frame.f_back
    return ""


def frame_of(thread: int) -> FrameType | None:
    """The innermost frame of the thread with this identifier."""
    return sys._current_frames().get(thread)
