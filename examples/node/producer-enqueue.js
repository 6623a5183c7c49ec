// Sends requests to join (METHOD=leave: to leave), waits for no answer: lines `SITE MEMBER REQUEST_ID` on stdin.
//
// Usage: AMQP_URL=amqp://USER:PASSWORD@HOST/VHOST node producer-enqueue.js <FILE
// Exit code: 0 all lie in the queue, 75 some do not: they are named, and the same file may be sent again.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import amqp from 'amqplib';

const TIMEOUT = Number(process.env.TIMEOUT ?? 10) * 1000;

export class Outbox {
  waiting = new Map();

  static async connect(url) {
    const outbox = new Outbox();
    outbox.user = decodeURIComponent(new URL(url).username);
    outbox.connection = await amqp.connect(url, { timeout: TIMEOUT });
    outbox.channel = await outbox.connection.createConfirmChannel();
    const fail = (error) => outbox.waiting.forEach((no) => no(error ?? new Error('the connection was closed')));
    for (const part of [outbox.connection, outbox.channel]) part.on('error', fail).on('close', fail);
    // What reached no queue comes back before it is confirmed.
    outbox.channel.on('return', ({ properties }) =>
      outbox.waiting.get(properties.messageId)?.(new Error('the request reached no queue')));
    return outbox;
  }

  // Settles once the broker answers for the request; a broker in alarm says nothing, hence the limit.
  send(body, properties) {
    const key = properties.type === 'leave-community.v1' ? 'leave' : 'request';
    const options = { ...properties, userId: this.user, persistent: true, mandatory: true };
    let timer;
    return new Promise((yes, no) => {
      timer = setTimeout(() => no(new Error(`no confirm within ${TIMEOUT / 1000} s`)), TIMEOUT);
      this.waiting.set(properties.messageId, no);
      this.channel.publish('join-community', key, body, options, (error) => (error ? no(error) : yes()));
    }).finally(() => clearTimeout(timer) || this.waiting.delete(properties.messageId));
  }
}

async function main() {
  // Where nothing can be reached nothing is sent, and each line is named.
  const outbox = await Outbox.connect(process.env.AMQP_URL).catch((error) => ({ send: () => Promise.reject(error) }));
  const unsent = [];
  for await (const line of createInterface({ input: process.stdin })) {
    // The id comes with the request and stays with it: whatever is sent twice counts once.
    const [siteId, memberId, messageId] = line.split(' ');
    const body = JSON.stringify({ siteId, memberId, identity: { identityType: 'MEMBER', memberId } });
    const type = `${process.env.METHOD ?? 'join'}-community.v1`;
    const properties = { messageId, type, contentType: 'application/json',
      headers: { memberId: memberId.toLowerCase() } };
    await outbox.send(Buffer.from(body), properties).catch((error) => unsent.push([messageId, error]));
  }
  for (const [id, error] of unsent) console.error(`request ${id} is not in the queue: ${error.message}`);
  return unsent.length > 0 ? 75 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.exit(await main());
