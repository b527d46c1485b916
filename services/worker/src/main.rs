//! Kafka study events → labels in the lake.

fn main() {}
