"""What covers a screen whose terminal is too small to be read or answered safely."""

from __future__ import annotations

from textual.content import Content

from tui.widgets.lines import Lines

WIDTH, HEIGHT = 80, 24


class TooSmall(Lines):
    """Asks for more room; goes when there is enough."""

    def on_mount(self) -> None:
        self.on_resize()

    def on_resize(self) -> None:
        here = self.screen.size
        self.show(
            Content(
                f"This terminal has {here.width} columns and {here.height} rows. "
                f"pgrecast needs {WIDTH} by {HEIGHT}: make it larger, or the type smaller. The run goes on meanwhile."
            )
        )
