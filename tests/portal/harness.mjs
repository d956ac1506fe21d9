// SPDX-License-Identifier: Apache-2.0
// What the portal's stories stand on: a browser, people who sign in, TAP. Prints a case as it ends.
import { readFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.TOOLS}/`);
const { chromium } = require('playwright-core');
export const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
export const base = process.env.URL;
export const token = readFileSync(`${process.env.DIR}/token`, 'utf8').trim();
export const phrase = process.env.PHRASE || 'a Fine and long phrase';
const shots = process.env.UD_SHOTS;
const slow = Number(process.env.UD_SLOW || 1); // so many times slower than this machine are the browser's pages: finds what is not waited for
if (shots) mkdirSync(shots, { recursive: true });

const wanted = new RegExp(process.env.UD_STORY || ''); // tell only the cases whose names match
let turns = null; // how many were told by each hand
let cases = 0;
let failures = 0;
/** Of what is told by mouse and by keyboard alone, tell each by one of them, in turn. */
export const takeTurns = () => { turns = { mouse: 0, keyboard: 1 }; };
const turnOf = (name) => {
  const hand = turns && !process.env.UD_STORY && /^by (mouse|keyboard)/.exec(name);
  if (!hand) return true;
  turns[hand[1]] += 1;
  return turns[hand[1]] % 2 === 0;
};
/** One case; what it throws is shown. */
export const it = async (name, run) => {
  if (!wanted.test(name) || !turnOf(name)) return;
  cases += 1;
  const began = Date.now();
  const took = () => console.log(`# ${((Date.now() - began) / 1000).toFixed(1)} s`);
  try {
    await run();
    took();
    console.log(`ok ${cases} - ${name}`);
  } catch (error) {
    failures += 1;
    took();
    console.log(`not ok ${cases} - ${name}`);
    for (const line of String(error.stack || error).split('\n').slice(0, 12)) console.log(`# ${line}`);
  }
};
export const finish = () => {
  console.log(`1..${cases}`);
  process.exitCode = failures ? 1 : 0;
};
export const equal = (got, want, what) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
};
export const ok = (value, what) => {
  if (!value) throw new Error(what);
};

/** A call of the API with the first service token. */
export const api = async (method, path, body) => {
  const answer = await fetch(base + path, { method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json', 'Idempotency-Key': crypto.randomUUID(), ...(['PATCH', 'PUT', 'DELETE'].includes(method) ? { 'If-Match': '*' } : {}) }, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
};

export const open = () => chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
/** A page of somebody's own browser. Foreign requests and errors of scripts are kept in `page.wrong`. */
export const person = async (browser, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(90000);
  const page = await context.newPage();
  page.wrong = [];
  if (slow > 1) await (await context.newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: slow });
  page.on('request', (r) => { if (!r.url().startsWith(base) && !/^(data|blob|about):/.test(r.url())) page.wrong.push(`foreign request ${r.url()}`); });
  page.on('pageerror', (e) => page.wrong.push(e.message));
  page.on('console', (m) => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) page.wrong.push(m.text()); });
  return page;
};
export const signIn = async (page, email, to = '/app') => {
  await page.goto(base + to);
  await page.fill('#email', email);
  await page.fill('#password', phrase);
  await page.click('form button.primary');
  await page.waitForSelector('.frame');
};
/** Go to a page and wait until it has its data. */
export const visit = async (page, path) => {
  await page.goto(base + path);
  await page.waitForSelector('.frame main h1');
  await page.waitForFunction(() => !document.querySelector('.skeleton'));
};
export const shot = async (page, name) => {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
};
/** What axe does not see: text below 11 pixels, words of a picture that leave it, words of a control that are cut off. */
export const cramped = (page) => page.evaluate(() => {
  const found = [];
  const say = (what, e) => found.push(`${what}: ${e.textContent.trim().slice(0, 40)}`);
  const shown = (e) => e.getClientRects().length && !e.closest('.sr');
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (own && shown(e) && parseFloat(getComputedStyle(e).fontSize) < 11) say('below 11 px', e);
  }
  for (const e of document.querySelectorAll('svg.picture text')) {
    const [word, picture] = [e.getBoundingClientRect(), e.closest('svg').getBoundingClientRect()];
    if (word.width && (word.left < picture.left - 2 || word.right > picture.right + 2 || word.bottom > picture.bottom + 2)) say('outside its picture', e);
  }
  for (const e of document.querySelectorAll('button, .button, select, h1, h2, th, dd, .state')) if (shown(e) && e.tagName !== 'SELECT' && getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1) say('cut off', e);
  return found.slice(0, 6);
});
/** Violations that axe finds, one line each. */
export const axe = async (page) => {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => (await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })).violations);
  return found.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 3).join(' | ')}`);
};
