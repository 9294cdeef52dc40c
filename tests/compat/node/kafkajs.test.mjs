// kafkajs against one node: produce, consume, groups, admin, offsets, timestamps, compression.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import lz4 from 'lz4js'
import xxh32 from 'lz4js/xxh32.js'
import zstdCodec from 'zstd-codec'
import { bootstrap, eventually, numbered, sleep, unique } from './shared.mjs'

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, Partitioners, PartitionAssigners, logLevel, AssignerProtocol } = kafkajs
const zstd = await new Promise(resolve => zstdCodec.ZstdCodec.run(z => resolve(new z.Simple())))
CompressionCodecs[CompressionTypes.Snappy] = snappy
// lz4js leaves out the mark that blocks do not depend on each other, which Kafka wants; what is sent here is one block.
function independent (frame) {
  frame[4] |= 0x20
  frame[6] = (xxh32.hash(0, frame, 4, 2) >> 8) & 0xff
  return frame
}
CompressionCodecs[CompressionTypes.LZ4] = () => ({ compress: async e => independent(Buffer.from(lz4.compress(e.buffer))), decompress: async b => Buffer.from(lz4.decompress(b)) })
CompressionCodecs[CompressionTypes.ZSTD] = () => ({ compress: async e => Buffer.from(zstd.compress(e.buffer)), decompress: async b => Buffer.from(zstd.decompress(b)) })

const kafka = new Kafka({ clientId: 'compat', brokers: [bootstrap], logLevel: logLevel.NOTHING, connectionTimeout: 60_000, authenticationTimeout: 60_000, retry: { initialRetryTime: 100, retries: 12 } })
const admin = kafka.admin()
await admin.connect()
after(() => admin.disconnect())

async function makeTopic (numPartitions = 1, configs = {}) {
  const topic = unique('t')
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })) }], waitForLeaders: true })
  return topic
}

async function withProducer (use, options = {}) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options })
  await producer.connect()
  try { return await use(producer) } finally { await producer.disconnect() }
}

const messages = (n, partition) => Array.from({ length: n }, (_, i) => ({ key: `k${i}`, value: `v${i}`, partition }))
const fill = (topic, n, partition = 0) => withProducer(p => p.send({ topic, messages: messages(n, partition) }))

/** Runs a consumer of a group until n messages came. */
async function read (topic, n, { groupId = unique('g'), options = {}, run = {}, started = () => {} } = {}) {
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 300, sessionTimeout: 45_000, maxWaitTimeInMs: 200, ...options })
  const got = []
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [].concat(topic), fromBeginning: true })
    await consumer.run({ eachMessage: async ({ topic, partition, message }) => { got.push({ topic, partition, ...message }) }, ...run })
    await started(consumer)
    await eventually(() => got.length >= n, `${n} messages`)
    await sleep(100)
    assert.equal(got.length, n)
    return got
  } finally {
    await consumer.disconnect()
  }
}

const values = got => got.map(m => m.value.toString())

for (const [name, compression] of Object.entries({ none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD })) {
  for (const acks of [0, 1, -1]) {
    test(`produce and consume, ${name}, acks ${acks}`, async () => {
      const topic = await makeTopic()
      const answer = await withProducer(p => p.send({ topic, acks, compression, messages: messages(200, 0) }))
      if (acks !== 0) assert.equal(answer[0].baseOffset, '0')
      const got = await read(topic, 200)
      assert.deepEqual(values(got), numbered(0, 200))
      assert.deepEqual(got.map(m => m.offset), got.map((_, i) => String(i)))
    })
  }
}

test('idempotent producer', async () => {
  const topic = await makeTopic()
  await withProducer(async p => {
    for (let i = 0; i < 50; i++) {
      const [a] = await p.send({ topic, acks: -1, messages: [{ value: `v${i}`, partition: 0 }] })
      assert.equal(a.baseOffset, String(i))
    }
  }, { idempotent: true, maxInFlightRequests: 1 })
  assert.deepEqual(values(await read(topic, 50)), numbered(0, 50))
})

