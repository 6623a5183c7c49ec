//! A small chart: a line over the last minutes, drawn here, with its newest and largest value in words for whoever does not
//! see it.

use std::fmt::Write as _;

use maud::{Markup, html};

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 48.0;

/// A line through values, oldest first.
pub(super) fn chart(name: &str, values: &[f64]) -> Markup {
    let most = values.iter().copied().fold(0.0, f64::max);
    let newest = values.last().copied().unwrap_or_default();
    let label = format!("{name}: now {}, at most {} in the last minutes", number(newest), number(most));
    html! {
        figure class="chart" {
            figcaption { (name) " " strong { (number(newest)) } }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(label) {
                polyline points=(points(values, most)) fill="none" vector-effect="non-scaling-stroke" {}
            }
        }
    }
}

/// A number as a person reads it: whole, unless it is small.
pub(super) fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 10.0 && value.fract() != 0.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// Seconds as a person reads them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; years saturate")]
pub(super) fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{} s", number(seconds));
    }
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..7_200 => format!("{} min", whole / 60),
        7_200..172_800 => format!("{} h", whole / 3_600),
        _ => format!("{} days", whole / 86_400),
    }
}

fn points(values: &[f64], most: f64) -> String {
    let mut points = String::new();
    let last = u32::try_from(values.len().saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    for (place, value) in (0_u32..).zip(values) {
        let x = f64::from(place) / f64::from(last) * WIDTH;
        let y = HEIGHT - 1.0 - if most > 0.0 { value / most * (HEIGHT - 2.0) } else { 0.0 };
        // Writing to a String cannot fail.
        write!(points, "{x:.1},{y:.1} ").unwrap_or_default();
    }
    points
}

#[cfg(test)]
mod tests {
    use super::{chart, number, points, span};

    #[test]
    fn the_line_goes_from_the_left_to_the_right_and_from_nothing_to_the_most() {
        assert_eq!(points(&[0.0, 5.0, 10.0], 10.0), "0.0,47.0 120.0,24.0 240.0,1.0 ");
        assert_eq!(points(&[], 0.0), "");
        assert_eq!(points(&[0.0], 0.0), "0.0,47.0 ");
    }

    #[test]
    fn a_chart_says_in_words_what_it_shows() {
        let shown = chart("Waiting", &[3.0, 1.5]).into_string();
        assert!(shown.contains("Waiting: now 1.5, at most 3 in the last minutes"), "{shown}");
    }

    #[test]
    fn numbers_and_spans_are_short() {
        assert_eq!([0.0, 0.25, 3.0, 12.4, 12_000.0].map(number), ["0", "0.2", "3", "12", "12000"]);
        assert_eq!(
            [0.0, 0.31, 42.0, 600.0, 9_000.0, 200_000.0].map(span),
            ["0 s", "0.3 s", "42 s", "10 min", "2 h", "2 days"]
        );
    }
}
