//! The ratios as a picture.

use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::number::number;
use crate::figures::Figure;
use crate::outcome::{Compared, Outcome};

/// Sizes, in pixels.
const WIDTH: u32 = 1240;
const ROW: u32 = 34;
const HEADER: u32 = 76;
const FOOTER: u32 = 92;
const NAMES: u32 = 220;
/// Between a panel and the next.
const GAP: u32 = 24;
/// What is below the rows of a panel.
const AXIS: u32 = 50;
/// How much of a row its bar takes on each side of the middle.
const HALF_BAR: f64 = 0.3;

/// Where an axis has a mark.
const MARKS: [f64; 15] = [
    0.02, 0.05, 0.1, 0.2, 0.33, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0,
];

/// What the panels show.
const PANELS: [(Figure, &str); 3] = [
    (Figure::Throughput, "throughput: more is better"),
    (
        Figure::ServerCpu,
        "server CPU per operation: less is better",
    ),
    (Figure::P50, "median latency: less is better"),
];

const MET: RGBColor = RGBColor(46, 125, 80);
const NOT_MET: RGBColor = RGBColor(200, 104, 46);
const NO_GOAL: RGBColor = RGBColor(130, 140, 155);
const GOAL: RGBColor = RGBColor(20, 20, 20);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Throughput and processor time per operation, Quorate's to etcd's, a row for each cell.
pub(crate) fn picture(outcome: &Outcome) -> anyhow::Result<String> {
    let mut svg = String::new();
    let rows = outcome.cells.len().max(1) as u32;
    let height = HEADER + rows * ROW + FOOTER;
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        title(&root, outcome)?;
        let (_, below) = root.split_vertically(HEADER - 26);
        let (panels, legend_area) = below.split_vertically(rows * ROW + 26 + AXIS);
        // All plots are as wide as each other; the first has the names beside it.
        let plot = (WIDTH - NAMES) / PANELS.len() as u32 - GAP;
        let mut rest = panels;
        let mut names = NAMES;
        for (figure, caption) in PANELS {
            let (area, right) = rest.split_horizontally(names + plot);
            panel(&area, outcome, figure, caption, names)?;
            rest = right;
            names = GAP;
        }
        legend(&legend_area)?;
        root.present()?;
    }
    Ok(svg)
}

fn style(size: u32, colour: &RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(colour)
}

