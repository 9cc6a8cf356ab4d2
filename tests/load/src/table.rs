//! Numbers beside their aims.

/// One measured number.
pub struct Line {
    /// What was measured.
    pub what: String,
    /// The number, in `unit`.
    pub value: f64,
    /// The most it should be; `None` where it is only told.
    pub aim: Option<f64>,
    /// Its unit, as in `ms`.
    pub unit: &'static str,
}

impl Line {
    /// Whether the aim is met.
    pub fn is_met(&self) -> bool {
        self.aim.is_none_or(|aim| self.value <= aim)
    }
}

/// Prints them as a table.
pub fn print(lines: &[Line]) {
    if cfg!(debug_assertions) {
        println!("This is a debug build: its numbers say nothing about a release.");
    }
    println!("| what | measured | aim | |");
    println!("| --- | --- | --- | --- |");
    for line in lines {
        let aim = line.aim.map_or_else(String::new, |aim| format!("<= {aim} {}", line.unit));
        let verdict = if line.aim.is_none() {
            ""
        } else if line.is_met() {
            "met"
        } else {
            "MISSED"
        };
        println!("| {} | {:.1} {} | {aim} | {verdict} |", line.what, line.value, line.unit);
    }
}
