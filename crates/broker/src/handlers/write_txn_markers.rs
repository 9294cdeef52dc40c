//! WriteTxnMarkers (key 27), versions 1-2: ends transactions in partitions (KIP-98).
//!
//! From coordinators, and from operators who abort a transaction that hangs (KIP-664) · v2 version of the transaction.

use std::sync::Arc;

use ottla_metadata::AclOperation;
use ottla_protocol::ErrorCode;
use ottla_protocol::messages::write_txn_markers_request::WritableTxnMarker;
use ottla_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use ottla_protocol::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use ottla_protocol::records::EndTransactionMarker;

use crate::authorization::Resource;
use crate::broker::Broker;
use crate::context::RequestContext;
use crate::internal_topics::CONSUMER_OFFSETS;
use crate::partitions::{EndTransaction, transaction_version};

/// Answers when all markers are written.
pub async fn handle(
    ctx: RequestContext,
    broker: Arc<Broker>,
    request: WriteTxnMarkersRequest,
) -> WriteTxnMarkersResponse {
    let is_allowed = broker.may_see(&ctx, AclOperation::Alter, Resource::Cluster)
        || broker.may(&ctx, AclOperation::ClusterAction, Resource::Cluster);
    let mut markers: Vec<WritableTxnMarkerResult> = Vec::new();
    for marker in request.markers {
        let topics = match is_allowed {
            true => write(&broker, &marker, ctx.now_ms).await,
            false => refuse(&marker),
        };
        // One entry for each producer id.
        match markers.iter_mut().find(|known| known.producer_id == marker.producer_id) {
            Some(known) => known.topics.extend(topics),
            None => markers.push(WritableTxnMarkerResult { producer_id: marker.producer_id, topics }),
        }
    }
    WriteTxnMarkersResponse { markers }
}

fn refuse(marker: &WritableTxnMarker) -> Vec<WritableTxnMarkerTopicResult> {
    let refused = |index: &i32| WritableTxnMarkerPartitionResult {
        partition_index: *index,
        error_code: ErrorCode::ClusterAuthorizationFailed.code(),
    };
    let topics = marker.topics.iter().map(|topic| WritableTxnMarkerTopicResult {
        name: topic.name.clone(),
        partitions: topic.partition_indexes.iter().map(refused).collect(),
    });
    topics.collect()
}

async fn write(
    broker: &Broker,
    marker: &WritableTxnMarker,
    now_ms: i64,
) -> Vec<WritableTxnMarkerTopicResult> {
    let end = EndTransaction {
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        marker: EndTransactionMarker {
            committed: marker.transaction_result,
            coordinator_epoch: marker.coordinator_epoch,
        },
        version: transaction_version(i16::from(marker.transaction_version)),
    };
    let mut topics = Vec::with_capacity(marker.topics.len());
    for topic in &marker.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in &topic.partition_indexes {
            let written = write_one(broker, &topic.name, *index, end, now_ms).await;
            partitions.push(WritableTxnMarkerPartitionResult {
                partition_index: *index,
                error_code: written.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        topics.push(WritableTxnMarkerTopicResult { name: topic.name.clone(), partitions });
    }
    topics
}

async fn write_one(
    broker: &Broker,
    topic: &str,
    index: i32,
    end: EndTransaction,
    now_ms: i64,
) -> Result<(), ErrorCode> {
    let partition = broker.partitions.get(topic, index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if topic != CONSUMER_OFFSETS {
        return partition.end_transaction(&end, now_ms).map(|_| ()).map_err(|refused| refused.error);
    }
    broker.groups.end_transaction(index, end).await.map_err(|error| match error {
        // A coordinator of transactions does not look for a coordinator of groups.
        ErrorCode::CoordinatorNotAvailable
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::NotCoordinator => ErrorCode::NotLeaderOrFollower,
        error => error,
    })
}
