// kafkajs against a secured node. Where everything is stands in the file that OTTLA_COMPAT_SECURITY names.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import kafkajs from 'kafkajs'
import { eventually, numbered, unique } from './shared.mjs'

const { Kafka, ConfigResourceTypes, logLevel } = kafkajs
const world = Object.fromEntries(readFileSync(process.env.OTTLA_COMPAT_SECURITY, 'utf8').split('\n').filter(Boolean).map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
const file = name => readFileSync(world[`file.${name}`])
const served = world.mechanisms.split(',')
const passwords = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']

async function token (client) {
  const answer = await fetch(`${world.issuer}/token`, { method: 'POST', body: 'grant_type=client_credentials', headers: { authorization: 'Basic ' + Buffer.from(`${client}:client-secret`).toString('base64') } })
  return { value: (await answer.json()).access_token }
}

const login = (mechanism, username, password = `${username}-secret`) => mechanism === 'OAUTHBEARER'
  ? { mechanism: 'oauthbearer', oauthBearerProvider: () => token(username) }
  : { mechanism: mechanism.toLowerCase(), username, password }
const trusting = (authority, certificate) => ({ ca: [file(`${authority}.crt`)], ...(certificate && { cert: file(`${certificate}.crt`), key: file(`${certificate}.key`) }) })

function at (listener, { sasl, ssl } = {}) {
  return new Kafka({ clientId: 'compat', brokers: [world[`listener.${listener}`]], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50, retries: 6 }, connectionTimeout: 60_000, authenticationTimeout: 60_000, reauthenticationThreshold: 200, sasl, ssl })
}

/** Administration, records in and out, a group with commits. */
async function everything (kafka) {
  const topic = unique('job')
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })
  await admin.disconnect()
  const producer = kafka.producer({ idempotent: true })
  await producer.connect()
  await producer.send({ topic, messages: numbered(0, 20).map(value => ({ value })) })
  await producer.disconnect()
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 100 })
  const got = []
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { got.push(message.value.toString()) } })
  await eventually(() => got.length >= 20, 'twenty messages')
  await consumer.stop()
  await consumer.disconnect()
  assert.deepEqual(got.sort(), numbered(0, 20).sort())
}

/** The error with which a client is sent away. */
async function refused (kafka) {
  const admin = kafka.admin({ retry: { retries: 0 } })
  try {
    await admin.connect()
    await admin.listTopics()
  } catch (e) {
    return e
  } finally {
    await admin.disconnect()
  }
  assert.fail('it came in')
}

for (const mechanism of [...passwords, 'OAUTHBEARER']) {
  const skip = !served.includes(mechanism) && 'the broker does not serve it'
  test(`${mechanism} over SASL_PLAINTEXT`, { skip }, () => everything(at('SASL', { sasl: login(mechanism, 'worker') })))
  test(`${mechanism} over SASL_SSL`, { skip }, () => everything(at('SASLTLS', { sasl: login(mechanism, 'worker'), ssl: trusting('ca') })))
}

for (const mechanism of passwords) {
  test(`${mechanism}: strangers learn nothing`, async () => {
    const wrong = await refused(at('SASL', { sasl: login(mechanism, 'worker', 'wrong') }))
    assert.match(wrong.name, /KafkaJSSASLAuthenticationError/)
    assert.equal((await refused(at('SASL', { sasl: login(mechanism, 'nobody', 'wrong') }))).message, wrong.message)
  })
}

for (const client of ['expired', 'audience', 'issuer', 'unsigned', 'forged', 'nameless']) {
  test(`a bad token: ${client}`, { skip: !served.includes('OAUTHBEARER') && 'the broker does not serve OAUTHBEARER' }, async () => {
    // The broker's first answer says what is wrong with the token; this client does not look at it, and goes on with a request, which is
    // answered with ILLEGAL_SASL_STATE before the connection is closed.
    assert.match((await refused(at('SASL', { sasl: login('OAUTHBEARER', client) }))).name, /KafkaJSSASLAuthenticationError|KafkaJSNumberOfRetriesExceeded|KafkaJSConnectionClosedError/)
  })
}

test('TLS', () => everything(at('TLS', { ssl: trusting('ca') })))
test('a client certificate', () => everything(at('WANTED', { ssl: trusting('ca', 'alice') })))
test('a client certificate that may nothing', async () => {
  const admin = at('WANTED', { ssl: trusting('ca', 'bob') }).admin()
  await admin.connect()
  assert.deepEqual(await admin.listTopics(), [])
  await admin.disconnect()
})

for (const [listener, authority, certificate, says] of [
  ['TLS', 'other-ca', null, /signature|issuer certificate|self.signed/], ['OTHERNAME', 'ca', null, /altnames/], ['EXPIRED', 'ca', null, /expired/],
  ['WANTED', 'ca', null, /./], ['WANTED', 'ca', 'stranger', /./], ['WANTED', 'ca', 'expired-client', /./]]) {
  test(`refused: ${listener} ${authority} ${certificate}`, async () => {
    assert.match((await refused(at(listener, { ssl: trusting(authority, certificate) }))).message, says)
  })
}

test('denials', async () => {
  const topic = unique('t')
  const root = at('SASL', { sasl: login('PLAIN', 'admin') }).admin()
  await root.connect()
  await root.createTopics({ topics: [{ topic }], waitForLeaders: true })
  await root.disconnect()
  const kafka = at('SASL', { sasl: login('SCRAM-SHA-256', 'limited') })
  const admin = kafka.admin({ retry: { retries: 0 } })
  await admin.connect()
  const types = async call => {
    try {
      await call()
    } catch (e) {
      return (e.errors?.[0] ?? e).type ?? e.cause?.type ?? e.message
    }
    return 'none'
  }
  assert.equal(await types(() => admin.createTopics({ topics: [{ topic: 'made' }] })), 'TOPIC_AUTHORIZATION_FAILED')
  assert.equal(await types(() => admin.deleteTopics({ topics: [topic] })), 'TOPIC_AUTHORIZATION_FAILED')
  assert.equal(await types(() => admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] })), 'TOPIC_AUTHORIZATION_FAILED')
  assert.equal(await types(() => admin.describeAcls({ resourceType: 1, resourcePatternType: 1, operation: 1, permissionType: 1 })), 'CLUSTER_AUTHORIZATION_FAILED')
  await admin.disconnect()
  const producer = kafka.producer({ retry: { retries: 0 } })
  await producer.connect()
  assert.equal(await types(() => producer.send({ topic, messages: [{ value: 'v' }] })), 'TOPIC_AUTHORIZATION_FAILED')
  await producer.disconnect()
})

test('new logins under load', async () => {
  const kafka = at('AGAIN', { sasl: login('SCRAM-SHA-256', 'worker') })
  const topic = unique('job')
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: true })
  await admin.disconnect()
  const producer = kafka.producer()
  await producer.connect()
  for (const end = Date.now() + 2500; Date.now() < end;) await producer.send({ topic, messages: [{ value: 'v' }] })
  await producer.disconnect()
})
