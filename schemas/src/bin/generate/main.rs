//! dump
#![allow(clippy::print_stdout, clippy::unwrap_used)]
fn main() {
    let mut g = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    for e in schemas::catalogue::ALL { (e.schema)(&mut g); }
    println!("{}", serde_json::to_string_pretty(&g.take_definitions(true)).unwrap());
}
