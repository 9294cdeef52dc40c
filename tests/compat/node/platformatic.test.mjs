// @platformatic/kafka against one node: produce, consume, groups, admin, offsets, timestamps, compression.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Admin, Consumer, ListOffsetTimestamps, MessagesStreamModes, ProduceAcks, Producer, compressionsAlgorithms, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { bootstrap, eventually, numbered, unique } from './shared.mjs'

const base = { clientId: 'compat', bootstrapBrokers: [bootstrap], retries: 10, retryDelay: 100, connectTimeout: 60_000 }
const admin = new Admin(base)
after(() => admin.close())

async function makeTopic (partitions = 1, configs = {}) {
  const topic = unique('t')
  await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs: Object.entries(configs).map(([name, value]) => ({ name, value })) })
  await eventually(async () => (await admin.listTopics()).includes(topic))
  return topic
}

async function withProducer (use, options = {}) {
  const producer = new Producer({ ...base, serializers: stringSerializers, ...options })
  try { return await use(producer) } finally { await producer.close() }
}

const messages = (topic, n, partition = 0) => Array.from({ length: n }, (_, i) => ({ topic, key: `k${i}`, value: `v${i}`, partition }))
const fill = (topic, n, partition = 0) => withProducer(p => p.send({ messages: messages(topic, n, partition), acks: ProduceAcks.ALL }))

async function withConsumer (use, options = {}) {
  const consumer = new Consumer({ ...base, groupId: unique('g'), deserializers: stringDeserializers, maxWaitTime: 200, heartbeatInterval: 300, ...options })
  try { return await use(consumer) } finally { await consumer.close(true) }
}

/** n messages from a stream. */
async function take (stream, n) {
  const got = []
  const timer = setTimeout(() => stream.destroy(new Error(`only ${got.length} of ${n} messages`)), 120_000)
  for await (const m of stream) {
    got.push(m)
    if (got.length === n) break
  }
  clearTimeout(timer)
  return got
}

const read = (topic, n, options = {}, consume = {}) => withConsumer(async c => take(await c.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: true, ...consume }), n), options)
const values = got => got.map(m => m.value)

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
  for (const acks of [ProduceAcks.NO_RESPONSE, ProduceAcks.LEADER, ProduceAcks.ALL]) {
    test(`produce and consume, ${codec}, acks ${acks}`, { skip: compressionsAlgorithms[codec].available ? false : `this Node has no ${codec}` }, async () => {
      const topic = await makeTopic()
      const answer = await withProducer(p => p.send({ messages: messages(topic, 200), acks, compression: codec }))
      if (acks !== ProduceAcks.NO_RESPONSE) assert.equal(answer.offsets[0].offset, 0n)
      const got = await read(topic, 200)
      assert.deepEqual(values(got), numbered(0, 200))
      assert.deepEqual(got.map(m => m.offset), got.map((_, i) => BigInt(i)))
    })
  }
}

test('idempotent producer', async () => {
  const topic = await makeTopic()
  await withProducer(async p => {
    for (let i = 0; i < 50; i++) {
      const a = await p.send({ messages: [{ topic, value: `v${i}`, partition: 0 }], acks: ProduceAcks.ALL })
      assert.equal(a.offsets[0].offset, BigInt(i))
    }
  }, { idempotent: true })
  assert.deepEqual(values(await read(topic, 50)), numbered(0, 50))
})

test('headers and timestamps', async () => {
  const topic = await makeTopic()
  await withProducer(p => p.send({ messages: [{ topic, key: 'k', value: 'v', timestamp: 1_600_000_000_000n, headers: new Map([['a', '1'], ['b', '']]) }], acks: ProduceAcks.ALL }))
  const [m] = await read(topic, 1)
  assert.equal(m.timestamp, 1_600_000_000_000n)
  assert.equal(m.headers.get('a'), '1')
  assert.ok(m.headers.has('b'))
})

test('record too large', async () => {
  const topic = await makeTopic(1, { 'max.message.bytes': '10000' })
  await assert.rejects(withProducer(p => p.send({ messages: [{ topic, value: 'x'.repeat(50_000) }], acks: ProduceAcks.ALL }), { retries: 0 }))
})

test('large messages', async () => {
  const topic = await makeTopic()
  const value = 'abc'.repeat(300_000)
  for (let i = 0; i < 3; i++) await withProducer(p => p.send({ messages: [{ topic, value }], acks: ProduceAcks.ALL }))
  for (const m of await read(topic, 3)) assert.equal(m.value, value)
})

test('topic is created by producing', async () => {
  const topic = unique('auto')
  await withProducer(p => p.send({ messages: [{ topic, value: 'x' }], acks: ProduceAcks.ALL }), { autocreateTopics: true })
  assert.ok((await admin.listTopics()).includes(topic))
})

test('partitions of a topic', async () => {
  const topic = await makeTopic(3)
  for (let p = 0; p < 3; p++) await fill(topic, 10, p)
  const got = await read(topic, 30)
  for (let p = 0; p < 3; p++) assert.deepEqual(values(got.filter(m => m.partition === p)), numbered(0, 10))
})

