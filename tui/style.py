"""Colours and the styles that carry a meaning. A style never stands alone: a word or a mark says the same.

The colours are those of the 256-colour cube (in comments: their numbers), so that a terminal without true colour, which is
what an SSH session usually is, shows the very same.
"""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

from core.runbook.state import StepStatus
from tui.summary import TaskStatus

DARK = Theme(
    name="pgrecast-dark",
    primary="#5fafff",  # 75
    secondary="#afafd7",  # 146
    accent="#ffd787",  # 222
    warning="#ffaf5f",  # 215
    error="#ff8787",  # 210
    success="#87d787",  # 114
    foreground="#d0d0d0",  # 252
    background="#121212",  # 233
    surface="#1c1c1c",  # 234
    panel="#303030",  # 236
    dark=True,
    variables={
        "quiet": "#8a8a8a",  # 245
        "production": "#af0000",  # 124
        "elsewhere": "#005f5f",  # 23
        "on-target": "#ffffff",  # 231
        "alarm": "#875f00",  # 94
        "input-cursor-background": "#d0d0d0",
        "footer-background": "#1c1c1c",
    },
)
LIGHT = Theme(
    name="pgrecast-light",
    primary="#005faf",  # 25
    secondary="#5f5f87",  # 60
    accent="#875f00",  # 94
    warning="#af5f00",  # 130
    error="#af0000",  # 124
    success="#005f00",  # 22
    foreground="#262626",  # 235
    background="#eeeeee",  # 255
    surface="#e4e4e4",  # 254
    panel="#d0d0d0",  # 252
    dark=False,
    variables={
        "quiet": "#626262",  # 241
        "production": "#af0000",
        "elsewhere": "#005f5f",
        "on-target": "#ffffff",
        "alarm": "#ffd787",
    },
)
ANSI = Theme(
    name="pgrecast-ansi",
    ansi=True,
    primary="ansi_bright_blue",
    secondary="ansi_cyan",
    accent="ansi_yellow",
    warning="ansi_yellow",
    error="ansi_bright_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_bright_black",
    boost="ansi_default",
    dark=True,
    variables={
        **BUILTIN_THEMES["ansi-dark"].variables,
        "quiet": "ansi_default",
        "production": "ansi_red",
        "elsewhere": "ansi_cyan",
        "on-target": "ansi_bright_white",
        "alarm": "ansi_blue",
    },
)
THEMES = {"dark": DARK, "light": LIGHT, "ansi": ANSI}

QUIET = "$quiet"
STRONG = "bold"
KEY = "bold $primary"
HEADING = "bold $accent"
GOOD = "$success"
BAD = "bold $error"
WARN = "bold $warning"
LIVE = "bold $primary"
VOUCHED = "$secondary"

TASK = {
    TaskStatus.TODO: "",
    TaskStatus.UNDER_WAY: "$primary",
    TaskStatus.LOCKED: QUIET,
    TaskStatus.RUNNING: LIVE,
    TaskStatus.ASKING: WARN,
    TaskStatus.DONE: GOOD,
    TaskStatus.TICKED: VOUCHED,
    TaskStatus.FAILED: BAD,
    TaskStatus.UNDECIDED: WARN,
}
STEP = {
    StepStatus.TODO: "",
    StepStatus.RUNNING: LIVE,
    StepStatus.ASKING: WARN,
    StepStatus.DONE: GOOD,
    StepStatus.TICKED: VOUCHED,
    StepStatus.FAILED: BAD,
    StepStatus.UNDECIDED: WARN,
}


def chip(target: str) -> str:
    """Style of a target's word: production stands out from every other."""
    return f"bold $on-target on ${'production' if target == 'production' else 'elsewhere'}"
