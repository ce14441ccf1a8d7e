//! The budget: what a hop may cost, and what it should.

use crate::report::figure;

/// The figures of a run beside what they must and should be. Ratios, for the most part: the speed
/// of the machine is nobody's merit.
#[derive(Default)]
pub(crate) struct Budget(Vec<Line>);

struct Line {
    what: String,
    figure: f64,
    must: f64,
    goal: f64,
    sign: char,
}

impl Budget {
    /// What should be small.
    pub(crate) fn at_most(&mut self, what: &str, figure: f64, must: f64, goal: f64) {
        self.add(what, figure, must, goal, '≤');
    }

    /// What should be large.
    pub(crate) fn at_least(&mut self, what: &str, figure: f64, must: f64, goal: f64) {
        self.add(what, figure, must, goal, '≥');
    }

    fn add(&mut self, what: &str, figure: f64, must: f64, goal: f64, sign: char) {
        let what = what.to_owned();
        self.0.push(Line {
            what,
            figure,
            must,
            goal,
            sign,
        });
    }

    #[expect(
        clippy::print_stdout,
        reason = "the figures are what the program is run for"
    )]
    pub(crate) fn print(&self) {
        println!(
            "\n### the budget\n\n| | figure | must | goal | reached |\n|---|---:|---:|---:|---|"
        );
        for line in &self.0 {
            let (sign, must, goal) = (line.sign, figure(line.must), figure(line.goal));
            let (what, shown, reached) = (&line.what, figure(line.figure), line.reached());
            println!("| {what} | {shown} | {sign} {must} | {sign} {goal} | {reached} |");
        }
    }
}

impl Line {
    fn reached(&self) -> &'static str {
        let keeps = |bound: f64| match self.sign {
            '≥' => self.figure >= bound,
            _ => self.figure <= bound,
        };
        match self.figure {
            figure if !figure.is_finite() => "not measured",
            _ if keeps(self.goal) => "goal",
            _ if keeps(self.must) => "must",
            _ => "**neither**",
        }
    }
}
