mod deals;
mod problems;
