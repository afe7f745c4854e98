"""A time line as a picture (SVG): boards as lines in time, links as bars between them, letters as arrows."""

from dataclasses import dataclass, field
from html import escape

from hedgerow_lab.timeline import Linked, Timeline, Written, clock

_LEFT = 150
_RIGHT = 40
_TOP = 70
_PLOT = 1_200
_ROW = 64
_CROWDED_ROW = 22  # from 20 boards on
_CROWDED = 20
_FEWEST_PX = 1.5  # no link is thinner
_LABELS = 40  # letters are numbered up to here
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200)
_MOST_TICKS = 12
# Colours that most people can tell apart (Okabe and Ito, 2008), one for each writer.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 }
.small { font-size: 11px; fill: #666 }
.title { font-size: 16px; font-weight: 600 }
.grid { stroke: #e4e4e4 }
.off { stroke: #bbb; stroke-dasharray: 2 5 }
.on { stroke: #444; stroke-width: 3 }
.link { fill: #e6b800; fill-opacity: .45 }
.knows { fill: #444 }
.letter { stroke-width: 2; fill: none }
.lost { stroke-width: 2; stroke-dasharray: 4 3; fill: none }
.number { font-size: 11px; font-weight: 600 }
"""


@dataclass
class _Sheet:
    """Where what stands; ``parts`` are the elements, in the order of drawing."""

    timeline: Timeline
    start_us: int
    end_us: int
    boards: list[str]
    parts: list[str] = field(default_factory=list)

    @property
    def row(self) -> int:
        """Pixels from one board to the next."""
        return _ROW if len(self.boards) < _CROWDED else _CROWDED_ROW

    @property
    def height(self) -> int:
        """Pixels of the whole."""
        return _TOP + self.row * len(self.boards) + 60

    def x(self, at_us: int) -> float:
        """Where a time stands; what goes over the edge of the picture is clipped."""
        return round(_LEFT + (at_us - self.start_us) * _PLOT / (self.end_us - self.start_us), 1)

    def y(self, board: str) -> float:
        """Where a board's line is."""
        return _TOP + self.row * (self.boards.index(board) + 0.5)

    def shows(self, start_us: int, end_us: int, *boards: str) -> bool:
        """Whether something is in the picture."""
        return start_us <= self.end_us and end_us >= self.start_us and all(b in self.boards for b in boards)

    def add(self, name: str, inside: str = "", **attributes: object) -> None:
        """One element; an underscore at the end or within a name stands for "class" and the like."""
        text = "".join(f' {key.strip("_").replace("_", "-")}="{value}"' for key, value in attributes.items())
        self.parts.append(f"<{name}{text}>{inside}</{name}>" if inside else f"<{name}{text}/>")


def _tick_us(span_us: int) -> int:
    for seconds in _TICKS_S:
        if span_us <= seconds * 1e6 * _MOST_TICKS:
            return round(seconds * 1e6)
    return round(_TICKS_S[-1] * 1e6)


def _tick_text(at_us: int, tick_us: int) -> str:
    text = clock(at_us)
    return text[:-2] if tick_us < 1_000_000 else text[:-4]


def _axis(sheet: _Sheet) -> None:
    tick = _tick_us(sheet.end_us - sheet.start_us)
    bottom = _TOP + sheet.row * len(sheet.boards)
    for at in range(-(-sheet.start_us // tick) * tick, sheet.end_us + 1, tick):
        x = sheet.x(at)
        sheet.add("line", x1=x, y1=_TOP, x2=x, y2=bottom, class_="grid")
        sheet.add("text", _tick_text(at, tick), x=x, y=bottom + 18, text_anchor="middle", class_="small")


def _link(sheet: _Sheet, link: Linked) -> None:
    end_us = sheet.timeline.end_us if link.end_us is None else link.end_us
    if not sheet.shows(link.start_us, end_us, link.central, link.peripheral):
        return
    x = sheet.x(link.start_us)
    top, bottom = sorted((sheet.y(link.central), sheet.y(link.peripheral)))
    there, back = link.packets
    tip = (
        f"{link.central} calls {link.peripheral} at {clock(link.start_us)}:"
        f" {there} packets there, {back} back, {sum(link.bytes):,} bytes"
    )
    width = round(max(sheet.x(end_us) - x, _FEWEST_PX), 1)
    inside = f"<title>{escape(tip)}</title>"
    sheet.add("rect", inside, x=x, y=top, width=width, height=bottom - top, class_="link")


def _name(sheet: _Sheet, board: str) -> None:
    y = sheet.y(board)
    guests = sorted(host for host, at in sheet.timeline.hosts.items() if at == board)
    crowded = sheet.row < _ROW
    name = escape(board) + (f" ({escape(', '.join(guests))})" if guests and crowded else "")
    sheet.add("text", name, x=_LEFT - 14, y=y + 4, text_anchor="end")
    if guests and not crowded:
        label = escape(", ".join(guests))
        sheet.add("text", label, x=_LEFT - 14, y=y + 19, text_anchor="end", class_="small")


def _board(sheet: _Sheet, board: str) -> None:
    y = sheet.y(board)
    sheet.add("line", x1=_LEFT, y1=y, x2=_LEFT + _PLOT, y2=y, class_="off")
    for start_us, end_us in sheet.timeline.powered.get(board, []):
        end_us = sheet.timeline.end_us if end_us < 0 else end_us
        if sheet.shows(start_us, end_us):
            sheet.add("line", x1=sheet.x(start_us), y1=y, x2=sheet.x(end_us), y2=y, class_="on")
    for at_us, count in sheet.timeline.knows.get(board, []):
        if sheet.shows(at_us, at_us):
            tip = f"<title>{escape(board)} says that it knows {count} at {clock(at_us)}</title>"
            sheet.add("circle", tip, cx=sheet.x(at_us), cy=y, r=3 if sheet.row < _ROW else 4, class_="knows")


def _letter(sheet: _Sheet, letter: Written, colour: str, numbered: bool) -> None:
    boards = [board for board in (letter.board, letter.read_board) if board]
    end_us = sheet.timeline.end_us if letter.read_us is None else letter.read_us
    if not letter.board or not sheet.shows(letter.written_us, end_us, *boards):
        return
    x1, y1 = sheet.x(letter.written_us), sheet.y(letter.board)
    name = escape(f"{letter.number}: {letter.sender} to {letter.to}, {letter.text}")
    if letter.read_us is None:
        home = sheet.timeline.hosts.get(letter.to, letter.board)
        down = 1 if home in sheet.boards and sheet.y(home) > y1 else -1
        x2, y2 = x1 + 14, y1 + down * sheet.row * 0.4
        style, tip = "lost", f"{name}: not read"
    else:
        x2, y2 = sheet.x(letter.read_us), sheet.y(letter.read_board)
        style, tip = "letter", f"{name}: read after {(letter.read_us - letter.written_us) / 1e6:.1f} s"
    marker = f"url(#tip{_COLOURS.index(colour)})"
    inside = f"<title>{tip}</title>"
    sheet.add("line", inside, x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, class_=style, marker_end=marker)
    if numbered and letter.written_us >= sheet.start_us:
        away = -8 if y2 > y1 else 17
        sheet.add(
            "text",
            str(letter.number),
            x=x1,
            y=y1 + away,
            text_anchor="middle",
            class_="number",
            style=f"fill: {colour}",
        )


def _legend(sheet: _Sheet, writers: dict[str, str]) -> None:
    y = sheet.height - 16
    x = _LEFT
    sheet.add("rect", x=x, y=y - 11, width=12, height=14, class_="link")
    sheet.add("text", "link", x=x + 18, y=y, class_="small")
    x += 60
    sheet.add("circle", cx=x, cy=y - 4, r=4, class_="knows")
    sheet.add("text", "says that it knows another number of letters", x=x + 10, y=y, class_="small")
    x += 280
    for who, colour in writers.items():
        sheet.add("line", x1=x, y1=y - 4, x2=x + 20, y2=y - 4, stroke=colour, class_="letter")
        sheet.add("text", f"letters of {escape(who)}", x=x + 26, y=y, class_="small")
        x += 56 + 6 * len(f"letters of {who}")


def draw(timeline: Timeline, start_us: int, end_us: int, boards: list[str]) -> str:
    """The picture of ``boards`` between two times, as SVG."""
    sheet = _Sheet(timeline, start_us, end_us, [board for board in timeline.boards if board in boards])
    writers: dict[str, str] = {}
    for letter in timeline.letters:
        writers.setdefault(letter.sender, _COLOURS[len(writers) % len(_COLOURS)])
    title = f"{timeline.name}: {clock(start_us)[:-4]} to {clock(end_us)[:-4]}"
    sheet.add("text", escape(title), x=_LEFT, y=34, class_="title")
    _axis(sheet)
    for board in sheet.boards:
        _name(sheet, board)
    sheet.parts.append('<g clip-path="url(#plot)">')
    for link in timeline.links:
        _link(sheet, link)
    for board in sheet.boards:
        _board(sheet, board)
    numbered = sum(start_us <= letter.written_us <= end_us for letter in timeline.letters) <= _LABELS
    for letter in timeline.letters:
        _letter(sheet, letter, writers[letter.sender], numbered)
    sheet.parts.append("</g>")
    _legend(sheet, writers)
    width = _LEFT + _PLOT + _RIGHT
    markers = "".join(
        f'<marker id="tip{number}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" markerHeight="5"'
        f' orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for number, colour in enumerate(_COLOURS)
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {sheet.height}"'
        f' width="{width}" height="{sheet.height}">'
    )
    # Dots and tips of arrows may stand over the edge by half of themselves.
    plot = (
        f'<clipPath id="plot"><rect x="{_LEFT - 5}" width="{_PLOT + 10}" height="{sheet.height}"/></clipPath>'
    )
    paper = f'<rect width="{width}" height="{sheet.height}" fill="#fff"/>'
    body = "\n".join(sheet.parts)
    return f"{head}\n<style>{_STYLE}</style>\n<defs>{markers}{plot}</defs>\n{paper}\n{body}\n</svg>\n"
