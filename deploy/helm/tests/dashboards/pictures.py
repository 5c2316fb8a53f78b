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

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from PIL import Image

from dashboard import Dashboard, threshold_colour

HERE = Path(__file__).parent
CHART = HERE.parent.parent / "quorate"
DASHBOARDS = ["overview", "coordinator", "replica", "kubernetes"]
# Inches of one cell of the grid: 24 cells are as wide as a screen.
WIDTH, HEIGHT = 0.75, 0.45
DOTS_PER_INCH = 100
# Of these, panels with more series show the first ones in the legend.
LEGEND_ENTRIES = 6
COLOURS = {"green": "#37872d", "orange": "#e0b400", "red": "#c4162a", "blue": "#1f60c4"}
plt.rcParams.update({"font.size": 8, "axes.titlesize": 9, "axes.spines.top": False})
plt.rcParams.update({"axes.spines.right": False, "font.family": "DejaVu Sans"})


def main():
    record, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    series = {query["name"]: query["series"] for query in record["queries"]}
    for name in DASHBOARDS:
        dashboard = Dashboard(CHART / "dashboards" / f"{name}.json")
        draw(dashboard, series, record, folder / f"dashboard-{name}.png")


def draw(dashboard: Dashboard, series: dict, record: dict, file: Path):
    """One dashboard into one picture."""
    panels = dashboard.json["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width, height = 24 * WIDTH, rows * HEIGHT + 0.6
    figure = plt.figure(figsize=(width, height), facecolor="white")
    figure.text(0.008, 1 - 0.3 / height, dashboard.json["title"], fontsize=14, weight="bold")
    figure.text(
        0.25, 1 - 0.3 / height, dashboard.json["description"], fontsize=9, color="#555555"
    )
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
            "timeseries": (0.6, 0.6, 0.2, 0.32),
            "status-history": (2.6, 0.35, 0.2, 0.32),
        }.get(panel["type"], (0.6, 0.35, 0.2, 0.32))
        box = (
            (left + margins[0]) / width,
            1 - (top + tall - margins[1]) / height,
            (grid["w"] * WIDTH - margins[0] - margins[2]) / width,
            (tall - margins[1] - margins[3]) / height,
        )
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], loc="left", weight="bold", pad=4)
        lines = [
            (label(target, one), points(one, record["start"]))
            for target in panel["targets"]
            for one in series[f"{dashboard.name}/{panel['title']}/{target['refId']}"]
        ]
        DRAW[panel["type"]](axes, panel, lines, (record["end"] - record["start"]))
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)
    # Few colours are in it: a palette makes it a third as large.
    Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)
    print(file)


def label(target: dict, one: dict):
    """A series' name as the legend has it, and its labels."""
    text = target["legendFormat"]
    for name, value in one["metric"].items():
        text = text.replace("{{" + name + "}}", value)
    while "{{" in text:
        start = text.index("{{")
        text = text[:start] + text[text.index("}}") + 2 :]
    return text.strip(), one["metric"]


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


def at_end(lines, length) -> list:
    """What an instant query shows: the series that have a value at the end, each with it."""
    return [
        (label, values[-1])
        for label, (times, values) in lines
        if times[-1] > length - 2 and not math.isnan(values[-1])
    ]


def timeseries(axes, panel, lines, length):
    unit = defaults(panel)["unit"]
    colours = plt.get_cmap("tab20")
    for number, ((name, _), (times, values)) in enumerate(lines):
        shown = name if number < LEGEND_ENTRIES else None
        # The ten strong colours first, then the ten pale ones.
        colour = colours(2 * number % 20 + number // 10 % 2)
        axes.plot(times, values, linewidth=1, color=colour, label=shown)
    axes.set_xlim(0, length)
    if "min" in defaults(panel):
        axes.set_ylim(bottom=defaults(panel)["min"])
        if not any(value > 0 for _, (_, values) in lines for value in values):
            axes.set_ylim(top=1)
    if "max" in defaults(panel):
        axes.set_ylim(top=defaults(panel)["max"] * 1.02)
    for step in defaults(panel)["thresholds"]["steps"]:
        low, high = axes.get_ylim()
        if step["value"] is not None and low <= step["value"] <= high:
            axes.axhline(step["value"], color=COLOURS["red"], linewidth=0.7, linestyle="--")
    axes.yaxis.set_major_locator(plt.MaxNLocator(4))
    axes.yaxis.set_major_formatter(lambda value, _: readable(value, unit))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    axes.grid(color="#e5e5e5", linewidth=0.5)
    if len(lines) > LEGEND_ENTRIES:
        axes.plot([], [], " ", label=f"and {len(lines) - LEGEND_ENTRIES} more")
    if lines:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, fontsize=6.5,
            frameon=False, handlelength=1, columnspacing=1, borderpad=0, labelspacing=0.2,
        )
    else:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color="#888888")


