//! The icon of the tray, drawn here: a line that forks, with a badge for what needs a person. On a
//! tile, it reads on light and dark panels; the badges tell the states apart without colour.

/// How things are, at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Requests are served.
    Fine,
    /// A limit of who serves is nearly used up.
    LimitNear,
    /// A limit of who serves is used up.
    LimitReached,
    /// Nobody is logged in who could serve.
    NeedsLogin,
    /// Nothing is served any more.
    Stopped,
}

/// How an icon is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// In colour, on a tile.
    Tile,
    /// As a shape alone, which macOS colours as its menu bar is.
    Template,
}

/// The sides of an icon in pixels: enough for a panel at twice the usual density.
pub const SIZE: u32 = 64;
/// Samples of a pixel along each side.
const SAMPLES: u16 = 4;
/// The sides of the drawing, in its own units.
const SIDE: f32 = 24.0;

type Colour = [u8; 3];
type Point = (f32, f32);

const WHITE: Colour = [255, 255, 255];
const BLACK: Colour = [0, 0, 0];

/// Half the width of the line that forks.
const LINE: f32 = 1.15;
const BADGE: Point = (17.4, 17.4);
const BADGE_RADIUS: f32 = 5.2;
const BADGE_MARGIN: f32 = 1.3;

/// The pixels of an icon: red, green, blue and alpha of each.
#[must_use]
pub fn draw(health: Health, style: Style) -> Vec<u8> {
    let rows = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| (x, y)));
    rows.flat_map(|(x, y)| pixel(x, y, health, style)).collect()
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a pixel of 64 and a mean of bytes are small numbers that are not negative"
)]
fn pixel(x: u32, y: u32, health: Health, style: Style) -> [u8; 4] {
    let all = f32::from(SAMPLES * SAMPLES);
    let scale = SIDE / SIZE as f32;
    let place = |pixel: u32, sample: u16| {
        (pixel as f32 + (f32::from(sample) + 0.5) / f32::from(SAMPLES)) * scale
    };
    let samples = (0..SAMPLES).flat_map(|row| (0..SAMPLES).map(move |column| (column, row)));
    let colours = samples.map(|(column, row)| (place(x, column), place(y, row)));
    let (mut sum, mut covered) = ([0.0; 3], 0.0_f32);
    for colour in colours.filter_map(|point| colour_at(point, health, style)) {
        covered += 1.0;
        for (sum, part) in sum.iter_mut().zip(colour) {
            *sum += f32::from(part);
        }
    }
    let [red, green, blue] = sum.map(|sum| (sum / covered.max(1.0)).round() as u8);
    [red, green, blue, (covered / all * 255.0).round() as u8]
}

fn colour_at(point: Point, health: Health, style: Style) -> Option<Colour> {
    match style {
        Style::Tile if is_drawn(point, health) => Some(WHITE),
        Style::Tile => in_tile(point).then(|| health.tile()),
        // Without a tile around it, it may be larger.
        Style::Template => is_drawn(nearer(point), health).then_some(BLACK),
    }
}

fn nearer((x, y): Point) -> Point {
    const SCALE: f32 = 1.12;
    let middle = SIDE / 2.0;
    (middle + (x - middle) / SCALE, middle + (y - middle) / SCALE)
}

fn is_drawn(point: Point, health: Health) -> bool {
    match health {
        Health::Fine => in_fork(point),
        Health::Stopped => with_badge(point, in_badge(point, 0.0) && !in_square(point)),
        Health::LimitNear => with_badge(point, in_triangle(point) && !in_mark(point, 18.0)),
        Health::LimitReached => with_badge(point, in_badge(point, 0.0) && !in_bar(point)),
        Health::NeedsLogin => with_badge(point, in_badge(point, 0.0) && !in_mark(point, 17.2)),
    }
}

/// The badge, and of the fork what is not near it.
fn with_badge(point: Point, is_badge: bool) -> bool {
    is_badge || (in_fork(point) && !in_badge(point, BADGE_MARGIN))
}

