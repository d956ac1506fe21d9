// SPDX-License-Identifier: Apache-2.0
// The portal's flows with real guests (deploy/demo): a failover is asked for, approved, watched, verified and proved by
// people in browsers. One is told in the ordinary run; with UD_TEST_LONG all are, by mouse and by keyboard alone.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { api, axe, base, equal, finish, it, ok, open, person, phrase, shot, signIn, token, visit } from './harness.mjs';
import { Keyboard, Mouse } from './hands.mjs';

const long = Boolean(process.env.UD_TEST_LONG);
const patient = { timeout: 400000 }; // a guest without hardware help on a busy machine
const customer = 'approver@demo.example';
const lead = 'lead@demo.example';
const engineer = 'engineer@demo.example';
const ACTIONS = 14; // that a request may take at most

const browser = await open();
const list = async (path) => (await api('GET', path)).data;
const until = async (what, look) => {
  const end = Date.now() + patient.timeout;
  while (Date.now() < end) {
    const found = await look();
    if (found) return found;
    await new Promise((go) => { setTimeout(go, 1000); });
  }
  throw new Error(`${what}: not within ${patient.timeout / 1000} s`);
};
const demo = (...args) => execFileSync(`${process.env.UD_SOURCE_DIR}/deploy/demo`, ['--dir', process.env.DIR, '--port', new URL(base).port, ...args]);

/** Somebody at a browser of their own, who works by mouse or by keyboard. */
const sit = async (email, Hand, to = '/app') => {
  const page = await person(browser);
  await signIn(page, email, to);
  const { display_name: name } = (await list(`/v1/users?limit=1&q=${email}`))[0];
  return { page, email, name, hand: new Hand(page), leave: () => page.context().close() };
};
/** Prove again who one is, when the page asks; `done` is what is there afterwards and was not before. */
const confirm = async (who, done) => {
  const asked = who.page.locator('#su-password');
  await Promise.race([asked.waitFor({ ...patient, state: 'visible' }), done.waitFor(patient)]);
  if (!await asked.isVisible()) return;
  const dialog = 'dialog:has(#su-password)';
  await who.hand.type('Password', phrase, dialog);
  await who.hand.press('button', 'Confirm', dialog);
  await done.waitFor(patient);
};
const titles = { test: 'Test failover', planned: 'Planned failover', unplanned: 'Unplanned failover' };

// ---- A: ask ----
const ask = async (who, { kind, vm, reason }) => {
  const before = who.hand.actions;
  await who.hand.press('link', 'Request a failover', 'main');
  await who.hand.choose('radio', new RegExp(`^${titles[kind]}`));
  await who.hand.choose('checkbox', new RegExp(`^${vm} `));
  await who.hand.choose('radio', reason);
  if (kind === 'unplanned') await who.hand.type(`Type ${vm} to confirm`, vm);
  await who.page.locator('form dl').first().waitFor(patient); // what it will cost stands there before anything is sent
  await who.hand.press('button', 'File the request');
  await who.page.waitForURL(/\/app\/tickets\/\d{6}-/, patient);
  const number = decodeURIComponent(new URL(who.page.url()).pathname.split('/').pop());
  const ticket = (await list(`/v1/tickets?number=${number}`))[0];
  return { number, id: ticket.id, run: ticket.failover_id, actions: who.hand.actions - before };
};

// ---- C: approve ----
const approve = async (who, ticket) => {
  if (!who.page.url().endsWith(ticket.number)) await visit(who.page, `/app/tickets/${ticket.number}`);
  await who.hand.press('button', 'Approve');
  await confirm(who, who.page.locator(`li:has(.state:has-text("approved")) >> text=/^${who.name} /`).first());
};
const attest = async (who, ticket) => {
  await visit(who.page, `/app/tickets/${ticket.number}`);
  await who.hand.press('button', 'State that the source is off');
  await who.hand.type(/^What did you check/, 'I pulled the power of lon-a and saw its lights go out.', 'dialog');
  await who.hand.press('button', 'Sign the statement', 'dialog');
  await confirm(who, who.page.locator('p.note', { hasText: `${who.name}: “I pulled the power` }).first());
};

