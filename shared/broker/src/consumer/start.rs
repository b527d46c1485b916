//! Where a partition's reading starts, checked against what the partition holds.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};

use crate::{BrokerError, Start, TopicPartition};

/// How long the broker may take to say what a partition holds.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A checked start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The first offset to read; `None`: the earliest, whichever that is.
    pub next: Option<i64>,
    /// One past the newest record, if the broker told.
    pub end: Option<i64>,
    /// What was skipped or is read again because the broker no longer holds what was asked for.
    pub skipped: Option<String>,
}

/// Turns a start into an offset.
///
/// # Errors
/// Where a [`Start::Offset`] is not within the partition: beyond its end the topic was made anew, before its
/// beginning retention removed what had not been read. Both need a person, and neither may pass in silence. Also
/// where the broker does not tell what the group committed.
pub(super) fn locate<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: &TopicPartition,
    start: Start,
) -> Result<Position, BrokerError> {
    let held = match consumer.fetch_watermarks(&partition.topic, partition.partition, TIMEOUT) {
        Ok(held) => Some(held),
        Err(error) => {
            // The offset is then checked by the first fetch: `auto.offset.reset` is `error`.
            tracing::warn!(%partition, %error, "the broker does not tell what the partition holds");
            None
        }
    };
    let committed = match start {
        Start::Committed => committed(consumer, partition)?,
        Start::Offset(_) | Start::Earliest => None,
    };
    choose(partition, start, committed, held)
}

fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partition: &TopicPartition,
) -> Result<Option<i64>, BrokerError> {
    let mut list = TopicPartitionList::new();
    list.add_partition(&partition.topic, partition.partition);
    let failed = |error| BrokerError::of(&format!("cannot read the group's offset of {partition}"), &error, None);
    let list = consumer.committed_offsets(list, TIMEOUT).map_err(failed)?;
    let Some(element) = list.find_partition(&partition.topic, partition.partition) else { return Ok(None) };
    element.error().map_err(failed)?;
    Ok(match element.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    })
}

fn choose(
    partition: &TopicPartition,
    start: Start,
    committed: Option<i64>,
    held: Option<(i64, i64)>,
) -> Result<Position, BrokerError> {
    let end = held.map(|(_, end)| end);
    let earliest = || Position { next: held.map(|(earliest, _)| earliest), end, skipped: None };
    let wanted = match start {
        Start::Earliest => return Ok(earliest()),
        Start::Offset(offset) if offset < 0 => {
            return Err(BrokerError::fatal(format!("the start {offset} of {partition} is no offset")));
        }
        Start::Offset(offset) => offset,
        Start::Committed => match committed {
            None => return Ok(earliest()),
            Some(offset) => offset,
        },
    };
    let Some((first, last)) = held.filter(|(first, last)| !(*first..=*last).contains(&wanted)) else {
        return Ok(Position { next: Some(wanted), end, skipped: None });
    };
    let why = if wanted > last { "the topic was made anew" } else { "retention removed records that were not read" };
    let problem = format!("{partition} was to start at {wanted} but holds {first}..{last}: {why}");
    match start {
        Start::Committed => Ok(Position { skipped: Some(problem), ..earliest() }),
        Start::Offset(_) | Start::Earliest => Err(BrokerError::fatal(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: Start, committed: Option<i64>, held: Option<(i64, i64)>, expected: Result<Option<i64>, &str>) {
        let partition = TopicPartition::new("t", 3);
        let chosen = choose(&partition, start, committed, held);
        match expected {
            Ok(next) => assert_eq!(chosen.unwrap().next, next),
            Err(message) => assert_eq!(chosen.unwrap_err().to_string(), message),
        }
    }

    #[test]
    fn an_offset_is_taken_as_it_stands_if_the_partition_holds_it() {
        check(Start::Offset(0), None, Some((0, 0)), Ok(Some(0)));
        check(Start::Offset(7), None, Some((7, 9)), Ok(Some(7)));
        check(Start::Offset(9), None, Some((7, 9)), Ok(Some(9)));
        check(Start::Offset(9), None, None, Ok(Some(9)));
        check(
            Start::Offset(10),
            None,
            Some((7, 9)),
            Err("t/3 was to start at 10 but holds 7..9: the topic was made anew"),
        );
        check(
            Start::Offset(6),
            None,
            Some((7, 9)),
            Err("t/3 was to start at 6 but holds 7..9: retention removed records that were not read"),
        );
        check(Start::Offset(-2), None, Some((0, 9)), Err("the start -2 of t/3 is no offset"));
    }

    #[test]
    fn the_brokers_own_offset_gives_way_but_not_in_silence() {
        check(Start::Committed, None, Some((2, 9)), Ok(Some(2)));
        check(Start::Committed, Some(5), Some((2, 9)), Ok(Some(5)));
        check(Start::Committed, Some(1), Some((2, 9)), Ok(Some(2)));
        check(Start::Earliest, Some(5), Some((2, 9)), Ok(Some(2)));
        check(Start::Earliest, None, None, Ok(None));
        let position = choose(&TopicPartition::new("t", 3), Start::Committed, Some(11), Some((2, 9))).unwrap();
        assert_eq!(position.skipped.unwrap(), "t/3 was to start at 11 but holds 2..9: the topic was made anew");
    }
}
