"""Draws the dashboards from recorded series, laid out by their own grid.

    pictures.py RECORD FOLDER

RECORD is what check.py wrote. It shows what Grafana would, not how it would look to the pixel.
Needs matplotlib; run by `scripts/dashboards --pictures`.
"""

import json
import math
import sys
import textwrap
from pathlib import Path

import matplotlib
import numpy

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator
from PIL import Image

from dashboard import Dashboard, legend, threshold_colour
from prometheus import SCRAPE_SECONDS

HERE = Path(__file__).parent
CHART = HERE.parent.parent / "quorate"
DASHBOARDS = ["overview", "coordinator", "replica", "kubernetes"]
# Inches of one cell of the grid: 24 cells are as wide as a screen.
WIDTH, HEIGHT = 0.75, 0.45
DOTS_PER_INCH = 100
# Panels with more series name the largest ones in the legend.
LEGEND_ENTRIES = 5
# Seconds between the points of an annotation, in which a gap is not seen.
ANNOTATION_STEP = 15
COLOURS = {
    "green": "#37872d",
    "orange": "#e0b400",
    "red": "#c4162a",
    "blue": "#1f60c4",
    "purple": "#8f3bb8",
}
LINES = plt.get_cmap("tab20")
SHADES = LinearSegmentedColormap.from_list("shades", ["#fff5eb", "#fd8d3c", "#7f2704"], N=48)
plt.rcParams.update({"font.size": 8, "axes.titlesize": 9, "axes.spines.top": False})
plt.rcParams.update({"axes.spines.right": False, "font.family": "DejaVu Sans"})


def main():
    record, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    queries = {query["name"]: query for query in record["queries"]}
    for name in DASHBOARDS:
        dashboard = Dashboard(CHART / "dashboards" / f"{name}.json")
        draw(dashboard, queries, record, folder / f"dashboard-{name}.png")


def draw(dashboard: Dashboard, queries: dict, record: dict, file: Path):
    """One dashboard into one picture."""
    length = record["end"] - record["start"]
    marks = [
        (at, COLOURS[annotation["iconColor"]])
        for annotation in dashboard.json["annotations"]["list"]
        for one in queries[f"{dashboard.name}/annotation/{annotation['name']}"]["series"]
        for at in beginnings(one, record["start"])
    ]
    panels = dashboard.json["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width, height = 24 * WIDTH, rows * HEIGHT + 0.6
    figure = plt.figure(figsize=(width, height), facecolor="white")
    figure.text(0.008, 1 - 0.3 / height, dashboard.json["title"], fontsize=14, weight="bold")
    figure.text(
        0.25, 1 - 0.3 / height, dashboard.json["description"], fontsize=9, color="#555555"
    )
    for number, annotation in enumerate(dashboard.json["annotations"]["list"]):
        colour = COLOURS[annotation["iconColor"]]
        text = f"┊ {annotation['titleFormat']}"
        figure.text(0.8 + 0.1 * number, 1 - 0.3 / height, text, fontsize=9, color=colour)
    for panel in panels:
        grid = panel["gridPos"]
        left, top = grid["x"] * WIDTH, 0.6 + grid["y"] * HEIGHT
        if panel["type"] == "row":
            place = (0.1 / width, 1 - (top + 0.3) / height)
            figure.text(*place, panel["title"], fontsize=10, weight="bold", color="#333333")
            continue
        tall = grid["h"] * HEIGHT
        # Left, below, right and above the axes, in inches.
        margins = {
            "timeseries": (0.6, 0.72, 0.2, 0.32),
            "status-history": (2.6, 0.35, 0.2, 0.32),
            "stat": (0.1, 0.08, 0.1, 0.3),
            "table": (0.1, 0.1, 0.2, 0.3),
        }.get(panel["type"], (0.6, 0.35, 0.2, 0.32))
        box = (
            (left + margins[0]) / width,
            1 - (top + tall - margins[1]) / height,
            (grid["w"] * WIDTH - margins[0] - margins[2]) / width,
            (tall - margins[1] - margins[3]) / height,
        )
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], loc="left", weight="bold", pad=4)
        asked = [
            (target, queries[f"{dashboard.name}/{panel['title']}/{target['refId']}"])
            for target in panel["targets"]
        ]
        if panel["type"] in ("stat", "table"):
            values = [
                (legend(target, one["metric"]), one["metric"], float(one["value"][1]))
                for target, query in asked
                for one in query["instant"]
            ]
            {"stat": stat, "table": table}[panel["type"]](axes, panel, values)
            continue
        lines = [
            ((legend(target, one["metric"]), one["metric"]), points(one, record["start"]))
            for target, query in asked
            for one in sorted(query["series"], key=lambda one: legend(target, one["metric"]))
        ]
        DRAW[panel["type"]](axes, panel, lines, length)
        for at, colour in marks if panel["type"] == "timeseries" else ():
            axes.axvline(at, color=colour, linewidth=1, linestyle=":", zorder=1)
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)
    shrink(file)
    print(file)


