// The Members API's own SDK, used as an app uses it: what it gives its handler of Member Updated. It believes a webhook by
// the app's key alone, so any app id will do. It needs nobody for that: what it would fetch fails.
// Usage: members-sdk.mjs QUEUE      takes an event from a queue by AMQP 0-9-1, and prints what the handler is given
//        members-sdk.mjs <VECTORS   the same of each webhook of contract/v1/vectors/webhooks.json, as if it came then
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { members } from '@wix/members';
import { AppStrategy, createClient } from '@wix/sdk';
import amqp from 'amqplib';

globalThis.fetch = async (what) => { throw new Error(`the SDK fetches ${what}`); };

// What the handler is given by what `handle` does with the SDK's receiver, or why it is given nothing.
export async function given(publicKey, handle) {
  const calls = [];
  const client = createClient({ auth: AppStrategy({ appId: 'any', publicKey }), modules: { members } });
  client.members.onMemberUpdated((event) => { calls.push(event); });
  try {
    await handle(client.webhooks);
  } catch (error) {
    return { refused: error.message };
  }
  return calls.length === 1 ? calls[0] : { refused: `the handler was called ${calls.length} times` };
}

async function ofEach({ publicKey, vectors }) {
  const Clock = Date;
  const came = [];
  for (const { body, now } of vectors) {
    globalThis.Date = class extends Clock {
      constructor(...time) { super(...(time.length > 0 ? time : [now * 1000])); }
    };
    came.push(await given(publicKey, (webhooks) => webhooks.process(body)));
  }
  return came;
}

async function from(queue) {
  const channel = await (await amqp.connect(process.env.AMQP_URL)).createChannel();
  const { properties: { type, headers }, content } = await channel.get(queue, { noAck: true });
  const identity = JSON.parse(headers.identity);
  const event = { eventType: type, instanceId: headers.siteId, identity, payload: JSON.parse(content) };
  return given(undefined, (webhooks) => webhooks.executeHandlers(event));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , queue] = process.argv;
  console.log(JSON.stringify(await (queue ? from(queue) : ofEach(JSON.parse(readFileSync(0))))));
  process.exit(0);
}
