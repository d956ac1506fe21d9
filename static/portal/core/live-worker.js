// SPDX-License-Identifier: Apache-2.0
// One event stream for all pages of a browser. Pages connect as ports (shared) or as the one page (dedicated). What the
// stream says goes to all of them; after a gap it goes on where it was, and says how many events it caught up with.
import { settled } from './turn.js';

const ports = new Set();
let last = '';
let state = 'connecting';
let caught = 0;
let catching = false; // back after a gap, and the server has not yet said that this is all
let running = false;
let wait = 500;

const tell = (message) => {
  for (const port of ports) port.postMessage(message);
};
const become = (next) => {
  state = next;
  tell({ kind: 'state', state });
};

const take = (block) => {
  const event = { id: '', type: '', data: '' };
  for (const line of block.split('\n')) {
    if (line === ': up to date' && catching) {
      catching = false;
      tell({ kind: 'caught-up', count: caught });
    }
    if (line.startsWith('id:')) event.id = line.slice(3).trim();
    if (line.startsWith('event:')) event.type = line.slice(6).trim();
    if (line.startsWith('data:')) event.data += line.slice(5).trim();
  }
  if (event.id) last = event.id; // the first block has nothing but where the stream begins
  if (!event.id || !event.data) return;
  caught += 1;
  tell({ kind: 'event', type: event.type, event: JSON.parse(event.data) });
};

const readStream = async (reader) => {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      take(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
};

const connect = async () => {
  const headers = { Accept: 'text/event-stream' };
  if (last) headers['Last-Event-ID'] = last;
  catching = Boolean(last) && state === 'lost';
  const ask = () => fetch('/v1/events/stream', { headers, credentials: 'same-origin' });
  let response = await ask();
  if (response.status === 401) {
    await settled();
    response = await ask();
  }
  if (response.status === 401 || response.status === 403) return become('signed-out');
  // A cursor of long ago is no use any more: begin anew, and pages read everything again.
  if (!response.ok) { if (response.status < 500) last = ''; throw new Error(String(response.status)); }
  wait = 500;
  caught = 0;
  become('live');
  return readStream(response.body.getReader());
};

const run = async () => {
  if (running) return;
  running = true;
  while (state !== 'signed-out') {
    try {
      await connect();
    } catch { /* said below */ }
    if (state === 'signed-out') break;
    become('lost');
    await new Promise((go) => setTimeout(go, wait * (0.5 + Math.random())));
    wait = Math.min(wait * 2, 15000);
  }
  running = false;
};

const join = (port) => {
  ports.add(port);
  port.onmessage = (message) => {
    if (message.data === 'leave') ports.delete(port);
    if (message.data === 'start') {
      if (state === 'signed-out') state = 'connecting';
      port.postMessage({ kind: 'state', state });
      run();
    }
  };
};

if ('onconnect' in self) self.onconnect = (event) => join(event.ports[0]);
else join(self);