def shrink(file: Path):
    """Leaves those colours that mean something and the most frequent others, 256 in all.

    A palette that is chosen otherwise makes lines look like others.
    """
    meant = [*map(to_rgb, COLOURS.values()), *(LINES(n)[:3] for n in range(20))]
    meant = numpy.array([*meant, *(SHADES(n)[:3] for n in range(SHADES.N))])
    meant = numpy.round(meant * 255).astype(numpy.int32)
    image = numpy.asarray(Image.open(file).convert("RGB"))
    flat = image.reshape(-1, 3).astype(numpy.int32)
    codes, where, often = numpy.unique(
        flat @ [65536, 256, 1], return_inverse=True, return_counts=True
    )
    colours = numpy.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    palette = numpy.concatenate([meant, colours[numpy.argsort(-often)[: 256 - len(meant)]]])
    nearest = numpy.concatenate(
        [
            ((part[:, None] - palette[None]) ** 2).sum(axis=2).argmin(axis=1)
            for part in numpy.array_split(colours, len(colours) // 4096 + 1)
        ]
    )
    pixels = nearest[where.reshape(-1)].astype(numpy.uint8).reshape(image.shape[:2])
    small = Image.fromarray(pixels, "P")
    small.putpalette(palette.astype(numpy.uint8).tobytes())
    small.save(file, optimize=True)


def beginnings(one: dict, start: float):
    """When a series of an annotation began to have values, in seconds since the start."""
    before = start
    for at, _ in one["values"]:
        if float(at) > before + ANNOTATION_STEP:
            yield float(at) - start
        before = float(at)


def points(one: dict, start: float):
    """Seconds since the start, and values with a gap where there is none."""
    times, values = [], []
    for at, value in one["values"]:
        if times and float(at) - start > times[-1] + 1.5:
            times.append(times[-1] + 1)
            values.append(math.nan)
        times.append(float(at) - start)
        values.append(float(value) if not math.isinf(float(value)) else math.nan)
    return times, values


def defaults(panel: dict) -> dict:
    return panel["fieldConfig"]["defaults"]


def readable(value: float, unit: str, decimals=None) -> str:
    """A number with its unit as Grafana writes it."""
    if math.isnan(value):
        return "–"
    if unit == "percentunit":
        return f"{value * 100:.3g} %" if decimals is None else f"{value * 100:.{decimals}f} %"
    if unit == "s":
        for factor, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(value) >= factor or (name == "µs"):
                return f"{value / factor:.3g} {name}" if value else "0 s"
    if unit == "bytes":
        for factor, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
            if abs(value) >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value:.0f} B"
    suffix = "/s" if unit == "ops" else ""
    for factor, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{name}{suffix}"
    return f"{value:.3g}{suffix}"


def colour_of(panel: dict, value: float, field: str = "") -> str:
    return COLOURS.get(threshold_colour(panel, value, field), "#444444")


def ticks(axes, unit: str, values: list):
    """Round numbers: whole ones where the values are, and powers of two for bytes."""
    axis = axes.yaxis
    if unit == "bytes":
        low, high = axes.get_ylim()
        axis.set_major_locator(MultipleLocator(2 ** max(0, math.ceil(math.log2((high - low) / 4)))))
    else:
        whole = unit == "short" and all(value == int(value) for value in values)
        steps = [1, 2, 5, 10] if unit != "percentunit" else [1, 2, 2.5, 5, 10]
        axis.set_major_locator(MaxNLocator(5, steps=steps, integer=whole))
    axis.set_major_formatter(lambda value, _: readable(value, unit))


