// modesl, as it comes from npm, at the broker's door: PORT WRONG-TOKEN TOKEN. Prints READY when it listens, ends with 0 when all is well.
'use strict';

const assert = require('assert');
const esl = require('modesl');

const [port, wrong, token] = process.argv.slice(2);
setTimeout(() => { console.error('too slow'); process.exit(1); }, 60000).unref();

function knock(password) {
  return new Promise((resolve, reject) => {
    const client = new esl.Connection('127.0.0.1', Number(port), password, () => resolve(client));
    client.on('error', reject);
    client.on('esl::event::auth::fail', () => reject(new Error('auth fail')));
    client.on('esl::end', () => reject(new Error('closed')));
  });
}

const ask = (client, order, headers) => new Promise((resolve) => client.sendRecv(order, headers || {}, resolve));
const text = (event) => event.getHeader('Reply-Text');

(async () => {
  await assert.rejects(knock(wrong));

  const client = await knock(token);
  const answer = await new Promise((resolve) => client.api('status', resolve));
  assert.ok(answer.getBody().startsWith('UP '), answer.getBody());
  assert.strictEqual(text(await ask(client, 'api system id')), '-ERR permission denied');
  assert.strictEqual(text(await ask(client, 'bgapi system id')), '-ERR permission denied');

  // It names its jobs itself, and waits for the event of that name.
  const job = await new Promise((resolve) => client.bgapi('status', '', resolve));
  assert.ok(job.getBody().startsWith('UP '), job.getBody());

  const heart = new Promise((resolve) => client.once('esl::event::HEARTBEAT::*', resolve));
  const custom = new Promise((resolve) => client.once('esl::event::CUSTOM', resolve));
  const listens = await new Promise((resolve) => client.events('json', 'all', resolve));
  assert.strictEqual(text(listens), '+OK event listener enabled json');
  assert.strictEqual(text(await new Promise((resolve) => client.filterDelete('all', resolve))), '+OK filter deleted. [all][]');
  console.log('READY');
  await heart;
  assert.strictEqual((await custom).getHeader('A'), 'b c');
  assert.strictEqual(text(await ask(client, 'exit')), '+OK bye');
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
