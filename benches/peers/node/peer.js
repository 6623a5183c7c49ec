// Node, amqplib, pg, ioredis: a request in, the member public, its cache entry written, its event confirmed.

import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import amqp from 'amqplib';
import { Redis } from 'ioredis';
import pg from 'pg';

const { env } = process;
const PREFETCH = Number(env.PEER_PREFETCH ?? 200);
const PROCESSES = Number(env.PEER_PROCESSES ?? 2);
const EVENT = 'wix.members.v1.member_updated';
const CACHE_TTL = 24 * 60 * 60;
const POOL = 20;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const RECEIVE = {
  name: 'receive',
  text: `INSERT INTO inbox (site_id, request_id, verdict) VALUES ($1, $2, 'joined') ON CONFLICT DO NOTHING`,
};
const JOIN = {
  name: 'join',
  text: `UPDATE members
    SET privacy_status = 'PUBLIC', event_sequence = event_sequence + 1,
        updated_date = greatest(date_trunc('milliseconds', now()), updated_date)
    WHERE site_id = $1 AND id = $2 AND status = 'APPROVED' AND privacy_status <> 'PUBLIC'
    RETURNING id, login_email, status, privacy_status, contact_id, contact, profile, created_date, updated_date,
        event_sequence`,
};
const NOT_JOINED = {
  name: 'not-joined',
  text: `UPDATE inbox SET verdict = CASE WHEN EXISTS (
      SELECT FROM members WHERE site_id = $1 AND id = $3 AND privacy_status = 'PUBLIC'
    ) THEN 'already_joined' ELSE 'rejected' END
    WHERE site_id = $1 AND request_id = $2`,
};
const OWE = { name: 'owe', text: 'INSERT INTO outbox (site_id, request_id, event) VALUES ($1, $2, $3)' };
const OWED = { name: 'owed', text: 'SELECT event FROM outbox WHERE site_id = $1 AND request_id = $2' };
const PAID = { name: 'paid', text: 'DELETE FROM outbox WHERE site_id = $1 AND request_id = $2' };

class Malformed extends Error {}

function parse(message) {
  let body;
  try {
    body = JSON.parse(message.content);
  } catch (cause) {
    throw new Malformed('no JSON', { cause });
  }
  const { siteId, memberId, identity } = body ?? {};
  if (!GUID.test(siteId) || !GUID.test(memberId)) throw new Malformed('siteId and memberId are GUIDs');
  if (identity?.identityType !== 'MEMBER' || identity.memberId !== memberId) {
    throw new Malformed('a member can only ask for itself');
  }
  const requestId = message.properties.messageId;
  if (!requestId) throw new Malformed('no message_id');
  return { siteId: siteId.toLowerCase(), memberId: memberId.toLowerCase(), requestId };
}

function memberUpdated(row) {
  return {
    id: randomUUID(),
    entityFqdn: 'wix.members.v1.member',
    slug: 'updated',
    entityId: row.id,
    eventTime: row.updated_date,
    triggeredByAnonymizeRequest: false,
    originatedFrom: 'join_community',
    entityEventSequence: row.event_sequence,
    updatedEvent: {
      currentEntity: {
        id: row.id,
        loginEmail: row.login_email,
        status: row.status,
        privacyStatus: row.privacy_status,
        contactId: row.contact_id,
        contact: row.contact,
        profile: row.profile,
        createdDate: row.created_date,
        updatedDate: row.updated_date,
      },
    },
  };
}

// The event that is owed for this request, or nothing: the member was public, or all is paid.
async function commit(pool, { siteId, memberId, requestId }) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    let event;
    const received = await client.query({ ...RECEIVE, values: [siteId, requestId] });
    if (received.rowCount === 0) {
      event = (await client.query({ ...OWED, values: [siteId, requestId] })).rows[0]?.event;
    } else {
      const [row] = (await client.query({ ...JOIN, values: [siteId, memberId] })).rows;
      if (row) {
        event = memberUpdated(row);
        await client.query({ ...OWE, values: [siteId, requestId, JSON.stringify(event)] });
      } else {
        await client.query({ ...NOT_JOINED, values: [siteId, requestId, memberId] });
      }
    }
    await client.query('COMMIT');
    client.release();
    return event;
  } catch (error) {
    client.release(error); // whatever state it is in, this connection is not used again
    throw error;
  }
}

async function consume() {
  const pool = new pg.Pool({ connectionString: env.PEER_DATABASE_URL, max: POOL });
  const cache = new Redis(env.PEER_REDIS_URL, { enableAutoPipelining: true });
  // RabbitMQ's advice: what publishes and what consumes do not share a connection.
  const [incoming, outgoing] = await Promise.all([amqp.connect(env.PEER_AMQP_URL), amqp.connect(env.PEER_AMQP_URL)]);
  const requests = await incoming.createChannel();
  const events = await outgoing.createConfirmChannel();
  const lost = (error) => {
    console.error(error);
    process.exit(1);
  };
  for (const part of [incoming, outgoing, requests, events, pool, cache]) part.on('error', lost);

  // What nobody is bound for comes back before its confirm.
  const returned = new Set();
  events.on('return', (message) => returned.add(message.properties.messageId));
  const publish = (event) =>
    new Promise((resolve, reject) => {
      const options = {
        messageId: event.id, type: EVENT, contentType: 'application/json', persistent: true, mandatory: true,
      };
      events.publish(env.PEER_EVENTS_EXCHANGE, EVENT, Buffer.from(JSON.stringify(event)), options, (error) => {
        if (error) reject(error);
        else if (returned.delete(event.id)) reject(new Error('nobody is bound for the event'));
        else resolve();
      });
    });

  async function join(message) {
    const request = parse(message);
    const event = await commit(pool, request);
    if (!event) return;
    const { id, contactId, createdDate, updatedDate, privacyStatus, profile } = event.updatedEvent.currentEntity;
    const entry = JSON.stringify({ id, contactId, createdDate, updatedDate, privacyStatus, profile });
    await cache.set(`${env.PEER_CACHE_PREFIX}:${request.siteId}:${request.memberId}`, entry, 'EX', CACHE_TTL);
    await publish(event);
    await pool.query({ ...PAID, values: [request.siteId, request.requestId] });
  }

  const inFlight = new Set();
  await requests.prefetch(PREFETCH);
  const { consumerTag } = await requests.consume(env.PEER_QUEUE, (message) => {
    if (!message) return lost(new Error('the broker cancelled the consumer'));
    const work = join(message)
      .then(() => requests.ack(message))
      .catch((error) => {
        console.error(error.message);
        requests.nack(message, false, !(error instanceof Malformed));
      })
      .finally(() => inFlight.delete(work));
    inFlight.add(work);
  });

  await once(process, 'SIGTERM');
  await requests.cancel(consumerTag);
  await Promise.all(inFlight);
  await requests.close();
  await Promise.all([incoming.close(), outgoing.close(), pool.end(), cache.quit()]);
  process.exit(0);
}

function supervise() {
  let stopping = false;
  process.on('SIGTERM', () => {
    stopping = true;
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM');
  });
  cluster.on('exit', (worker, code) => {
    if (stopping && code === 0) return;
    console.error(`process ${worker.process.pid} ended with ${code}`);
    process.exit(1);
  });
  for (let n = 0; n < PROCESSES; n += 1) cluster.fork();
}

if (cluster.isPrimary && PROCESSES > 1) supervise();
else await consume();
