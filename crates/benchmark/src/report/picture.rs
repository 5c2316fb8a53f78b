//! The ratios as a picture.

use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::number::number;
use crate::figures::Figure;
use crate::outcome::{Compared, Outcome};

/// Sizes, in pixels.
const WIDTH: u32 = 1120;
const ROW: u32 = 34;
const HEADER: u32 = 76;
const FOOTER: u32 = 92;
const NAMES: u32 = 230;
/// How much of a row its bar takes on each side of the middle.
const HALF_BAR: f64 = 0.3;

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
        let (panels, legend_area) = below.split_vertically(rows * ROW + 26 + 50);
        let (left, right) = panels.split_horizontally((WIDTH + NAMES) / 2);
        panel(
            &left,
            outcome,
            Figure::Throughput,
            "throughput: more is better",
            NAMES,
        )?;
        let cost = "server CPU per operation: less is better";
        panel(&right, outcome, Figure::ServerCpu, cost, 24)?;
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
        .margin_right(40)
        .caption(caption, ("sans-serif", 15))
        .x_label_area_size(44)
        .y_label_area_size(names_width)
        .build_cartesian_2d((range.0..range.1).log_scale(), 0.0..rows.max(1) as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|ratio| format!("{}x", plain(*ratio)))
        .x_desc("Quorate / etcd, logarithmic")
        .draw()?;
    // Equal.
    let line = [(1.0, 0.0), (1.0, rows as f64)];
    chart.draw_series([PathElement::new(line, BLACK.mix(0.6).stroke_width(1))])?;
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

/// A ratio on the axis, without zeros that say nothing.
fn plain(ratio: f64) -> String {
    let text = format!("{ratio:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn legend(area: &Area<'_>) -> Drawn {
    let mut x = 16;
    for (text, colour) in [
        ("goal met", MET),
        ("goal not met", NOT_MET),
        ("no goal", NO_GOAL),
    ] {
        area.draw(&Rectangle::new([(x, 4), (x + 14, 18)], colour.filled()))?;
        area.draw_text(text, &anchored(style(13, &BLACK), HPos::Left), (x + 20, 11))?;
        x += 130;
    }
    area.draw(&PathElement::new([(x, 2), (x, 20)], GOAL.stroke_width(3)))?;
    area.draw_text(
        "goal",
        &anchored(style(13, &BLACK), HPos::Left),
        (x + 10, 11),
    )
}