fn anchored(style: TextStyle<'static>, horizontal: HPos) -> TextStyle<'static> {
    style.pos(Pos::new(horizontal, VPos::Center))
}

fn title(root: &Area<'_>, outcome: &Outcome) -> Drawn {
    let machine = &outcome.machine;
    root.draw_text(
        "Quorate to etcd, ratios of medians",
        &style(20, &BLACK),
        (16, 10),
    )?;
    let extent = &outcome.settings.extent;
    let on = format!(
        "{}, {}; {} x {}, {}; {} rounds of {:?}",
        machine.quorate,
        machine.etcd,
        machine.processors,
        machine.processor_model,
        machine.file_system,
        extent.rounds,
        extent.duration
    );
    root.draw_text(&on, &style(13, &RGBColor(90, 90, 90)), (16, 34))
}

fn panel(
    area: &Area<'_>,
    outcome: &Outcome,
    figure: Figure,
    caption: &str,
    names_width: u32,
) -> Drawn {
    let rows = outcome.cells.len();
    let range = axis(outcome, figure);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 15))
        .x_label_area_size(AXIS - 6)
        .y_label_area_size(names_width)
        .build_cartesian_2d((range.0..range.1).log_scale(), 0.0..rows.max(1) as f64)?;
    chart
        .configure_mesh()
        .disable_mesh()
        // The marks below have labels of their own.
        .x_labels(0)
        .x_label_formatter(&|_| String::new())
        .y_labels(0)
        .x_desc("Quorate / etcd, logarithmic")
        .draw()?;
    let marks = MARKS
        .iter()
        .filter(|mark| (range.0..range.1).contains(mark));
    for mark in marks {
        let line = [(*mark, 0.0), (*mark, rows as f64)];
        // Equal is where bars begin.
        let strength = if *mark == 1.0 { 0.8 } else { 0.15 };
        chart.draw_series([PathElement::new(line, BLACK.mix(strength).stroke_width(1))])?;
        let label = style(12, &BLACK).pos(Pos::new(HPos::Center, VPos::Top));
        let text = Text::new(format!("{mark}"), (0, 8), label);
        let (x, y) = chart.backend_coord(&(*mark, 0.0));
        let (x0, y0) = area.get_base_pixel();
        area.draw(&(EmptyElement::at((x - x0, y - y0)) + text))?;
    }
    for (row, compared) in outcome.cells.iter().enumerate() {
        // From above to below.
        let middle = (rows - row) as f64 - 0.5;
        let ratio = compared.comparison(figure).ratio;
        if names_width == NAMES {
            let (_, y) = chart.backend_coord(&(1.0, middle));
            let (left, _) = chart.plotting_area().get_base_pixel();
            let names = anchored(style(14, &BLACK), HPos::Right);
            // Text is placed from the corner of the area, not of the picture.
            let (x0, y0) = area.get_base_pixel();
            area.draw_text(compared.cell.title, &names, (left - x0 - 10, y - y0))?;
        }
        if !ratio.is_finite() || ratio <= 0.0 {
            continue;
        }
        let colour = colour(compared, figure, ratio);
        let (from, to) = (ratio.min(1.0), ratio.max(1.0));
        let bar = [(from, middle - HALF_BAR), (to, middle + HALF_BAR)];
        chart.draw_series([Rectangle::new(bar, colour.filled())])?;
        let (side, offset) = match ratio < 1.0 {
            true => (HPos::Right, -5),
            false => (HPos::Left, 5),
        };
        let label = anchored(style(13, &BLACK), side);
        let text = EmptyElement::at((ratio, middle)) + Text::new(number(ratio), (offset, 0), label);
        chart.draw_series([text])?;
        if let Some(goal) = compared.goal(figure) {
            let tick = [(goal.ratio, middle - 0.44), (goal.ratio, middle + 0.44)];
            chart.draw_series([PathElement::new(tick, GOAL.stroke_width(3))])?;
        }
    }
    Ok(())
}

/// From where to where: every ratio and every goal, and room for the numbers.
fn axis(outcome: &Outcome, figure: Figure) -> (f64, f64) {
    let shown = outcome.cells.iter().flat_map(|compared| {
        let goal = compared.goal(figure).map(|goal| goal.ratio);
        [Some(compared.comparison(figure).ratio), goal]
    });
    let shown = shown
        .flatten()
        .filter(|ratio| ratio.is_finite() && *ratio > 0.0);
    let (least, most) = shown.fold((0.5_f64, 2.0_f64), |(least, most), ratio| {
        (least.min(ratio), most.max(ratio))
    });
    (least / 1.6, most * 1.6)
}

fn colour(compared: &Compared, figure: Figure, ratio: f64) -> RGBColor {
    match compared.goal(figure) {
        Some(goal) if goal.is_met(ratio) => MET,
        Some(_) => NOT_MET,
        None => NO_GOAL,
    }
}

fn legend(area: &Area<'_>) -> Drawn {
    let text = || anchored(style(13, &BLACK), HPos::Left);
    let mut x = 16;
    for (meaning, colour) in [
        ("goal met", MET),
        ("goal not met", NOT_MET),
        ("no goal", NO_GOAL),
    ] {
        area.draw(&Rectangle::new([(x, 4), (x + 14, 18)], colour.filled()))?;
        area.draw_text(meaning, &text(), (x + 22, 11))?;
        x += 130;
    }
    let tick = [(x, 2), (x, 20)];
    area.draw(&PathElement::new(tick, GOAL.stroke_width(3)))?;
    area.draw_text("goal", &text(), (x + 12, 11))
}
