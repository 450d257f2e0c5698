#!/usr/bin/env python3
"""Draws what a command leaves on a terminal as an SVG picture. Needs the Python package pyte.

    scripts/picture.py docs/run.svg 'miteos run "…"' -- target/release/miteos run "…"

The first argument is the picture, the second the command line as it is shown above it, the rest the real command.
"""

import html
import os
import pty
import select
import struct
import sys
import fcntl
import termios

import pyte

COLUMNS, ROWS = 100, 60
CELL_W, CELL_H = 8.4, 18
COLOURS = {
    "default": "#d7dae0", "black": "#5c6370", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b", "blue": "#61afef",
    "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#d7dae0", "brightblack": "#7f848e", "brightred": "#e06c75",
    "brightgreen": "#98c379", "brightbrown": "#e5c07b", "brightblue": "#61afef", "brightmagenta": "#c678dd",
    "brightcyan": "#56b6c2", "brightwhite": "#ffffff",
}


def record(command):
    screen = pyte.HistoryScreen(COLUMNS, ROWS, history=2000)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.environ.pop("NO_COLOR", None)
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    while True:
        ready, _, _ = select.select([terminal], [], [], 1)
        if not ready:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        # Synchronised output is a newer mode than the emulator knows.
        stream.feed(data.replace(b"\x1b[?2026h", b"").replace(b"\x1b[?2026l", b""))
    _, status = os.waitpid(pid, 0)
    if status:
        sys.exit(f"the command ended with {os.waitstatus_to_exitcode(status)}")
    lines = [*screen.history.top, *(screen.buffer[row] for row in range(ROWS))]
    while lines and not "".join(lines[-1][column].data for column in range(COLUMNS)).strip():
        lines.pop()
    return lines


def colour(cell):
    if cell.fg in COLOURS:
        return COLOURS[cell.fg]
    return f"#{cell.fg}" if len(cell.fg) == 6 else COLOURS["default"]


def spans(line):
    run, style = "", None
    for column in range(COLUMNS):
        cell = line[column]
        now = (colour(cell), cell.bold)
        if now != style and run:
            yield run, style
            run = ""
        style = now
        run += cell.data
    if run.rstrip():
        yield run.rstrip(), style


def draw(title, lines):
    width, height = COLUMNS * CELL_W + 40, (len(lines) + 3) * CELL_H + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14">',
        f'<rect width="100%" height="100%" rx="10" fill="#1e2127"/>',
    ]
    for n, shade in enumerate(("#e06c75", "#e5c07b", "#98c379")):
        parts.append(f'<circle cx="{22 + 20 * n}" cy="22" r="6" fill="{shade}"/>')
    top = 40 + CELL_H
    parts.append(f'<text x="20" y="{top}" fill="#98c379" xml:space="preserve">$ <tspan fill="#ffffff">{html.escape(title)}</tspan></text>')
    for row, line in enumerate(lines):
        y, x = top + (row + 1.5) * CELL_H, 20.0
        for text, (fill, bold) in spans(line):
            if text.strip():
                weight = ' font-weight="bold"' if bold else ""
                parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{weight} textLength="{len(text) * CELL_W:.1f}" xml:space="preserve">{html.escape(text)}</text>')
            x += len(text) * CELL_W
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def main():
    if len(sys.argv) < 5 or sys.argv[3] != "--":
        sys.exit(__doc__)
    picture = draw(sys.argv[2], record(sys.argv[4:]))
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(picture)


if __name__ == "__main__":
    main()