test('headers, nulls, timestamps', async () => {
  const topic = await makeTopic()
  await withProducer(p => p.send({ topic, messages: [{ key: 'k', value: null, timestamp: '1600000000000', headers: { a: ['1', '2'], b: Buffer.from([0, 255]) } }, { key: null, value: '' }] }))
  const [a, b] = await read(topic, 2)
  assert.equal(a.value, null)
  assert.equal(a.timestamp, '1600000000000')
  assert.deepEqual(a.headers.a.map(String), ['1', '2'])
  assert.deepEqual([...a.headers.b], [0, 255])
  assert.equal(b.key, null)
  assert.equal(b.value.length, 0)
})

test('log append time', async () => {
  const topic = await makeTopic(1, { 'message.timestamp.type': 'LogAppendTime' })
  await withProducer(p => p.send({ topic, messages: [{ value: 'x', timestamp: '1000' }] }))
  const [m] = await read(topic, 1)
  assert.ok(Math.abs(Number(m.timestamp) - Date.now()) < 60_000, m.timestamp)
})

test('record too large', async () => {
  const topic = await makeTopic(1, { 'max.message.bytes': '10000' })
  await assert.rejects(withProducer(p => p.send({ topic, messages: [{ value: 'x'.repeat(50_000) }] }), { retry: { retries: 0 } }), e => (e.type ?? e.cause?.type) === 'MESSAGE_TOO_LARGE')
})

test('large messages', async () => {
  const topic = await makeTopic()
  const value = Buffer.alloc(900_000, 'abc')
  for (let i = 0; i < 3; i++) await withProducer(p => p.send({ topic, messages: [{ value }] }))
  for (const m of await read(topic, 3)) assert.ok(m.value.equals(value))
})

test('keys keep their partition', async () => {
  const topic = await makeTopic(5)
  const keys = Array.from({ length: 40 }, (_, i) => ({ key: `key-${i}`, value: 'x' }))
  for (let i = 0; i < 2; i++) await withProducer(p => p.send({ topic, messages: keys }))
  const where = new Map()
  for (const m of await read(topic, 80)) {
    const k = m.key.toString()
    if (where.has(k)) assert.equal(where.get(k), m.partition)
    where.set(k, m.partition)
  }
  assert.ok(new Set(where.values()).size > 3)
})

test('topic is created by producing', async () => {
  const topic = unique('auto')
  await withProducer(p => p.send({ topic, messages: [{ value: 'x' }] }), { allowAutoTopicCreation: true })
  assert.ok((await admin.listTopics()).includes(topic))
})

test('seek', async () => {
  const topic = await makeTopic()
  await fill(topic, 50)
  const consumer = kafka.consumer({ groupId: unique('g'), maxWaitTimeInMs: 100 })
  const got = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { got.push(message.value.toString()) } })
  consumer.seek({ topic, partition: 0, offset: '45' })
  await eventually(() => got.includes('v49'))
  assert.deepEqual(got.slice(-5), numbered(45, 50))
  await consumer.disconnect()
})

test('pause and resume', async () => {
  const topic = await makeTopic()
  await fill(topic, 5)
  const consumer = kafka.consumer({ groupId: unique('g'), maxWaitTimeInMs: 100 })
  let n = 0
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async () => { n++ } })
  await eventually(() => n === 5)
  consumer.pause([{ topic }])
  await sleep(2000) // a fetch may be under way
  await fill(topic, 5)
  await sleep(500)
  assert.equal(n, 5)
  consumer.resume([{ topic }])
  await eventually(() => n === 10)
  await consumer.disconnect()
})

test('each batch with its own commits', async () => {
  const topic = await makeTopic()
  await fill(topic, 30)
  const groupId = unique('g')
  const seen = []
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      for (const m of batch.messages) {
        seen.push(m.offset)
        resolveOffset(m.offset)
      }
      await heartbeat()
    }
  })
  await eventually(() => seen.length === 30)
  await consumer.commitOffsets([{ topic, partition: 0, offset: '12' }])
  await consumer.disconnect()
  assert.equal((await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset, '12')
  assert.deepEqual(values(await read(topic, 18, { groupId })), numbered(12, 30))
})

