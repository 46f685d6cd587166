//! Columns of text, aligned as Go's `tabwriter` does it with Docker's settings.
//!
//! A cell is what ends in a tab. A column is a block of consecutive lines that all have such a cell; it is as wide as
//! its widest cell plus the padding. What follows the last tab of a line belongs to no column.

use unicode_width::UnicodeWidthStr;

/// Display columns that a column takes at least, padding included.
const WIDTH_MIN: usize = 10;

/// Blanks between two columns.
const PADDING: usize = 3;

/// Aligns the tab-separated cells of each line.
pub(crate) fn align(text: &str) -> String {
    align_to(text, WIDTH_MIN)
}

/// The same with columns of another least width.
pub(crate) fn align_to(text: &str, width_min: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    for column in 0..widths.iter().map(Vec::len).max().unwrap_or(0) {
        let mut first = 0;
        while first < lines.len() {
            let block = widths[first..].iter().take_while(|cells| cells.len() > column).count();
            let widest =
                lines[first..first + block].iter().map(|cells| cells[column].width()).max().unwrap_or(0);
            for cells in &mut widths[first..first + block] {
                cells[column] = (widest + PADDING).max(width_min);
            }
            first += block.max(1);
        }
    }
    let rows = lines.iter().zip(&widths).map(|(cells, widths)| row(cells, widths));
    rows.collect::<Vec<_>>().join("\n")
}

fn row(cells: &[&str], widths: &[usize]) -> String {
    let mut row = String::new();
    for (index, cell) in cells.iter().enumerate() {
        row.push_str(cell);
        if let Some(width) = widths.get(index) {
            row.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
        }
    }
    row
}