test('offsets and offsets by time', async () => {
  const topic = await makeTopic()
  await withProducer(p => p.send({ messages: Array.from({ length: 20 }, (_, i) => ({ topic, value: `v${i}`, partition: 0, timestamp: 1_700_000_000_000n + BigInt(i) * 1000n })), acks: ProduceAcks.ALL }))
  await withConsumer(async c => {
    assert.deepEqual((await c.listOffsets({ topics: [topic] })).get(topic), [20n])
    assert.deepEqual((await c.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.EARLIEST })).get(topic), [0n])
    assert.equal((await c.listOffsetsWithTimestamps({ topics: [topic], timestamp: 1_700_000_010_500n })).get(topic).get(0).offset, 11n)
    assert.deepEqual(values(await take(await c.consume({ topics: [topic], mode: MessagesStreamModes.MANUAL, offsets: [{ topic, partition: 0, offset: 15n }] }), 5)), numbered(15, 20))
  })
})

test('commit and continue', async () => {
  const topic = await makeTopic()
  const groupId = unique('g')
  await fill(topic, 20)
  await withConsumer(async c => {
    const stream = await c.consume({ topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest', autocommit: false })
    const got = await take(stream, 8)
    await c.commit({ offsets: [{ topic, partition: 0, offset: got[7].offset + 1n, leaderEpoch: 0 }] })
    assert.deepEqual((await c.listCommittedOffsets({ topics: [{ topic, partitions: [0] }] })).get(topic), [8n])
  }, { groupId })
  assert.deepEqual(values(await read(topic, 12, { groupId }, { mode: MessagesStreamModes.COMMITTED })), numbered(8, 20))
})

test('group of two', async () => {
  const topic = await makeTopic(4)
  const groupId = unique('g')
  const seen = new Map()
  const follow = async c => {
    const stream = await c.consume({ topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest', autocommit: true })
    stream.on('data', m => seen.set(`${m.partition}-${m.offset}`, (seen.get(`${m.partition}-${m.offset}`) ?? 0) + 1))
    stream.on('error', () => {})
  }
  const shares = async () => {
    const g = (await admin.describeGroups({ groups: [groupId] })).get(groupId)
    return g.state.toUpperCase() === 'STABLE' ? [...g.members.values()].map(m => m.assignments?.get(topic)?.partitions.length ?? 0).join() : ''
  }
  await withConsumer(async a => {
    await follow(a)
    await eventually(async () => await shares() === '4', 'one member')
    await withConsumer(async b => {
      await follow(b)
      await eventually(async () => await shares() === '2,2', 'two members')
      for (let p = 0; p < 4; p++) await fill(topic, 10, p)
      await eventually(() => seen.size === 40, 'all records')
    }, { groupId })
    await eventually(async () => await shares() === '4', 'back to one')
  }, { groupId })
})

test('admin: topics', async () => {
  const topic = unique('t')
  const [t] = await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 })
  assert.equal(t.name, topic)
  assert.equal(t.partitions, 2)
  await assert.rejects(admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 }))
  await assert.rejects(admin.createTopics({ topics: ['a b'], partitions: 2, replicas: 1 }))
  await admin.createPartitions({ topics: [{ name: topic, count: 5, assignments: null }] })
  await admin.deleteTopics({ topics: [topic] })
  await eventually(async () => !(await admin.listTopics()).includes(topic))
})

test('admin: configs', async () => {
  const topic = await makeTopic(1, { 'retention.ms': '1234' })
  const value = async name => (await admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: topic, configurationKeys: [name] }] }))[0].configs[0].value
  assert.equal(await value('retention.ms'), '1234')
  await admin.incrementalAlterConfigs({ resources: [{ resourceType: 2, resourceName: topic, configs: [{ name: 'segment.ms', configOperation: 0, value: '99999' }] }] })
  await eventually(async () => await value('segment.ms') === '99999')
})

test('admin: groups', async () => {
  const topic = await makeTopic()
  const groupId = unique('g')
  await fill(topic, 5)
  await read(topic, 5, { groupId })
  assert.ok((await admin.listGroups()).has(groupId))
  await eventually(async () => (await admin.describeGroups({ groups: [groupId] })).get(groupId).state.toUpperCase() === 'EMPTY')
  await admin.alterConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 3n }] }] })
  const [o] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
  assert.equal(o.topics[0].partitions[0].committedOffset, 3n)
  await admin.deleteGroups({ groups: [groupId] })
  assert.ok(!(await admin.listGroups()).has(groupId))
})

test('admin: records, offsets, log directories', async () => {
  const topic = await makeTopic()
  await fill(topic, 20)
  const [d] = await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 12n }] }] })
  assert.equal(d.partitions[0].lowWatermark, 12n)
  const [o] = await admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: ListOffsetTimestamps.EARLIEST }] }] })
  assert.equal(o.partitions[0].offset, 12n)
  const dirs = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] })
  assert.equal(dirs.length, 1)
})