test('group of two', async () => {
  const topic = await makeTopic(4)
  const groupId = unique('g')
  const seen = new Map()
  const members = []
  const join = async () => {
    const c = kafka.consumer({ groupId, partitionAssigners: [PartitionAssigners.roundRobin], heartbeatInterval: 300, sessionTimeout: 45_000, maxWaitTimeInMs: 100 })
    await c.connect()
    await c.subscribe({ topic, fromBeginning: true })
    await c.run({ autoCommitThreshold: 1, eachMessage: async ({ partition, message }) => { seen.set(`${partition}-${message.offset}`, (seen.get(`${partition}-${message.offset}`) ?? 0) + 1) } })
    members.push(c)
  }
  const assigned = async () => {
    const g = (await admin.describeGroups([groupId])).groups[0]
    return g.state === 'Stable' ? g.members.map(m => AssignerProtocol.MemberAssignment.decode(m.memberAssignment).assignment[topic]?.length ?? 0) : []
  }
  await join()
  await eventually(async () => (await assigned()).join() === '4')
  await join()
  await eventually(async () => (await assigned()).join() === '2,2', 'two members')
  for (let p = 0; p < 4; p++) await fill(topic, 10, p)
  await eventually(() => seen.size === 40)
  assert.ok([...seen.values()].every(n => n === 1))
  await members[1].disconnect()
  await eventually(async () => (await assigned()).join() === '4', 'back to one')
  await members[0].disconnect()
})

test('regular expression', async () => {
  const prefix = unique('rx')
  for (const s of ['a', 'b']) await admin.createTopics({ topics: [{ topic: `${prefix}-${s}` }], waitForLeaders: true })
  for (const s of ['a', 'b']) await fill(`${prefix}-${s}`, 3)
  const consumer = kafka.consumer({ groupId: unique('g'), maxWaitTimeInMs: 100 })
  let n = 0
  await consumer.connect()
  await consumer.subscribe({ topics: [new RegExp(`^${prefix}-.*`)], fromBeginning: true })
  await consumer.run({ eachMessage: async () => { n++ } })
  await eventually(() => n === 6)
  await consumer.disconnect()
})

test('admin: topics', async () => {
  const topic = await makeTopic(2, { 'retention.ms': '1234' })
  assert.equal(await admin.createTopics({ topics: [{ topic }] }), false)
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
  await eventually(async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 5)
  const d = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }] })
  assert.equal(d.resources[0].configEntries[0].configValue, '1234')
  await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '777' }] }] })
  await eventually(async () => (await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }] })).resources[0].configEntries[0].configValue === '777')
  await admin.deleteTopics({ topics: [topic] })
  await eventually(async () => !(await admin.listTopics()).includes(topic))
})

test('admin: cluster', async () => {
  const d = await admin.describeCluster()
  assert.equal(d.brokers.length, 1)
  assert.equal(`${d.brokers[0].host}:${d.brokers[0].port}`, bootstrap)
  assert.equal(d.clusterId.length, 22)
})

test('admin: offsets', async () => {
  const topic = await makeTopic()
  await withProducer(p => p.send({ topic, messages: Array.from({ length: 20 }, (_, i) => ({ value: `v${i}`, timestamp: String(1_700_000_000_000 + i * 1000) })) }))
  assert.deepEqual((await admin.fetchTopicOffsets(topic)).map(({ offset, high, low }) => [offset, high, low]), [['20', '20', '0']])
  assert.equal((await admin.fetchTopicOffsetsByTimestamp(topic, 1_700_000_010_500))[0].offset, '11')
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '12' }] })
  assert.equal((await admin.fetchTopicOffsets(topic))[0].low, '12')
})

test('admin: groups', async () => {
  const topic = await makeTopic()
  const groupId = unique('g')
  await fill(topic, 5)
  await read(topic, 5, { groupId })
  assert.ok((await admin.listGroups()).groups.some(g => g.groupId === groupId))
  assert.equal((await admin.describeGroups([groupId])).groups[0].state, 'Empty')
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '3' }] })
  assert.equal((await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0].offset, '3')
  await admin.resetOffsets({ groupId, topic, earliest: true })
  assert.equal((await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true }))[0].partitions[0].offset, '0')
  await admin.deleteGroups([groupId])
  assert.ok(!(await admin.listGroups()).groups.some(g => g.groupId === groupId))
})

test('admin: reassignments', async () => {
  const topic = await makeTopic()
  assert.deepEqual((await admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] })).topics, [])
})
