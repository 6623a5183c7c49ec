// Keeps the newest state of every member, from the events; prints one line an event.
//
// Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST DATABASE_URL=postgres://… node consumer.js [QUEUE]
import { once } from 'node:events';
import amqp from 'amqplib';
import pg from 'pg';

const TABLE = `CREATE TABLE IF NOT EXISTS example_members (
  site uuid, member uuid, sequence bigint NOT NULL, entity jsonb NOT NULL, PRIMARY KEY (site, member))`;
// The sequence guard. The comparison and the effect are one statement, so no crash and no second consumer comes between
// them. The database compares, as numbers: they go beyond what a JavaScript number holds.
const KEEP = `INSERT INTO example_members AS held (site, member, sequence, entity) VALUES ($1, $2, $3, $4)
  ON CONFLICT (site, member) DO UPDATE SET sequence = excluded.sequence, entity = excluded.entity
  WHERE excluded.sequence > held.sequence`;

const database = new pg.Client({ connectionString: process.env.DATABASE_URL });
await database.connect();
await database.query(TABLE);
const connection = await amqp.connect(process.env.AMQP_URL);
const channel = await connection.createChannel();
// Whoever runs this starts it again; what was not acknowledged comes again, and the guard knows it.
const lost = (error) => { console.error(error ?? 'the consumer was cancelled'); process.exit(1); };
for (const part of [connection, channel, database]) part.on('error', lost);

function read({ properties, content }) {
  const { id, entityId, entityEventSequence, updatedEvent } = JSON.parse(content);
  const site = properties.headers.siteId;
  for (const guid of [site, entityId]) if (!/^[0-9a-f-]{36}$/.test(guid)) throw new Error(`${guid} is no GUID`);
  if (!/^[0-9]{1,19}$/.test(entityEventSequence)) throw new Error(`${entityEventSequence} is no sequence`);
  return { id, site, member: entityId, sequence: entityEventSequence, entity: updatedEvent.currentEntity };
}

async function onEvent(message) {
  let event;
  try {
    event = read(message);
  } catch (error) { // it can never be read; fields that are not known here are no reason for that
    console.error(`event ${message.properties.messageId} cannot be read: ${error.message}`);
    return channel.nack(message, false, false);
  }
  const { id, site, member, sequence, entity } = event;
  const { rowCount } = await database.query(KEEP, [site, member, sequence, entity]);
  console.log(id, site, member, sequence, rowCount === 1 ? 'kept' : 'dropped');
  channel.ack(message);
}

const [, , queue = 'member-consumer.amqplib'] = process.argv;
await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
await channel.bindQueue(queue, 'members.events', 'wix.members.v1.member_updated');
await channel.prefetch(100);
await channel.consume(queue, (message) => (message ? onEvent(message).catch(lost) : lost()));
await once(process, 'SIGTERM');
process.exit(0);
