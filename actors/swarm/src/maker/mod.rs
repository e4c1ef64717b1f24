pub mod admission;
pub mod book;
pub mod proposal;
pub mod remaining;
pub mod trades;