def stat(axes, panel, lines, length):
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    plain = panel["options"].get("colorMode") == "none"
    mode = panel["options"]["textMode"]
    shown = at_end(lines, length)
    if not shown:
        axes.text(0.5, 0.55, defaults(panel)["noValue"], fontsize=12, color="#888888", ha="center")
    for number, ((name, _), value) in enumerate(shown):
        colour = "#444444" if plain else colour_of(panel, value, name)
        text = readable(value, defaults(panel)["unit"], defaults(panel).get("decimals"))
        middle = (number + 0.5) / len(shown)
        # Names are longer than numbers.
        text, size = (textwrap.fill(name, 16), 11) if mode == "name" else (text, 17)
        axes.text(middle, 0.55, text, fontsize=size, weight="bold", color=colour, ha="center", va="center")
        if mode == "value_and_name" or (mode == "auto" and len(shown) > 1):
            axes.text(middle, 0.1, name, fontsize=7, ha="center", color="#555555")


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
        handles, [word["text"] for word in words], loc="upper right", bbox_to_anchor=(1, 1.13),
        ncols=2, fontsize=6, frameon=False,
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
    oranges = LinearSegmentedColormap.from_list("oranges", ["#fff5eb", "#fd8d3c", "#7f2704"])
    edges = [*times, times[-1] + 1]
    mesh = axes.pcolormesh(edges, range(len(rows) + 1), rows, cmap=oranges, norm=LogNorm(vmin=0.5))
    step = max(1, len(names) // 6)
    axes.set_yticks(range(1, len(names) + 1, step), names[::step])
    axes.set_xlim(0, length)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, fraction=0.04)
    bar.ax.tick_params(labelsize=5)


def mappings(panel, field) -> dict:
    """The texts and colours that a field has for its values."""
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == field:
            for one in override["properties"]:
                if one["id"] == "mappings":
                    return one["value"][0]["options"]
    return {}


def table(axes, panel, lines, length):
    axes.axis("off")
    organize = panel["transformations"][0]["options"]
    renamed = organize.get("renameByName", {})
    columns = sorted(
        {key for (_, labels), _ in lines for key in labels if not organize["excludeByName"].get(key)}
    )
    rows = [
        [*(labels.get(column, "")[:22] for column in columns), readable(value, "short")]
        for (_, labels), value in at_end(lines, length)
    ][:10]
    heads = [*(renamed.get(column, column) for column in columns), renamed.get("Value", "Value")]
    if not rows:
        axes.text(0.5, 0.5, defaults(panel).get("noValue", "no data"), color="#888888", ha="center")
        return
    words = [mappings(panel, head) for head in heads]
    colours = [[word.get(cell, {}).get("color") for word, cell in zip(words, row)] for row in rows]
    rows = [
        [word.get(cell, {}).get("text", cell) for word, cell in zip(words, row)] for row in rows
    ]
    shown = axes.table(rows, colLabels=heads, loc="upper center", cellLoc="left", edges="horizontal")
    shown.auto_set_font_size(False)
    shown.set_fontsize(6)
    for row, cells in enumerate(colours, 1):
        for column, colour in enumerate(cells):
            if colour:
                shown[row, column].get_text().set(color=COLOURS[colour], weight="bold")


DRAW = {
    "timeseries": timeseries,
    "stat": stat,
    "status-history": status_history,
    "heatmap": heatmap,
    "table": table,
}

if __name__ == "__main__":
    main()
