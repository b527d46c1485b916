//! Notifications as each vendor sends them.

use serde_json::{Value, json};

/// The shapes that a created object is told in.
pub const SHAPES: [Shape; 6] = [Shape::Aws, Shape::Minio, Shape::Ceph, Shape::EventBridge, Shape::Sns, Shape::Sqs];

#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Aws,
    Minio,
    Ceph,
    EventBridge,
    Sns,
    Sqs,
}

/// A created object, told in a shape. `key` must be the same in form encoding and without it, save for slashes.
pub fn created(shape: Shape, bucket: &str, key: &str, etag: &str) -> String {
    let records = |source: &str, event: &str| {
        let key = if source == "minio:s3" { key.replace('/', "%2F") } else { key.to_owned() };
        records(source, event, bucket, &key, etag)
    };
    let message = match shape {
        Shape::Aws => records("aws:s3", "ObjectCreated:Put"),
        Shape::Minio => records("minio:s3", "s3:ObjectCreated:Put"),
        Shape::Ceph => records("ceph:s3", "s3:ObjectCreated:CompleteMultipartUpload"),
        Shape::EventBridge => json!({
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "time": "2021-11-12T00:00:00Z",
            "detail": { "bucket": { "name": bucket }, "object": { "key": key, "size": 5, "etag": etag }, "reason": "PutObject" },
        }),
        Shape::Sns => wrapped(&records("aws:s3", "ObjectCreated:Copy")),
        Shape::Sqs => json!({ "MessageId": "1", "Body": wrapped(&records("aws:s3", "ObjectCreated:Put")).to_string() }),
    };
    message.to_string()
}

fn wrapped(message: &Value) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
        "Message": message.to_string(),
        "Timestamp": "2012-05-02T00:54:06.655Z",
    })
}

/// One record in S3's own form.
pub fn records(source: &str, event: &str, bucket: &str, key: &str, etag: &str) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": source,
        "eventTime": "2019-10-22T09:27:27.512Z",
        "eventName": event,
        "s3": { "bucket": { "name": bucket }, "object": { "key": key, "size": 5, "eTag": etag } },
    }] })
}