// ---- D: watch ----
const watch = async (who, ticket, ...states) => {
  await until(`the run gets to ${states.join(' or ')}`, async () => {
    const f = await api('GET', `/v1/failovers/${ticket.run}?wait=20`);
    if (['failed', 'rolled_back'].includes(f.state) && !states.includes(f.state)) throw new Error(`the run ${f.state}: ${JSON.stringify(f.waiting_for)} ${JSON.stringify(f.steps.filter((s) => s.error))}`);
    if (f.state === 'waiting' && f.waiting_for?.who === 'support' && !states.includes('waiting')) throw new Error(`the run waits: ${JSON.stringify(f.waiting_for)}`);
    return states.includes(f.state);
  });
};

// ---- E: verify, and what follows ----
const verify = async (who, notes) => {
  await who.hand.press('button', 'Does it work?');
  await who.hand.type('What did you look at?', notes, 'dialog');
  await who.hand.press('button', 'It works', 'dialog');
  await who.page.locator('dialog').first().waitFor({ ...patient, state: 'hidden' });
};

// ---- F: prove ----
const prove = async (who, ticket) => {
  const report = who.page.getByRole('link', { name: 'Report' });
  await report.waitFor(patient);
  const id = (await report.getAttribute('href')).split('/')[3];
  const answer = await fetch(`${base}/v1/evidence/${id}/bundle`, { headers: { Authorization: `Bearer ${token}` } });
  const file = `${process.env.DIR}/proof-${ticket.number}.json`;
  writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  execFileSync(`${process.env.UD_BINARY_DIR}/understudy`, ['verify', file], { stdio: 'pipe' });
  const opened = who.page.context().waitForEvent('page', patient);
  await who.hand.press('link', 'Report');
  const paper = await opened;
  await paper.waitForSelector('h1', patient);
  const run = await api('GET', `/v1/failovers/${ticket.run}`);
  const says = await paper.locator('main').textContent();
  for (const m of run.plan.members) ok(says.includes(m.name), `the report does not name ${m.name}`);
  ok(says.includes(`understudy verify ${id}.json`), 'the report does not say how to check the record');
  equal(await axe(paper), [], 'axe of the report');
  // what a browser prints or saves is one document of A4 pages
  const pdf = await paper.pdf({ preferCSSPageSize: true });
  equal(pdf.subarray(0, 5).toString(), '%PDF-', 'the printed report');
  ok(/\/MediaBox \[0 0 59[45]\S* 84[12]/.test(pdf.toString('latin1')), 'its pages are not A4');
  await paper.emulateMedia({ media: 'print' });
  await shot(paper, 'report-printed');
  await paper.close();
};

/** A test from the wish to the proof. */
const drill = async (Hand, vm, reason) => {
  const who = await sit(customer, Hand);
  const ticket = await ask(who, { kind: 'test', vm, reason });
  ok(ticket.actions <= ACTIONS, `${ticket.actions} actions`);
  console.log(`# a test was asked for with ${ticket.actions} actions${who.hand.keys ? `, ${who.hand.keys} keys` : ''}`);
  await approve(who, ticket);
  await watch(who, ticket, 'test_running');
  await who.page.getByRole('button', { name: 'Does it work?' }).waitFor(patient); // without a reload
  ok(/\d+\/\d+ Test failover/.test(await who.page.title()), `the title says ${await who.page.title()}`);
  await shot(who.page, 'flow-test-running');
  await verify(who, 'Looked at the copy.');
  await who.hand.press('button', 'Clean up the test');
  await watch(who, ticket, 'solved');
  await prove(who, ticket);
  equal(await axe(who.page), [], 'axe');
  equal(who.page.wrong, [], 'wrong');
  equal((await api('GET', `/v1/failovers/${ticket.run}`)).verdict, 'passed', 'verdict');
  await who.leave();
};

/** A planned move: asked for by the customer, approved by both sides, verified, solved by support. */
const move = async (Hand, vm, reason) => {
  const who = await sit(customer, Hand);
  const support = await sit(lead, Hand, '/app/queue');
  const ticket = await ask(who, { kind: 'planned', vm, reason });
  ok(ticket.actions <= ACTIONS, `${ticket.actions} actions`);
  await approve(who, ticket);
  // G: support finds it in the queue, which nobody has loaded again
  await support.hand.press('link', ticket.number);
  await support.page.waitForURL(new RegExp(`${ticket.number}$`));
  await support.hand.press('button', 'Take it');
  await support.page.getByRole('button', { name: 'Take it' }).waitFor({ ...patient, state: 'detached' });
  await approve(support, ticket);
  await watch(who, ticket, 'customer_validation');
  await shot(who.page, 'flow-planned-validation');
  await verify(who, 'Orders can be entered.');
  await watch(who, ticket, 'protected');
  await prove(who, ticket);
  await support.hand.press('button', 'Solve');
  await support.page.locator('.bar .state:has-text("solved")').waitFor(patient);
  for (const one of [who, support]) {
    equal(await axe(one.page), [], 'axe');
    equal(one.page.wrong, [], 'wrong');
    await one.leave();
  }
};

/** The host of a VM is cut off and killed; its name, once the server has noticed. */
const lose = async (vm) => {
  const host = (await list('/v1/vms')).find((v) => v.name === vm).host_id;
  const { name } = (await list('/v1/hosts')).find((h) => h.id === host);
  demo('kill-site', name);
  await until(`${name} is noticed to be gone`, async () => (await api('GET', `/v1/hosts/${host}`)).state === 'unreachable');
  return name;
};
/** The host is lost: support asks, two people state it, both sides approve; commit, and the way to protection again. */
const rescue = async (Hand, vm) => {
  const name = await lose(vm);
  const first = await sit(engineer, Hand);
  const ticket = await ask(first, { kind: 'unplanned', vm, reason: 'The site is down' });
  ok(ticket.actions <= ACTIONS, `${ticket.actions} actions`);
  const who = await sit(customer, Hand);
  const support = await sit(lead, Hand);
  for (const one of [who, support]) {
    await attest(one, ticket);
    await approve(one, ticket);
  }
  await watch(who, ticket, 'customer_validation');
  await verify(who, 'It runs over there.');
  await support.hand.press('button', 'Commit');
  await support.hand.type('Type commit to confirm', 'commit', 'dialog');
  await support.hand.press('button', 'Commit', 'dialog');
  await watch(who, ticket, 'committed_unprotected');
  await who.page.locator('text=is not protected').first().waitFor(patient);
  demo('return-site', name);
  await support.hand.press('button', /^Protect again/);
  await watch(who, ticket, 'protected');
  await prove(who, ticket);
  for (const one of [first, who, support]) {
    equal(one.page.wrong, [], 'wrong');
    await one.leave();
  }
};

// ---- H: the first hour of an administrator ----
const newcomer = (...args) => execFileSync(`${process.env.UD_SOURCE_DIR}/tests/portal/newcomer`, [process.env.DIR, new URL(base).port, ...args], { stdio: 'pipe' });
/** From a new site to the first test of a machine that came with its host. */
const firstHour = async (Hand, { site, code, host, guest, n }) => {
  const who = await sit('admin@demo.example', Hand, '/app/sites');
  const { page, hand } = who;
  await hand.press('button', 'New site');
  await hand.type('Name', site, 'dialog');
  await hand.type(/^Code/, code, 'dialog');
  await hand.press('button', 'Create', 'dialog');
  await page.waitForSelector(`text=${site} (${code})`, patient);
  await hand.press('button', 'Add a host');
  await hand.type('Name', host, 'dialog');
  await hand.select('Site', site, 'dialog');
  await hand.press('button', 'Create', 'dialog');
  await hand.press('button', 'Make the command', 'dialog');
  await confirm(who, page.locator('dialog pre').first());
  newcomer(host, 'start', guest, String(n), await page.locator('dialog pre').first().textContent());
  await page.keyboard.press('Escape');
  await page.locator(`tr:has-text("${host}") .state:has-text("connected")`).waitFor(patient); // it ticks itself
  await visit(page, '/app/protection');
  await hand.press('link', guest);
  await hand.select('Customer', 'Demo Ltd', 'main');
  await hand.press('button', 'Save');
  await hand.press('button', 'Start');
  await page.locator('.bar .state:has-text("running")').waitFor(patient);
  await hand.press('button', 'Protect');
  await hand.select('Replica on', 'lon-b', 'dialog');
  await hand.select('Schedule interval', '5 s', 'dialog');
  await hand.press('button', 'Protect', 'dialog');
  await page.locator('.state:has-text("replicating")').first().waitFor(patient);
  equal(page.wrong, [], 'wrong');
  await who.leave();
  const vm = (await list('/v1/vms')).find((v) => v.name === guest);
  await until('its guest answers', async () => (await api('GET', `/v1/vms/${vm.id}`)).guest_agent === 'connected');
  await drill(Hand, guest, 'Prove that the replica boots');
};

/** Press a button of a page without scripts; prove again who one is when that is asked, and press it once more. */
const pressPlainly = async (one, name) => {
  await one.hand.press('button', name);
  await one.page.waitForLoadState('load', patient);
  if (!await one.page.locator('#password').count()) return;
  await one.hand.type('Password', phrase);
  await one.hand.press('button', 'Confirm');
  await one.page.waitForLoadState('load', patient);
  await one.hand.press('button', name);
  await one.page.waitForLoadState('load', patient);
};
// Somebody signs in without JavaScript.
const sitPlainly = async (email) => {
  const page = await person(browser, { javaScriptEnabled: false });
  await page.goto(`${base}/basic`);
  await page.fill('#email', email);
  await page.fill('#password', phrase);
  await page.click('button');
  await page.waitForSelector('h1 >> text=My protection', patient);
  return { page, hand: new Mouse(page) };
};
const askPlainly = async (who, kind, vm, reason) => {
  await who.hand.press('link', 'Request a failover');
  await who.hand.choose('radio', new RegExp(`^${kind}`));
  await who.page.selectOption('#vm', { label: vm });
  await who.page.selectOption('#why', { label: reason });
  await who.hand.press('button', 'File the request');
  await who.page.waitForSelector('h2 >> text=The run', patient);
  const path = new URL(who.page.url()).pathname;
  return { path, run: (await api('GET', `/v1/tickets/${path.split('/').pop()}`)).failover_id };
};
const verifyPlainly = async (who, ticket) => {
  await who.page.goto(base + ticket.path);
  await who.hand.choose('radio', 'It works');
  await who.hand.press('button', 'Send');
  await who.page.waitForSelector('h2 >> text=The run', patient);
};
const leavePlainly = async (...people) => {
  for (const one of people) {
    equal(one.page.wrong, [], 'wrong');
    await one.page.context().close();
  }
};
/** On the pages without JavaScript: ask, approve on both sides, follow, verify. */
const plainly = async (kind, vm, reason) => {
  const who = await sitPlainly(customer);
  const support = await sitPlainly(lead);
  const ticket = await askPlainly(who, kind, vm, reason);
  for (const one of kind === 'Test' ? [who] : [who, support]) {
    await one.page.goto(base + ticket.path);
    await pressPlainly(one, 'Approve');
    await one.page.waitForSelector('h2 >> text=The run', patient);
  }
  await watch(who, ticket, 'test_running', 'customer_validation');
  await verifyPlainly(who, ticket);
  if (kind === 'Test') await who.hand.press('button', 'Clean up the test');
  await watch(who, ticket, 'protected', 'solved');
  await who.page.goto(base + ticket.path);
  await who.page.waitForSelector('strong >> text=/^(protected|solved)$/', patient);
  await support.page.goto(base + ticket.path);
  await leavePlainly(who, support);
};
// Sign in words of one's own: the page asks who one is before that.
const signPlainly = async (one, ticket) => {
  await one.page.goto(base + ticket.path);
  await one.hand.type('Password', phrase);
  await one.hand.press('button', 'Confirm');
  await one.hand.type(/^What did you check/, 'I pulled the power of its host and saw the lights go out.');
  await one.hand.press('button', 'Sign the statement');
  await one.page.waitForSelector('li >> text=saw the lights go out', patient);
};
/** The host is lost, and nobody has more than plain pages: asked for, stated by two, approved by both sides, verified, committed, protected again. */
const rescuePlainly = async (vm) => {
  const name = await lose(vm);
  const first = await sitPlainly(engineer);
  const who = await sitPlainly(customer);
  const support = await sitPlainly(lead);
  const ticket = await askPlainly(first, 'Unplanned', vm, "The primary's site is down.");
  for (const one of [who, support]) {
    await signPlainly(one, ticket);
    await one.page.goto(base + ticket.path);
    await pressPlainly(one, 'Approve');
    await one.page.waitForSelector('h2 >> text=The run', patient);
  }
  await watch(who, ticket, 'customer_validation');
  await verifyPlainly(who, ticket);
  await support.page.goto(base + ticket.path);
  await support.hand.type(/type “commit”/, 'commit');
  await support.hand.press('button', 'Commit');
  await watch(who, ticket, 'committed_unprotected');
  await who.page.goto(base + ticket.path);
  await who.page.waitForSelector('strong >> text=/unprotected/', patient);
  demo('return-site', name);
  await until('protection can be asked for', async () => (await api('GET', `/v1/failovers/${ticket.run}`)).allowed_operations.includes('reverse'));
  await support.page.goto(base + ticket.path);
  await pressPlainly(support, 'Protect again');
  await watch(who, ticket, 'protected');
  await who.page.goto(base + ticket.path);
  await who.page.waitForSelector('strong >> text=/^protected$/', patient);
  await leavePlainly(first, who, support);
};

await until('both guests are protected', async () => (await list('/v1/replications?state=replicating')).length >= 2);
const story = (name, tell) => (!process.env.UD_FLOWS || new RegExp(process.env.UD_FLOWS).test(name) ? it(name, tell) : undefined);
await story('by mouse: a test is asked for, approved, watched, verified, cleaned up and proved', () => drill(Mouse, 'sql-01', 'Prove that the replica boots'));
if (long) {
  await story('by mouse: a planned move, approved by both sides, found in the queue by support', () => move(Mouse, 'sql-01', 'The host is worked on'));
  await story('by keyboard alone: the way home', () => move(Keyboard, 'sql-01', 'The way home after an earlier failover'));
  await story('by keyboard alone: a test', () => drill(Keyboard, 'app-01', 'Try a recovery plan'));
  await story('by mouse: a site, a host, its machine, its copy, and a first test', () => firstHour(Mouse, { site: 'Paris', code: 'par', host: 'par-a', guest: 'web-01', n: 1 }));
  await story('by keyboard alone: a site, a host, its machine, its copy, and a first test', () => firstHour(Keyboard, { site: 'Berlin', code: 'ber', host: 'ber-a', guest: 'web-02', n: 2 }));
  await story('without JavaScript: a test', () => plainly('Test', 'sql-01', 'Prove that the replica boots.'));
  await story('without JavaScript: a planned move', () => plainly('Planned', 'sql-01', "The primary's host is worked on."));
  await story('without JavaScript: the way home', () => plainly('Planned', 'sql-01', 'The way home after an earlier failover.'));
  await story('without JavaScript: a host is lost', () => rescuePlainly('sql-01'));
  await story('without JavaScript: the way home of that one', () => plainly('Planned', 'sql-01', 'The way home after an earlier failover.'));
  await story('by mouse: a host is lost', () => rescue(Mouse, 'app-01'));
  await story('by keyboard alone: the way home of that one', () => move(Keyboard, 'app-01', 'The way home after an earlier failover'));
  await story('by keyboard alone: a host is lost', () => rescue(Keyboard, 'sql-01'));
}
await browser.close();
finish();