def timeseries(axes, panel, lines, length):
    unit = defaults(panel)["unit"]
    finite = [value for _, (_, values) in lines for value in values if not math.isnan(value)]

    def largest(line):
        return max((abs(value) for value in line[1][1] if not math.isnan(value)), default=0)

    # A series has its colour by its place, so that a pod has the same on many panels: one of ten
    # strong ones, then of ten pale ones.
    places = [(2 * place % 20 + place // 10 % 2, line) for place, line in enumerate(lines)]
    places.sort(key=lambda place: largest(place[1]), reverse=True)
    for number, (place, ((name, _), (times, values))) in enumerate(places):
        shown = name if number < LEGEND_ENTRIES else None
        style = {"color": LINES(place), "linewidth": 1.2} | fixed_style(panel, name)
        axes.plot(times, values, label=shown, **style)
    axes.set_xlim(0, length)
    if "min" in defaults(panel):
        axes.set_ylim(bottom=defaults(panel)["min"])
        if not any(value > 0 for value in finite):
            axes.set_ylim(top=1)
    if "max" in defaults(panel):
        axes.set_ylim(top=defaults(panel)["max"] * 1.02)
    if defaults(panel)["custom"]["thresholdsStyle"]["mode"] == "line":
        for step in defaults(panel)["thresholds"]["steps"]:
            low, high = axes.get_ylim()
            if step["value"] is not None and low <= step["value"] <= high:
                axes.axhline(step["value"], color=COLOURS["red"], linewidth=0.9, linestyle="--")
    ticks(axes, unit, finite)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    axes.grid(color="#e5e5e5", linewidth=0.5)
    if len(lines) > LEGEND_ENTRIES:
        axes.plot([], [], " ", label=f"and {len(lines) - LEGEND_ENTRIES} more")
    if lines:
        # So far below the axes that the numbers there have room, in inches.
        tall = axes.get_position().height * axes.figure.get_figheight()
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2 / tall), ncols=2, fontsize=6.5,
            frameon=False, handlelength=1, columnspacing=1, borderpad=0, labelspacing=0.2,
        )
    else:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color="#888888")


def fixed_style(panel: dict, name: str) -> dict:
    """What an override says of how a series is drawn."""
    style = {}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == name:
            for one in override["properties"]:
                if one["id"] == "color":
                    style["color"] = COLOURS[one["value"]["fixedColor"]]
                if one["id"] == "custom.lineStyle":
                    style["linestyle"] = "--"
    return style