fn in_tile((x, y): Point) -> bool {
    const EDGE: f32 = 0.5;
    const CORNER: f32 = 5.5;
    let from_middle = |at: f32| (at - SIDE / 2.0).abs();
    let straight = SIDE / 2.0 - EDGE - CORNER;
    let (dx, dy) = (from_middle(x) - straight, from_middle(y) - straight);
    dx.max(0.0).hypot(dy.max(0.0)) <= CORNER
}

/// A line from the left that parts in two: the lower half mirrors the upper one.
fn in_fork((x, y): Point) -> bool {
    const STROKE: [Point; 8] = [
        (5.5, 0.0),
        (10.0, 0.0),
        (11.2, 0.5),
        (11.8, 1.6),
        (12.3, 2.9),
        (12.9, 4.0),
        (14.0, 4.5),
        (18.5, 4.5),
    ];
    const NODE: Point = (10.0, 0.0);
    let point = (x, (y - SIDE / 2.0).abs());
    let is_near = |part: &[Point]| distance(point, part[0], part[1]) <= LINE;
    STROKE.windows(2).any(is_near) || distance(point, NODE, NODE) <= 2.0 * LINE
}

fn in_badge(point: Point, margin: f32) -> bool {
    distance(point, BADGE, BADGE) <= BADGE_RADIUS + margin
}

fn in_triangle((x, y): Point) -> bool {
    const TOP: f32 = 12.0;
    const BOTTOM: f32 = 21.9;
    (TOP..=BOTTOM).contains(&y) && (x - BADGE.0).abs() <= (y - TOP) * 0.54
}

/// An exclamation mark that ends at this height.
fn in_mark(point: Point, end: f32) -> bool {
    let x = BADGE.0;
    distance(point, (x, end - 3.0), (x, end)) <= 0.75
        || distance(point, (x, end + 2.4), (x, end + 2.4)) <= 0.85
}

/// The bar of a sign that says: no entry.
fn in_bar(point: Point) -> bool {
    let (x, y) = BADGE;
    distance(point, (x - 2.4, y), (x + 2.4, y)) <= 0.95
}

/// The sign of what was stopped.
fn in_square((x, y): Point) -> bool {
    const HALF: f32 = 1.9;
    (x - BADGE.0).abs() <= HALF && (y - BADGE.1).abs() <= HALF
}

/// How far a point is from the line between two others.
fn distance(point: Point, from: Point, to: Point) -> f32 {
    let along = (to.0 - from.0, to.1 - from.1);
    let to_point = (point.0 - from.0, point.1 - from.1);
    let length = along.0 * along.0 + along.1 * along.1;
    let part = if length > 0.0 {
        (to_point.0 * along.0 + to_point.1 * along.1) / length
    } else {
        0.0
    };
    let part = part.clamp(0.0, 1.0);
    (to_point.0 - part * along.0).hypot(to_point.1 - part * along.1)
}

impl Health {
    fn tile(self) -> Colour {
        match self {
            Self::Fine => [13, 122, 95],
            Self::LimitNear => [168, 100, 0],
            Self::LimitReached => [190, 44, 38],
            Self::NeedsLogin => [98, 76, 180],
            Self::Stopped => [104, 112, 110],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Health; 5] = [
        Health::Fine,
        Health::LimitNear,
        Health::LimitReached,
        Health::NeedsLogin,
        Health::Stopped,
    ];

    #[test]
    fn each_state_has_a_shape_of_its_own_and_not_only_a_colour() {
        let shapes = ALL.map(|health| draw(health, Style::Template));
        for (index, shape) in shapes.iter().enumerate() {
            assert_eq!(shape.len(), (SIZE * SIZE * 4) as usize);
            assert!(!shapes[..index].contains(shape), "{:?}", ALL[index]);
        }
    }

    #[test]
    fn a_template_is_black_with_holes_and_a_tile_fills_its_place() {
        for health in ALL {
            let template = draw(health, Style::Template);
            assert!(template.chunks(4).all(|pixel| pixel[..3] == [0, 0, 0]));
            let covered = |image: &[u8]| image.chunks(4).filter(|pixel| pixel[3] == 255).count();
            assert!(covered(&template) > 300, "{health:?}");
            let tile = draw(health, Style::Tile);
            assert!(covered(&tile) > 3400, "{health:?}");
            assert_eq!(tile[3], 0, "the corners are round");
        }
    }
}
