// A back end on bare rhea, for what the SDKs cannot do: SASL PLAIN, any address, any message, and the outcome's
// condition as it came. Input: one JSON object {user, password, token, target, message, settled} per line, each on a
// connection of its own. Output: the outcome.
'use strict';
const rhea = require('rhea');
const tls = require('tls');
const fs = require('fs');
const { print, eachLine } = require('./arguments');

const condition = (error) => (error ? { condition: error.condition, description: error.description } : {});

function putToken(connection, token, done) {
  const reply = connection.open_receiver({ source: '$cbs', name: 'cbs-in' });
  const request = connection.open_sender({ target: '$cbs', name: 'cbs-out' });
  request.on('sendable', () => {
    request.removeAllListeners('sendable');
    request.send({
      message_id: 'put-1',
      to: '$cbs',
      reply_to: 'cbs',
      application_properties: { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: '127.0.0.1' },
      body: token,
    });
  });
  reply.on('message', (context) => done(context.message));
}

function messageOf(given) {
  const message = { ...given };
  if (given.size !== undefined) message.body = rhea.message.data_section(Buffer.alloc(given.size, 'x'));
  else if (typeof given.body === 'string') message.body = rhea.message.data_section(Buffer.from(given.body));
  if (given.expiry) message.absolute_expiry_time = given.expiry;
  delete message.size;
  delete message.expiry;
  return message;
}

function attachAndSend(connection, line, finish) {
  const sender = connection.open_sender({ target: line.target || '/messages/devicebound', autosettle: true });
  sender.on('sender_open', () => {
    // A link that is refused is attached without a target, and then detached with the reason.
    const refused = !(sender.remote.attach.target && sender.remote.attach.target.address);
    if (line.message === undefined && !refused) finish({ outcome: 'attached' });
  });
  sender.on('sendable', () => {
    sender.removeAllListeners('sendable');
    if (line.message !== undefined) sender.send(messageOf(line.message));
  });
  sender.on('accepted', () => finish({ outcome: 'accepted' }));
  sender.on('rejected', (context) => finish({ outcome: 'rejected', ...condition(context.delivery.remote_state.error) }));
  sender.on('released', () => finish({ outcome: 'released' }));
  sender.on('sender_error', () => finish({ outcome: 'detached', ...condition(sender.error) }));
}

function attempt(line) {
  return new Promise((resolve) => {
    const connection = rhea.create_container().create_connection({
      host: '127.0.0.1', port: 5671, transport: 'tls', reconnect: false, hostname: '127.0.0.1',
      container_id: 'conformance', username: line.user, password: line.password,
      ca: [...tls.rootCertificates, fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS)],
    });
    const finish = (outcome) => { resolve(outcome); connection.removeAllListeners('disconnected'); connection.close(); };
    connection.on('connection_open', () => {
      if (!line.token) return attachAndSend(connection, line, finish);
      putToken(connection, line.token, (reply) => {
        const status = reply.application_properties['status-code'];
        if (status !== 200) return finish({ outcome: 'token refused', status, correlation: reply.correlation_id });
        attachAndSend(connection, line, finish);
      });
    });
    connection.on('connection_error', () => finish({ outcome: 'closed', ...condition(connection.error) }));
    connection.on('disconnected', (context) => {
      resolve({ outcome: 'disconnected', message: context.error && context.error.message });
    });
    connection.connect();
  });
}

eachLine(async (line) => print(await attempt(line)));
