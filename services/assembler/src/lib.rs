//! Kafka object events → study events, once a study is complete.
