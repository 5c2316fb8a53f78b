//! A reader writes back only to those that did not report the pair, and those that did count.

use quorate_register::Register;

use crate::support::{Act, Cluster, key, pair};

#[tokio::test(start_paused = true)]
async fn a_get_whose_quorum_agrees_writes_nothing() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    let version = cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    cluster.replicas.iter().for_each(|replica| replica.clear());
    let entry = cluster.coordinator.get(&key, None).await.unwrap();
    assert_eq!((entry.value, entry.version), (Some("v".into()), version));
    for replica in &cluster.replicas {
        assert!(replica.seen("local_write").is_empty());
    }
    let reads = "quorate_fast_path_reads_total";
    assert_eq!(cluster.count(reads, &[("result", "hit")]), 1);
    assert_eq!(cluster.count(reads, &[("result", "miss")]), 0);
}

#[tokio::test(start_paused = true)]
async fn only_those_that_did_not_report_the_pair_are_written() {
    let cluster = Cluster::new(3).await;
    let (key, config) = (key("k"), cluster.config());
    let largest = pair(&key, 5, "largest");
    cluster.replicas[0].put(&config, &key, &largest).await;
    cluster.replicas[1]
        .put(&config, &key, &pair(&key, 4, "older"))
        .await;
    // The third never answers a read: it did not report the pair either.
    cluster.replicas[2].on("local_read", Act::Hang);

    let entry = cluster.coordinator.get(&key, None).await.unwrap();

    assert_eq!(entry.value, Some("largest".into()));
    assert!(cluster.replicas[0].seen("local_write").is_empty());
    for replica in &cluster.replicas[1..] {
        let writes = replica.seen("local_write");
        assert_eq!(writes.len(), 1);
        // The very pair that was read, checksum included, under the config of the round.
        assert_eq!(writes[0].write.as_ref().unwrap().pair, largest);
        assert_eq!(writes[0].fence.unwrap().epoch, config.epoch());
        assert_eq!(replica.stored(&key), Some(largest.clone()));
    }
    let miss = [("result", "miss")];
    assert_eq!(cluster.count("quorate_fast_path_reads_total", &miss), 1);
}

#[tokio::test(start_paused = true)]
async fn those_that_reported_the_pair_count_as_acknowledgements() {
    // Of five, two report it in the quorum: a single acknowledgement is enough.
    let cluster = Cluster::new(5).await;
    let (key, config) = (key("k"), cluster.config());
    let largest = pair(&key, 5, "largest");
    for replica in &cluster.replicas[..2] {
        replica.put(&config, &key, &largest).await;
    }
    for replica in &cluster.replicas[3..] {
        replica.always(Act::Hang);
    }
    let entry = cluster.coordinator.get(&key, None).await.unwrap();
    assert_eq!(entry.value, Some("largest".into()));
    assert_eq!(cluster.replicas[2].stored(&key), Some(largest));
}

#[tokio::test(start_paused = true)]
async fn without_enough_acknowledgements_a_get_does_not_return_what_it_read() {
    let cluster = Cluster::new(3).await;
    let (key, config) = (key("k"), cluster.config());
    cluster.replicas[0]
        .put(&config, &key, &pair(&key, 5, "alone"))
        .await;
    for replica in &cluster.replicas[1..] {
        replica.on("local_write", Act::Hang);
    }
    let error = cluster.coordinator.get(&key, None).await.unwrap_err();
    assert_eq!(error.details["phase"], "write");
    // The one that reported it counts, and is not listed among the missing.
    assert_eq!(error.details["received"], "1");
    assert!(!error.details.contains_key("cause/replica-0"));
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_is_written_back_like_a_value() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    // The delete reaches one replica, and its client never hears of it.
    for replica in &cluster.replicas[1..] {
        replica.on("local_write", Act::Hang);
    }
    cluster.coordinator.delete(&key, None).await.unwrap_err();
    let tombstone = cluster.replicas[0].stored(&key).unwrap();
    assert_eq!(tombstone.value, None);

    cluster.replicas[1].always(Act::Serve);
    let entry = cluster.coordinator.get(&key, None).await.unwrap();
    assert_eq!((entry.value, entry.version.0), (None, tombstone.timestamp));
    assert_eq!(cluster.replicas[1].stored(&key), Some(tombstone));
}
