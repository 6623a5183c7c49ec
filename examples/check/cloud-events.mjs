// Reads an event with the official CloudEvents SDK for JavaScript, and prints what the SDK made of it. That SDK has no
// binding to AMQP: its headers are renamed as the binding says, and the rest is the SDK's. It refuses what is not valid.
// Usage: cloud-events.mjs QUEUE
import amqp from 'amqplib';
import { CloudEvent, HTTP } from 'cloudevents';

const connection = await amqp.connect(process.env.AMQP_URL);
const channel = await connection.createChannel();
const { properties, content } = await channel.get(process.argv[2], { noAck: true });
const attributes = Object.entries(properties.headers)
  .filter(([name]) => name.startsWith('cloudEvents:'))
  .map(([name, value]) => [name.slice('cloudEvents:'.length), value]);
const data = JSON.parse(content);
const event = new CloudEvent({ ...Object.fromEntries(attributes), datacontenttype: properties.contentType, data });
event.validate();
// And once more through a binding that the SDK has, there and back.
const again = HTTP.toEvent(HTTP.binary(event));
again.validate();
const { data: dataAgain, ...attributesAgain } = again.toJSON();
console.log(JSON.stringify({ attributes: attributesAgain, data: dataAgain }));
process.exit(0);