def stat(axes, panel, values):
    """Each value in a box of the colour of its threshold."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.axis("off")
    mode = panel["options"]["textMode"]
    if not values:
        axes.text(0.5, 0.5, defaults(panel)["noValue"], fontsize=12, color="#888888", ha="center")
    for number, (name, _, value) in enumerate(values):
        colour = COLOURS.get(threshold_colour(panel, value, name))
        own = {
            one["id"]: one["value"]
            for override in panel["fieldConfig"]["overrides"]
            if override["matcher"]["options"] == name
            for one in override["properties"]
        }
        decimals = own.get("decimals", defaults(panel).get("decimals"))
        text = readable(value, own.get("unit", defaults(panel)["unit"]), decimals)
        wide = 1 / len(values)
        if colour:
            box = plt.Rectangle((number * wide, 0), wide * 0.97, 1, color=colour, linewidth=0)
            axes.add_patch(box)
        ink = "white" if colour else "#333333"
        middle = (number + 0.485) * wide
        named = mode == "value_and_name" or (mode == "auto" and len(values) > 1)
        # Names are longer than numbers.
        inches = wide * axes.get_position().width * axes.figure.get_figwidth()
        if mode == "name":
            text, size = textwrap.fill(name, max(8, int(inches * 9)), break_on_hyphens=False), 11
        else:
            size = 18 if inches > 1 else 14
        axes.text(
            middle, 0.6 if named else 0.5, text, fontsize=size, weight="bold", color=ink,
            ha="center", va="center",
        )
        if named:
            axes.text(middle, 0.12, name, fontsize=8, ha="center", color=ink)


def status_history(axes, panel, lines, length):
    names = [name for (name, _), _ in lines]
    for row, (_, (times, values)) in enumerate(lines):
        colours = [colour_of(panel, value) for value in values]
        axes.barh([row] * len(times), 1, left=times, height=0.8, color=colours, linewidth=0)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, length)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    words = defaults(panel)["mappings"][0]["options"].values()
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[word["color"]]) for word in words]
    axes.legend(
        handles, [word["text"] for word in words], loc="lower right", bbox_to_anchor=(1, 1),
        ncols=2, fontsize=7, frameon=False, borderpad=0,
    )


def heatmap(axes, panel, lines, length):
    unit = defaults(panel)["unit"]
    bounds = sorted((float(labels["le"]), line) for (_, labels), line in lines)
    times = sorted({at for _, (at_all, _) in bounds for at in at_all})
    below = dict.fromkeys(times, 0.0)
    rows = []
    for _, (at_all, values) in bounds:
        here = dict(zip(at_all, values))
        rows.append([max(here.get(at, 0.0) - below[at], 0.0) or math.nan for at in times])
        below = {at: here.get(at, below[at]) for at in times}
    used = [number for number, row in enumerate(rows) if any(value > 0 for value in row)]
    rows = rows[used[0] : used[-1] + 1]
    names = [readable(bound, unit) if not math.isinf(bound) else "∞" for bound, _ in bounds]
    names = names[used[0] : used[-1] + 1]
    edges = [*times, times[-1] + 1]
    mesh = axes.pcolormesh(edges, range(len(rows) + 1), rows, cmap=SHADES, norm=LogNorm(vmin=0.5))
    step = max(1, len(names) // 6)
    axes.set_yticks(range(1, len(names) + 1, step), names[::step])
    axes.set_xlim(0, length)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, fraction=0.05)
    bar.ax.tick_params(labelsize=6)
    bar.ax.minorticks_off()
    bar.locator = LogLocator()
    bar.formatter = FuncFormatter(lambda value, _: readable(value, "short"))
    bar.update_ticks()
    # An increase over the interval of a rate, which check.py makes so long.
    bar.set_label(f"how many in {4 * SCRAPE_SECONDS} s", fontsize=7)


def mappings(panel, field) -> dict:
    """The texts and colours that a field has for its values."""
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == field:
            for one in override["properties"]:
                if one["id"] == "mappings":
                    return one["value"][0]["options"]
    return {}


def table(axes, panel, values):
    axes.axis("off")
    organize = panel["transformations"][0]["options"]
    renamed = organize.get("renameByName", {})
    place = organize["indexByName"]
    columns = sorted(
        {key for _, labels, _ in values for key in labels if not organize["excludeByName"].get(key)}
        | {"Value"},
        key=lambda column: place.get(column, len(place)),
    )
    if not values:
        text = defaults(panel).get("noValue", "no data")
        axes.text(0.5, 0.5, text, color="#888888", ha="center")
        return
    rows = [{**labels, "Value": f"{value:.0f}"} for _, labels, value in values]
    names = {renamed.get(column, column): column for column in columns}
    for one in panel["transformations"][1]["options"]["sort"]:
        rows.sort(key=lambda row: row.get(names[one["field"]], ""), reverse=one["desc"])
    inches = axes.get_position().height * axes.figure.get_figheight()
    fit = int(inches / 0.19) - 1
    left_off = len(rows) - fit if len(rows) > fit else 0
    cells = [[row.get(column, "") for column in columns] for row in rows[:fit]]
    words = [mappings(panel, name) for name in names]
    colours = [[word.get(cell, {}).get("color") for word, cell in zip(words, row)] for row in cells]
    cells = [
        [word.get(cell, {}).get("text", cell) for word, cell in zip(words, row)] for row in cells
    ]
    longest = [
        max(len(text) for text in (name, *(row[number] for row in cells))) + 2
        for number, name in enumerate(names)
    ]
    shown = axes.table(
        cells,
        colLabels=list(names),
        colWidths=[one / sum(longest) for one in longest],
        bbox=(0, 1 - 0.19 * (len(cells) + 1) / inches, 1, 0.19 * (len(cells) + 1) / inches),
        cellLoc="left",
        edges="horizontal",
    )
    shown.auto_set_font_size(False)
    shown.set_fontsize(7.5)
    for row, line in enumerate(colours, 1):
        for column, colour in enumerate(line):
            if colour:
                shown[row, column].get_text().set(color=COLOURS[colour], weight="bold")
    if left_off:
        axes.text(1, -0.03, f"and {left_off} more", fontsize=7, color="#888888", ha="right")


DRAW = {"timeseries": timeseries, "status-history": status_history, "heatmap": heatmap}

if __name__ == "__main__":
    main()
