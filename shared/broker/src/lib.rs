//! Kafka consumer and producer.
