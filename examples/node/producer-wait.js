// Asks for a member to join the community, or with METHOD=leave to leave it, and waits for the answer.
//
// Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST node producer-wait.js SITE MEMBER [REQUEST_ID]
// Exit code: 0 done, 1 refused, 75 not known: ask again under the same request id.
import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import amqp from 'amqplib';

const REPLIES = 'amq.rabbitmq.reply-to'; // no queue to declare, and the one place where replies go by default
const TIMEOUT = Number(process.env.TIMEOUT ?? 10) * 1000;

export class Gateway {
  waiting = new Map(); // by correlation id: an answer may come twice or never

  static async connect(url) {
    const gateway = new Gateway();
    gateway.user = decodeURIComponent(new URL(url).username);
    gateway.connection = await amqp.connect(url, { timeout: TIMEOUT });
    gateway.channel = await gateway.connection.createConfirmChannel();
    const fail = (error) => gateway.waiting.forEach(({ no }) => no(error ?? new Error('the connection was closed')));
    for (const part of [gateway.connection, gateway.channel]) part.on('error', fail).on('close', fail);
    gateway.channel.on('return', ({ properties }) =>
      gateway.waiting.get(properties.correlationId)?.no(new Error('the request reached no queue')));
    await gateway.channel.consume(REPLIES, ({ properties, content }) => {
      gateway.waiting.get(properties.correlationId)?.yes({ status: properties.headers.status, ...JSON.parse(content) });
    }, { noAck: true });
    return gateway;
  }

  // Settles with the answer; fails if the broker returns or refuses the request, or says nothing for too long.
  ask(body, properties) {
    const id = properties.correlationId;
    const key = properties.type === 'leave-community.v1' ? 'leave' : 'request';
    const options = { ...properties, replyTo: REPLIES, userId: this.user, persistent: true, mandatory: true };
    return new Promise((yes, no) => {
      const timer = setTimeout(() => no(new Error(`no answer within ${TIMEOUT / 1000} s`)), TIMEOUT);
      this.waiting.set(id, { yes, no, timer });
      this.channel.publish('join-community', key, body, options, (error) => error && no(error));
    }).finally(() => clearTimeout(this.waiting.get(id)?.timer) || this.waiting.delete(id));
  }
}

async function main(siteId, memberId, requestId = randomUUID()) {
  const body = JSON.stringify({ siteId, memberId, identity: { identityType: 'MEMBER', memberId } });
  const type = `${process.env.METHOD ?? 'join'}-community.v1`;
  const properties = { messageId: requestId, correlationId: requestId, type,
    contentType: 'application/json', headers: { memberId: memberId.toLowerCase() } };
  try {
    const answer = await (await Gateway.connect(process.env.AMQP_URL)).ask(Buffer.from(body), properties);
    console.log(JSON.stringify({ requestId, ...answer }));
    return answer.status === 200 ? 0 : 1; // a 4xx stays one under this id: mend what it names, take a new id
  } catch (error) {
    console.error(`request ${requestId}: ${error.message}; ask again under the same id`);
    return 75;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exit(await main(...process.argv.slice(2)));
