#!/usr/bin/env bash
# moto 5.2.5: a write that changes nothing has a record in the stream.
#
# Valid input: an item is put, put again as it is, and updated to the value that it has, in a table with a stream. Expected, by
# the page on DynamoDB Streams: a PutItem or UpdateItem "that does not change any data in an item" writes no record, so one
# INSERT. Seen: two MODIFY follow, whose old and new images are the same. MiniStack 1.5.33 has one record.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.43.106
cat > stream.py <<'PYTHON'
import boto3
from moto import mock_aws

with mock_aws():
    given = {"region_name": "eu-west-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client, streams = boto3.client("dynamodb", **given), boto3.client("dynamodbstreams", **given)
    arn = client.create_table(
        TableName="jobs", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]["LatestStreamArn"]

    item = {"id": {"S": "1"}, "state": {"S": "done"}}
    client.put_item(TableName="jobs", Item=item)
    client.put_item(TableName="jobs", Item=item)
    client.update_item(
        TableName="jobs", Key={"id": {"S": "1"}}, UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "state"}, ExpressionAttributeValues={":s": {"S": "done"}},
    )
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    for record in streams.get_records(ShardIterator=start)["Records"]:
        images = record["dynamodb"]
        print(record["eventName"], "the same" if images.get("OldImage") == images["NewImage"] else "changed")
PYTHON
seen=$(venv/bin/python stream.py)
echo "$seen"
[ "$seen" = 'INSERT changed
MODIFY the same
MODIFY the same' ] || { echo 'this has changed' >&2; exit 1; }
