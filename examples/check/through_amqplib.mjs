// Sends what stands on stdin through the amqplib examples: a list of { properties, headers, body in base64 }. Prints what
// came of each: status and body of the answer, or the error. Usage: through_amqplib.mjs ask|enqueue
import { readFileSync } from 'node:fs';
import { Gateway } from '../node/producer-wait.js';
import { Outbox } from '../node/producer-enqueue.js';

const url = process.env.AMQP_URL;
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const asks = process.argv[2] === 'ask';
const through = asks ? await Gateway.connect(url) : await Outbox.connect(url);

async function one({ properties, headers, body }) {
  const options = Object.fromEntries(Object.entries(properties).map(([name, value]) => [camel(name), value]));
  const content = Buffer.from(body, 'base64');
  try {
    if (!asks) return (await through.send(content, { ...options, headers })) ?? {};
    const { status, ...answer } = await through.ask(content, { ...options, headers });
    return { status, body: answer };
  } catch (error) {
    return { error: error.message };
  }
}

const came = [];
for (const message of JSON.parse(readFileSync(0))) came.push(await one(message));
console.log(JSON.stringify(came));
process.exit(0);
