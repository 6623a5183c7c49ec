// An AMQP 1.0 consumer: takes one message from a queue, and prints it as it sees it.
// Usage: AMQP_URL=amqp://USER:PASSWORD@HOST:PORT/VHOST amqp-1.0.mjs ADDRESS
import rhea from 'rhea';

const { username, password, hostname, port, pathname } = new URL(process.env.AMQP_URL);
const [, , address] = process.argv;
// RabbitMQ takes the vhost from the name of the host that the client says it opens.
const connection = rhea.connect({ host: hostname, port: Number(port), username, password, reconnect: false,
  hostname: `vhost:${decodeURIComponent(pathname.slice(1))}` });
const fail = (why) => { console.error(why); process.exit(1); };
setTimeout(() => fail(`no message at ${address} within 20 s`), 20_000);
for (const name of ['connection_error', 'session_error', 'receiver_error', 'disconnected']) {
  connection.on(name, ({ connection, session, receiver, error }) =>
    fail(`${name}: ${receiver?.error ?? session?.error ?? connection?.error ?? error}`));
}
connection.on('message', ({ message, delivery }) => {
  const { body, application_properties, message_annotations, ...properties } = message;
  const content = body.typecode === 0x75 ? body.content : body; // section `data`
  delivery.accept();
  console.log(JSON.stringify({ properties, application_properties, message_annotations, body: content.toString('base64') }));
  setTimeout(() => process.exit(0), 100); // once the acceptance is on its way
});
connection.open_receiver({ source: address, autoaccept: false, credit_window: 1 });
