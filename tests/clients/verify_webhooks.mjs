// Verifies deliveries of webhooks with the JavaScript library of Standard Webhooks.
//
// Reads a JSON list from the file that is named: for each delivery its headers, its body, when it came (seconds since
// 1970) and the secrets that have to verify it. Prints how many verifications there were.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// The libraries are installed elsewhere than this file: in the folder that is named.
const { Webhook } = createRequire(`${process.argv[3]}/`)('standardwebhooks');

let verified = 0;
for (const { headers, body, at, secrets } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  // The time of the delivery in place of the present: the test has a clock of its own.
  Date.now = () => at * 1000;
  for (const secret of secrets) {
    const webhook = new Webhook(secret);
    assert.equal(webhook.verify(body, headers).id, headers['webhook-id']);
    assert.throws(() => webhook.verify(`${body} `, headers), /No matching signature/);
    assert.throws(() => webhook.verify(body, { ...headers, 'webhook-id': 'evt_other' }), /No matching signature/);
    Date.now = () => (at + 301) * 1000;
    assert.throws(() => webhook.verify(body, headers), /too old/);
    Date.now = () => at * 1000;
    verified += 1;
  }
  assert.throws(() => new Webhook('whsec_c3RyYW5nZXI=').verify(body, headers), /No matching signature/);
}
console.log(verified);
