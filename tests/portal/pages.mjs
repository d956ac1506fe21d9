// SPDX-License-Identifier: Apache-2.0
// Every page over the demo's data, as the people see it whose page it is: nothing that axe names, no sideways scroll, no
// script error, nothing from elsewhere. UD_TEST_LONG does it in each theme at each width; else each page is seen once, in
// another shape in turn, and each story is told by mouse or by keyboard alone, in turn. UD_SHOTS=DIR keeps a screenshot of
// each; UD_PAGES=TEXT walks only addresses with this text. Before that, what is done on pages of plans, policies,
// notifications, network maps and the war room: UD_PAGES=stories tells that alone, UD_PAGES=hands what is told by mouse and
// by keyboard, which has a server of its own (hands_test.sh).
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { api, axe, base, cramped, equal, finish, it, ok, open, person, phrase, shot, signIn, takeTurns, token, visit } from './harness.mjs';
import { arrange } from './arrange.mjs';
import { desk } from './desk.mjs';
import { Keyboard, Mouse } from './hands.mjs';
import { lengthy, nowhere, readers } from './limits.mjs';

const first = async (path) => (await api('GET', path)).data[0] || {};
const customer = await first('/v1/customers?q=Harbour&limit=1');
const ids = {
  plan: (await first(`/v1/recovery-plans?customer_id=${customer.id}&limit=1`)).id,
  run: (await first(`/v1/failovers?customer_id=${customer.id}&kind=planned&limit=1`)).id,
  test: (await first(`/v1/failovers?customer_id=${customer.id}&kind=test&limit=1`)).id,
  ticket: (await first(`/v1/tickets?customer_id=${customer.id}&type=failover&sort=-number&limit=1`)).number,
  talk: (await first(`/v1/tickets?customer_id=${customer.id}&type=request&sort=-number&limit=1`)).number,
  vm: (await first(`/v1/replications?customer_id=${customer.id}&limit=1`)).vm_id,
  block: (await first('/v1/ip-blocks?limit=1')).id,
  host: (await first('/v1/hosts?limit=1')).id,
  network: (await first(`/v1/networks?customer_id=${customer.id}&q=production&limit=1`)).id,
};
const long = Boolean(process.env.UD_TEST_LONG);
if (!long) takeTurns();
const shared = ['/app', '/app/protection', `/app/vms/${ids.vm}`, '/app/plans', `/app/plans/${ids.plan}`, `/app/request?plan=${ids.plan}&kind=planned`, '/app/failovers', `/app/failovers/${ids.run}`, `/app/failovers/${ids.test}`, '/app/drills', '/app/tickets', '/app/tickets/new', `/app/tickets/${ids.ticket}`, `/app/tickets/${ids.talk}`, '/app/network', '/app/networks', `/app/networks/${ids.network}`, '/app/approvals', '/app/standing-orders', '/app/notifications', '/app/device', '/app/settings'];
const people = [
  ['customer', 'dr-lead@harbour-foods.example', [...shared, `/app/request?vm=${ids.vm}`]],
  ['support', 'lead@provider.example', [...(long ? shared : []), '/app/queue', '/app/war-room', '/app/board', '/app/fleet', `/app/hosts/${ids.host}`, '/app/customers', `/app/customers/${customer.id}`, `/app/network/${ids.block}`, '/app/overview', '/app/policies', '/app/programs', '/app/replication-policies', '/app/desk', '/app/macros', '/app/backup', '/app/sites', '/app/users', '/app/audit']],
];
const basic = ['/basic/home', '/basic/request', '/basic/tickets', `/basic/tickets/${(await first(`/v1/tickets?customer_id=${customer.id}&type=failover&sort=-number&limit=1`)).id}`];

const combinations = ['light', 'dark', 'contrast'].flatMap((theme) => [390, 1024, 1600].map((width) => [theme, width]));
const turn = [['light', 390], ['dark', 1024], ['light', 1600], ['dark', 390], ['light', 1024], ['dark', 1600]];
const only = process.env.UD_PAGES || '';
const plain = (path) => path.replace(/[a-z]{2,3}_[0-9a-z]{26}/g, 'x');
const fileOf = (path) => plain(path).replace(/\?.*?(kind=\w+)?$/, '').replaceAll('/', '-');

const look = async (page, who, path, theme, width) => {
  await page.evaluate((t) => localStorage.setItem('us.theme', t), theme);
  await page.setViewportSize({ width, height: 900 });
  await visit(page, path);
  await page.evaluate(() => new Promise((go) => { requestAnimationFrame(() => requestAnimationFrame(go)); }));
  equal(await axe(page), [], `${theme} ${width}`);
  equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1), false, `sideways scroll at ${width}`);
  equal(await cramped(page), [], `what does not fit, ${theme} ${width}`);
  await shot(page, `${who}${fileOf(path)}-${theme}-${width}`);
};

// Words are longer in other languages: the pseudo-locale's are by two fifths.
const stretch = async (page, path, width) => {
  await page.setViewportSize({ width, height: 900 });
  await page.evaluate(() => localStorage.setItem('us.locale', 'en-XA'));
  await visit(page, path);
  await page.evaluate(() => new Promise((go) => { requestAnimationFrame(() => requestAnimationFrame(go)); }));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
  const tight = await cramped(page);
  await page.evaluate(() => localStorage.removeItem('us.locale'));
  equal([wide, tight], [false, []], `with words two fifths longer, at ${width}: sideways scroll, and what does not fit`);
};

const browser = await open();
ok(Object.values(ids).every(Boolean), `the demo lacks something: ${JSON.stringify(ids)}`);

const stories = async () => {
  await it('a program is let in by the code that it shows, after another proof', async () => {
    const asked = await api('POST', '/v1/oauth/device', { client_name: 'understudy on till-3' });
    const page = await person(browser);
    await signIn(page, 'dr-lead@harbour-foods.example', '/app/device');
    await page.fill('#code', asked.user_code.toLowerCase());
    await page.click('button >> text=Look');
    await page.waitForSelector('text=understudy on till-3');
    equal(await axe(page), [], 'what asks');
    await page.click('button >> text=Let it in');
    await page.fill('dialog input[type=password]', phrase);
    await page.click('dialog button.primary');
    await page.waitForSelector('text=Approved.');
    const got = await api('POST', '/v1/oauth/token', { device_code: asked.device_code });
    ok(got.access_token.startsWith('usp_'), 'no token came');
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('a customer makes a plan of two groups, changes it, sees both versions, and has it looked at', async () => {
    const page = await person(browser);
    await signIn(page, 'dr-lead@harbour-foods.example', '/app/plans');
    await page.click('.bar >> text=New plan');
    await page.fill('dialog #name', 'Tills before anything else');
    await page.waitForFunction(() => document.querySelectorAll('dialog #add-vm option').length > 3);
    const names = await page.evaluate(() => [...document.querySelectorAll('dialog #add-vm option')].slice(1, 3).map((o) => o.textContent));
    for (const name of names) await page.selectOption('dialog #add-vm', { label: name });
    await page.selectOption('dialog #group-1', { value: '1' });
    await page.click('dialog button.primary');
    await page.waitForSelector('h1 >> text=Tills before anything else');
    await page.waitForFunction((n) => n.every((x) => document.querySelector('svg[aria-label^="Order"]')?.textContent.includes(x.slice(0, 8))), names);
    ok((await page.locator('svg[aria-label^="Order"]').textContent()).includes('Group 2'), 'there is no second group');
    await page.click('.bar >> text=Change');
    await page.fill('dialog #days', '30');
    await page.click('dialog button.primary');
    await page.waitForSelector('text=Version 2');
    await page.waitForSelector('ins >> text=30');
    const plan = (await api('GET', '/v1/recovery-plans?q=Tills&limit=1')).data[0];
    equal(plan.members.map((m) => m.group), [0, 1], 'groups');
    equal(plan.drill_interval_days, 30, 'days between drills');
    await page.click('text=Look and keep the result');
    await page.waitForSelector('.toast');
    const ready = await api('GET', `/v1/recovery-plans/${plan.id}/readiness`);
    await page.waitForSelector(`.bar .state >> text=${ready.blocked ? 'not verified' : 'verified'}`);
    await page.click('.bar >> text=Start a test');
    await page.waitForFunction((id) => document.querySelector('#plan')?.value === id, plan.id);
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('a plan that would run in a circle is told at its members, and nothing typed is lost', async () => {
    const page = await person(browser);
    await signIn(page, 'dr-lead@harbour-foods.example', '/app/plans');
    await page.click('.bar >> text=New plan');
    await page.fill('dialog #name', 'In a circle');
    await page.waitForFunction(() => document.querySelectorAll('dialog #add-vm option').length > 3);
    for (let i = 0; i < 2; i += 1) await page.selectOption('dialog #add-vm', { index: 1 });
    await page.selectOption('dialog #after-0', { index: 1 });
    await page.selectOption('dialog #after-1', { index: 1 });
    await page.click('dialog button.primary');
    await page.waitForSelector('dialog .field-problem >> text=circle');
    equal(await page.inputValue('dialog #name'), 'In a circle', 'the name');
    await page.context().close();
  });
};
// A browser may be slow to open the stream of events: what happens between the first reading and the stream is not lost.
const gap = async () => {
  await it('what happens before the stream of events is open is shown as soon as it is', async () => {
    const page = await person(browser);
    await page.addInitScript(() => { delete window.SharedWorker; }); // a worker of the page's own: its requests can be held
    let open;
    const held = new Promise((go) => { open = go; });
    let asked = false;
    await page.route('**/v1/events/stream', async (route) => { asked = true; await held; await route.continue(); });
    const counted = page.waitForResponse((r) => r.url().includes('/v1/me/notifications?'));
    await signIn(page, 'approver@harbour-foods.example', '/app/tickets');
    await page.waitForSelector('main tbody tr');
    const before = (await (await counted).json()).total;
    const ticket = await api('POST', '/v1/tickets', { type: 'incident', subject: 'Between two chairs', customer_id: customer.id });
    await api('POST', `/v1/tickets/${ticket.id}/watchers`, { user_id: (await first('/v1/users?limit=1&q=approver@harbour')).id });
    await api('POST', `/v1/tickets/${ticket.id}/escalate`, {});
    ok(asked, 'nobody asked for the stream');
    equal(await page.locator('main tbody >> text=Between two chairs').count(), 0, 'what is shown without the stream');
    open();
    await page.waitForSelector('main tbody >> text=Between two chairs');
    await page.waitForFunction((b) => Number(document.querySelector('.head a[href="/app/notifications"]').textContent || 0) > b, before);
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
};
// What is told twice: by mouse and by keyboard alone.
const told = async (Hand, how, n) => {
  const sit = async (email, to) => {
    const page = await person(browser);
    await signIn(page, email, to);
    return { page, hand: new Hand(page) };
  };
  await it(`${how}: support makes an approval policy, tries it on a ticket, changes it, deletes it`, async () => {
    const { page, hand } = await sit('lead@provider.example', '/app/policies');
    const name = `Two for a move ${n}`;
    const mine = async () => first(`/v1/approval-policies?limit=1&q=${encodeURIComponent(name)}`);
    await hand.press('button', 'New policy');
    await hand.type('Name', name, 'dialog');
    await hand.select('Kind', 'Planned failover', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    const row = `tr:has-text("${name}")`;
    await page.waitForSelector(row);
    equal((await mine()).failover_kind, 'planned', 'the kind');
    await hand.press('button', 'Try on a ticket', row);
    await page.waitForFunction(() => document.querySelectorAll('dialog #ticket option').length > 1);
    const planned = (await api('GET', `/v1/tickets?type=failover&sort=-number&limit=50`)).data.find((x) => x.subject.startsWith('Planned'));
    await hand.select('Ticket', `${planned.number} ${planned.subject}`, 'dialog');
    await hand.press('button', 'Try on a ticket', 'dialog');
    await page.waitForSelector('dialog .ok[role=status]');
    await hand.press('button', 'Close', 'dialog');
    await hand.press('button', 'Change', row);
    await hand.select('From this severity on', 'urgent', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForFunction(() => !document.querySelector('dialog'));
    equal((await mine()).least_severity, 'urgent', 'the severity');
    await hand.press('button', 'Delete', row);
    await hand.type(`Type ${name} to confirm`, name, 'dialog');
    await hand.press('button', 'Delete', 'dialog');
    await page.waitForSelector(row, { state: 'detached' });
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it(`${how}: the customer agrees beforehand, and support ends that`, async () => {
    const name = `Nights ${n}`;
    const row = `tr:has-text("${name}")`;
    const mine = async () => (await api('GET', '/v1/standing-orders?limit=200')).data.find((o) => o.name === name);
    const theirs = await sit('dr-lead@harbour-foods.example', '/app/standing-orders');
    await theirs.hand.press('button', 'Agree beforehand');
    await theirs.hand.type('Name', name, 'dialog');
    await theirs.page.waitForFunction(() => document.querySelectorAll('dialog #plan option').length > 1);
    await theirs.hand.select('Recovery plan', (await api('GET', `/v1/recovery-plans/${ids.plan}`)).name, 'dialog');
    await theirs.hand.type('What do you agree to?', 'When the site is down, do not wait for us.', 'dialog');
    await theirs.hand.select('What becomes of the third copy?', 'Keep it: it follows the new primary', 'dialog');
    await theirs.hand.press('button', 'Give the order', 'dialog');
    await theirs.hand.type('Password', phrase, 'dialog:has(#su-password)');
    await theirs.hand.press('button', 'Confirm', 'dialog:has(#su-password)');
    await theirs.page.waitForSelector(row);
    equal((await mine()).state, 'in_force', 'the order');
    equal(theirs.page.wrong, [], 'wrong');
    await theirs.page.context().close();
    const { page, hand } = await sit('lead@provider.example', '/app/standing-orders');
    await hand.press('button', 'Revoke', row);
    await hand.type('Reason', 'They rang.', 'dialog');
    await hand.press('button', 'Revoke', 'dialog');
    await page.waitForSelector(`${row}:has-text("revoked")`);
    equal((await mine()).end_reason, 'They rang.', 'why');
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it(`${how}: what one is told is counted, leads to its ticket, and is seen`, async () => {
    const { page, hand } = await sit(n ? 'operator@harbour-foods.example' : 'dr-lead@harbour-foods.example', '/app');
    // what the page counts, once it is what the server counts: others tell them things meanwhile
    const count = async () => (await page.waitForFunction(async () => {
      const { total } = await (await fetch('/v1/me/notifications?seen=false&limit=1&count=exact')).json();
      return Number(document.querySelector('.head a[href="/app/notifications"]').textContent || 0) === total && { total };
    }).then((h) => h.jsonValue())).total;
    const unseen = async (number) => page.evaluate(async (n) => (await (await fetch('/v1/me/notifications?seen=false&limit=50')).json()).data.filter((x) => x.title.includes(n)).length, number);
    const before = await count();
    const ticket = await api('POST', '/v1/tickets', { type: 'incident', subject: `Told ${how}`, customer_id: customer.id });
    await api('POST', `/v1/tickets/${ticket.id}/watchers`, { user_id: (await first(`/v1/users?limit=1&q=${n ? 'operator' : 'dr-lead'}@harbour`)).id });
    await api('POST', `/v1/tickets/${ticket.id}/escalate`, {});
    await page.waitForFunction((b) => Number(document.querySelector('.head a[href="/app/notifications"]').textContent || 0) > b, before);
    const now = await count();
    ok(now < 50, `${now} are unseen in a fresh demo`);
    equal(await unseen(ticket.number), 1, 'what is told of it, and not seen');
    await hand.press('link', /^Notifications: /);
    await page.waitForSelector('tbody tr');
    await hand.press('link', new RegExp(ticket.number), 'tbody');
    await page.waitForSelector(`h1 >> text=Told ${how}`);
    equal(await unseen(ticket.number), 0, 'what is told of it, and not seen, afterwards');
    const left = await count();
    await hand.press('link', /^Notifications: /);
    if (left) await hand.press('button', 'I have seen all');
    await page.waitForSelector('.head a[aria-label="Notifications: nothing new"]');
    equal((await page.locator('tbody b.info').count()), 0, 'marks of new ones');
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it(`${how}: a macro is written, put into a reply with the ticket's words, changed, deleted`, async () => {
    const { page, hand } = await sit('lead@provider.example', '/app/macros');
    const name = `Looked at ${n}`;
    await hand.press('button', 'New macro');
    await hand.type('Name', name, 'dialog');
    await hand.type('What it says', 'It is about {{ticket.subject}} {{nothing}}', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector('dialog .field-problem >> text=a word that there is not'); // told at once, and nothing is lost
    equal(await page.inputValue('dialog #name'), name, 'the name');
    await hand.type('What it says', 'It is about {{ticket.subject}}.', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    const row = `tr:has-text("${name}")`;
    await page.waitForSelector(row);
    await hand.press('button', 'Change', row);
    await hand.type('What it says', 'We have looked at “{{ticket.subject}}”.', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector(`${row} >> text=We have looked at`);
    const ticket = await api('POST', '/v1/tickets', { type: 'incident', subject: `Macro ${how}`, customer_id: customer.id });
    await visit(page, `/app/tickets/${ticket.number}`);
    await hand.type('Reply', 'Good morning.', 'main');
    await hand.select(/^Macro/, name, 'main');
    await hand.press('button', 'Put it in', 'main');
    await page.waitForFunction((s) => document.querySelector('#reply')?.value === `Good morning.\nWe have looked at “${s}”.`, ticket.subject);
    await hand.press('button', 'Reply', 'main form');
    await page.waitForSelector(`.thread >> text=We have looked at “${ticket.subject}”.`);
    await visit(page, '/app/macros');
    await hand.press('button', 'Delete', row);
    await hand.type(`Type ${name} to confirm`, name, 'dialog');
    await hand.press('button', 'Delete', 'dialog');
    await page.waitForSelector(row, { state: 'detached' });
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it(`${how}: a planned failover is asked for with the time when it is to be back, on the clock of who asks`, async () => {
    const mail = n ? 'operator@harbour-foods.example' : 'dr-lead@harbour-foods.example';
    const user = await first(`/v1/users?limit=1&q=${mail}`);
    await api('PATCH', `/v1/users/${user.id}`, { time_zone: 'Asia/Kolkata' }); // five and a half hours before UTC, all year
    const page = await person(browser, { timezoneId: 'America/New_York' });
    await signIn(page, mail, `/app/request?vm=${ids.vm}&kind=planned`);
    const hand = new Hand(page);
    const day = new Date(Date.now() + 10 * 86400000).toISOString().slice(0, 10);
    await hand.choose('radio', 'The way home after an earlier failover');
    equal(await page.locator('#back').count(), 0, 'fields for a way home that has none');
    await hand.choose('radio', 'The host is worked on');
    if (await page.getByRole('radio', { name: /^Keep it/ }).count()) await hand.choose('radio', /^Keep it/);
    await hand.time(/^Or at Asia/, day, '04:00');
    await hand.time(/^Back by Asia/, day, '03:00');
    await page.waitForSelector('.field-problem >> text=after the failover has begun'); // told at its field, before anything is sent
    await hand.time(/^Back by Asia/, day, '06:00');
    await page.waitForSelector('form dl');
    await hand.press('button', 'File the request');
    await page.waitForURL(/\/app\/tickets\/\d{6}-/);
    const ticket = await first(`/v1/tickets?limit=1&number=${page.url().split('/').pop()}`);
    const run = await api('GET', `/v1/failovers/${ticket.failover_id}`);
    const hour = (h) => Date.parse(`${day}T0${h}:00:00+05:30`);
    equal([run.scheduled_at, run.window_ends_at].map((x) => Date.parse(x)), [hour(4), hour(6)], 'the window');
    await page.waitForSelector('.facts div:has(dt:text-is("Back by")) >> text=06:00:00');
    await visit(page, n ? '/app/tickets' : '/app/approvals');
    await page.waitForSelector(`main >> text=${ticket.number}`);
    await api('POST', `/v1/tickets/${ticket.id}/cancel`, {}); // nobody decides about what was withdrawn
    if (!n) await page.waitForSelector(`main >> text=${ticket.number}`, { state: 'detached' });
    await api('PATCH', `/v1/users/${user.id}`, { time_zone: user.time_zone });
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it(`${how}: what a run's page saves as its record is what the server sealed, and understudy verify accepts it`, async () => {
    const { page, hand } = await sit('dr-lead@harbour-foods.example', `/app/failovers/${ids.test}`);
    const saved = page.waitForEvent('download');
    await hand.press('link', 'Bundle (JSON)');
    const file = `${process.env.DIR}/bundle-${n}.json`;
    const name = (await saved).suggestedFilename();
    await (await saved).saveAs(file);
    const answer = await fetch(`${base}/v1/evidence/${name.replace('.json', '')}/bundle`, { headers: { Authorization: `Bearer ${token}` } });
    ok(readFileSync(file).equals(Buffer.from(await answer.arrayBuffer())), 'other bytes than the server has');
    await page.waitForSelector(`pre >> text=understudy verify ${name}`);
    execFileSync(`${process.env.UD_BINARY_DIR}/understudy`, ['verify', file], { stdio: 'pipe' });
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it(`${how}: support says what a network is at another site`, async () => {
    const { page, hand } = await sit('lead@provider.example', `/app/networks/${ids.network}`);
    const here = await api('GET', `/v1/networks/${ids.network}`);
    const sites = (await api('GET', '/v1/sites?limit=50')).data;
    const before = (await api('GET', `/v1/networks/${ids.network}/failover-map`)).entries;
    const fresh = sites.find((x) => x.id !== here.site_id && !before.some((e) => e.target_site_id === x.id));
    const test = (await api('GET', `/v1/networks?purpose=test&site_id=${fresh.id}&limit=1`)).data[0];
    await hand.press('button', 'Change the map');
    await hand.select('in a test', test.name, `dialog fieldset:has(legend:text-is("${fresh.name}"))`);
    await hand.press('button', 'Save', 'dialog');
    await page.waitForFunction(([site, net]) => { const a = document.querySelector('main svg')?.getAttribute('aria-label') || ''; return a.includes(`${site}, in a test: ${net}`); }, [fresh.name, test.name]);
    const after = (await api('GET', `/v1/networks/${ids.network}/failover-map`)).entries;
    equal(after.find((e) => e.target_site_id === fresh.id)?.test_network_id, test.id, 'the map');
    equal(after.length, before.length + 1, 'entries');
    await api('PUT', `/v1/networks/${ids.network}/failover-map`, { entries: before });
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
};

const plainly = async () => {
  await it('without JavaScript: a statement that a source is off is signed for each machine of a ticket', async () => {
    const vms = (await api('GET', `/v1/replications?customer_id=${customer.id}&limit=2`)).data.map((r) => r.vm_id);
    const names = await Promise.all(vms.map(async (id) => (await api('GET', `/v1/vms/${id}`)).name));
    const ticket = await api('POST', '/v1/tickets', { type: 'failover', customer_id: customer.id, failover: { kind: 'unplanned', vm_ids: vms, reason_code: 'site_outage' } });
    const page = await person(browser, { javaScriptEnabled: false });
    await page.goto(`${base}/basic`);
    await page.fill('#email', 'approver@harbour-foods.example');
    await page.fill('#password', phrase);
    await page.click('button');
    await page.waitForSelector('h1 >> text=My protection');
    const sign = async () => {
      await page.goto(`${base}/basic/tickets/${ticket.id}`);
      equal(await page.locator('#machine option').allTextContents(), names, 'machines to sign for');
      await page.selectOption('#machine', { label: names[1] });
      await page.fill('#statement', 'I pulled its plug myself, and its lamps are dark.');
      const answer = page.waitForResponse((r) => r.request().method() === 'POST' && r.url().endsWith('/attest-down'));
      await page.click('button >> text=Sign the statement');
      return (await answer).status();
    };
    await page.goto(`${base}/basic/tickets/${ticket.id}`);
    await page.waitForSelector('h2 >> text=Confirm that it is you');
    equal(await page.locator('#statement').count(), 0, 'fields to write into before that');
    const about = (await api('GET', `/v1/tickets/${ticket.id}`)).blockers.filter((b) => vms.includes(b.subject)).map((b) => [names[vms.indexOf(b.subject)], b.text]);
    const notes = about.map(([name, text]) => `${name}: ${text}`);
    const shown = (await page.locator('p.note').allTextContents()).join('\n');
    ok(notes.length > 0 && notes.every((n) => shown.includes(n)), `notes do not say of which machine: ${notes} in ${shown}`);
    await page.fill('#password', phrase);
    await page.click('button >> text=Confirm');
    await page.waitForSelector('#machine');
    equal(await sign(), 303, 'the answer, one step further');
    await page.waitForSelector(`li >> text=${names[1]}: I pulled its plug myself`);
    const said = (await api('GET', `/v1/events?subject_id=${ticket.id}&types=ticket.attested&limit=10`)).data;
    equal(said.length, 1, 'statements');
    ok(JSON.stringify(said[0].data).includes(vms[1]), `it is about ${JSON.stringify(said[0].data)}`);
    const full = await person(browser);
    await signIn(full, 'approver@harbour-foods.example', `/app/tickets/${ticket.number}`);
    for (const [name, text] of about) await full.locator('[role=status] li', { hasText: text }).filter({ hasText: name }).waitFor(); // said once of both
    await full.click('button >> text=Reject');
    await full.fill('#why-not', 'The store room is still open.');
    await full.click('dialog button.danger');
    await full.waitForSelector('main >> text=The store room is still open.');
    for (const one of [page, full]) {
      equal(one.wrong, [], 'wrong');
      await one.context().close();
    }
  });
  await it('what was chosen for a failover is there again when the page was closed, and can be begun anew', async () => {
    const page = await person(browser);
    await signIn(page, 'dr-lead@harbour-foods.example', '/app/request');
    const box = page.locator('label.check:has(input[type=checkbox]) >> nth=0');
    const vm = await box.locator('span').first().textContent();
    await box.click();
    await page.click('text=Train the people who would do it');
    await page.waitForFunction(() => (localStorage.getItem('us.draft.request') || '').includes('train_personnel'));
    const key = () => page.evaluate(() => JSON.parse(localStorage.getItem('us.draft.request') || '{}').key);
    const before = await key();
    await page.goto('about:blank');
    await visit(page, '/app/request');
    await page.waitForSelector('[role=status] >> text=what you had begun');
    await page.waitForSelector(`label.check:has(input:checked) >> text=${vm}`);
    equal([await page.isChecked('input[value=train_personnel]'), await key()], [true, before], 'the reason, and the key that makes one ticket of it');
    await page.click('button >> text=Begin anew');
    await page.waitForFunction(() => !localStorage.getItem('us.draft.request') && !document.querySelector('label.check input:checked[type=checkbox]'));
    await visit(page, '/app');
    await visit(page, `/app/request?vm=${ids.vm}`);
    equal(await page.locator('text=what you had begun').count(), 0, 'drafts of another form');
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('when the host of a machine does not answer, unplanned is chosen, and planned says why it cannot be', async () => {
    const page = await person(browser);
    await page.route('**/v1/vms/*/topology', async (route) => {
      const answer = await route.fetch();
      const map = await answer.json();
      for (const h of map.sites.flatMap((s) => s.hosts)) if (h.vms.some((v) => v.id === ids.vm)) h.state = 'unreachable';
      await route.fulfill({ response: answer, json: map });
    });
    const { name } = await api('GET', `/v1/vms/${ids.vm}`);
    await signIn(page, 'dr-lead@harbour-foods.example', `/app/request?vm=${ids.vm}`);
    await page.waitForSelector('input[value=unplanned]:checked');
    await page.waitForSelector(`label.card:has(input[value=planned]:disabled) >> text=The host of ${name} does not answer`);
    await page.click('label.card:has(input[value=test])');
    await page.waitForSelector('input[value=test]:checked'); // what one picks stays
    equal(await axe(page), [], 'the form');
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('without JavaScript: a planned failover is asked for with its window, and who approves reads it', async () => {
    const page = await person(browser, { javaScriptEnabled: false });
    const day = new Date(Date.now() + 20 * 86400000).toISOString().slice(0, 10);
    await page.goto(`${base}/basic`);
    await page.fill('#email', 'dr-lead@harbour-foods.example');
    await page.fill('#password', phrase);
    await page.click('button');
    await page.waitForSelector('h1 >> text=My protection');
    await page.goto(`${base}/basic/request?vm=${ids.vm}`);
    await page.check('input[value=planned]');
    await page.selectOption('#why', { label: "The primary's host is worked on." });
    await page.fill('#scheduled_at', `${day}T04:00:00Z`);
    await page.fill('#window_ends_at', `${day} 06:00`);
    equal(await page.locator('#window_ends_at:invalid').count(), 1, 'fields that the browser holds to be wrong');
    await page.fill('#window_ends_at', `${day}T06:00:00Z`);
    await page.click('button >> text=File the request');
    await page.waitForSelector(`li >> text=Begins at: ${day}T04:00:00.000Z`);
    await page.waitForSelector(`li >> text=Back by: ${day}T06:00:00.000Z`);
    const ticket = await api('GET', `/v1/tickets/${page.url().split('/').pop()}`);
    const run = await api('GET', `/v1/failovers/${ticket.failover_id}`);
    equal([run.scheduled_at, run.window_ends_at], [`${day}T04:00:00.000Z`, `${day}T06:00:00.000Z`], 'the window');
    await api('POST', `/v1/tickets/${ticket.id}/cancel`, {});
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
};

// Flow G with the keys that the help names, and what only keys do.
const byKeys = async () => {
  await it('with single keys: support finds a ticket in the queue, takes it, replies with a macro, and solves it', async () => {
    const page = await person(browser);
    const subject = 'The till in the corner is slow';
    const macro = await api('POST', '/v1/macros', { name: 'Acknowledged', body: 'Dear {{requester.name}}, we look into {{ticket.number}}.\n{{me.name}}' });
    const ticket = await api('POST', '/v1/tickets', { type: 'incident', severity: 'urgent', subject, customer_id: customer.id });
    await signIn(page, 'lead@provider.example', '/app');
    for (const key of ['g', 'q']) await page.keyboard.press(key);
    await page.waitForSelector('h1 >> text=Queue');
    await page.focus('main input[type=search]');
    await page.keyboard.type('in the corner');
    await page.waitForFunction(() => document.querySelectorAll('main tbody tr').length === 1);
    await page.keyboard.press('Enter'); // from the field to the first row
    await page.waitForSelector('tr[aria-selected=true]');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`h1 >> text=${subject}`);
    const taken = async () => (await api('GET', `/v1/tickets/${ticket.id}`)).assignee_name;
    await page.keyboard.press('a');
    await page.waitForSelector('button >> text=Give it back');
    ok(await taken(), 'nobody has it');
    await page.keyboard.press('r');
    await page.waitForFunction(() => document.activeElement?.id === 'reply');
    await page.keyboard.type(';ack ');
    const me = (await api('GET', '/v1/users?limit=1&q=lead@provider')).data[0].display_name;
    const said = (await api('GET', `/v1/tickets/${ticket.id}`)).requester_name;
    equal(await page.inputValue('#reply'), `Dear ${said || ''}, we look into ${ticket.number}.\n${me}`, 'the reply');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('End');
    await page.keyboard.type(' ;no-such ');
    ok((await page.inputValue('#reply')).endsWith(' ;no-such '), 'what is no macro was changed');
    await page.locator('form button >> text=Reply').press('Enter');
    await page.waitForSelector(`.thread >> text=we look into ${ticket.number}`);
    await page.waitForFunction(() => document.querySelector('#reply')?.value === '');
    await page.keyboard.press('e');
    await page.waitForSelector('.bar .state >> text=solved');
    await api('DELETE', `/v1/macros/${macro.id}`);
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('the palette goes to pages that no list names, and does what it says', async () => {
    const page = await person(browser);
    await signIn(page, 'dr-lead@harbour-foods.example', '/app');
    const pick = async (text, label) => {
      await page.keyboard.press('Control+k');
      await page.waitForFunction(() => document.activeElement?.matches('dialog input'));
      await page.keyboard.type(text);
      await page.waitForFunction((l) => document.querySelector('#found li[aria-selected="true"]')?.textContent.startsWith(l), label);
      await page.keyboard.press('Enter');
    };
    await pick('request a f', 'Request a failover');
    await page.waitForSelector('h1 >> text=Request a failover');
    await pick('theme: dark', 'Theme: Dark');
    await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
    await pick('sign out', 'Sign out');
    await page.waitForSelector('#email');
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('single keys that were switched off do nothing', async () => {
    const page = await person(browser);
    const ticket = await api('POST', '/v1/tickets', { type: 'incident', subject: 'Nobody takes it by a key', customer_id: customer.id });
    await signIn(page, 'lead@provider.example', '/app');
    await page.evaluate(() => localStorage.setItem('us.shortcuts', 'off'));
    await visit(page, `/app/tickets/${ticket.number}`);
    for (const key of ['a', 'r', '?']) await page.keyboard.press(key);
    await page.click('button >> text=Take it');
    await page.waitForSelector('button >> text=Give it back');
    equal([await page.evaluate(() => document.activeElement?.id === 'reply'), await page.locator('dialog').count(), (await api('GET', `/v1/tickets/${ticket.id}/history?limit=50`)).data.filter((e) => e.type === 'ticket.claimed').length], [false, 0, 1], 'what keys did');
    await page.context().close();
  });
};

const drawn = async () => {
  await it('the war room shows each VM of what runs as a lane, and the same as a table', async () => {
    const page = await person(browser);
    await signIn(page, 'lead@provider.example', '/app/war-room');
    const run = (await api('GET', '/v1/failovers?state=customer_validation&limit=1')).data[0];
    const whole = await api('GET', `/v1/failovers/${run.id}`);
    const panel = page.locator(`section:has(a[href="/app/failovers/${run.id}"])`);
    await panel.locator('svg').waitFor();
    const says = await panel.locator('svg').first().textContent();
    for (const m of whole.plan.members) ok(says.includes(m.name), `${m.name} has no lane`);
    await panel.locator('summary').click();
    equal(await panel.locator('tbody tr').count(), whole.steps.length, 'rows of the table');
    ok(await panel.locator('svg rect.dash').count() > 0, 'nothing says how long it took the last time');
    const whose = (await api('GET', `/v1/customers/${run.customer_id}`)).name;
    await panel.locator('a', { hasText: whose }).waitFor();
    await panel.locator('dd', { hasText: 'customer: to say whether it works' }).waitFor();
    const there = (await api('GET', `/v1/hosts/${whole.plan.members[0].target_host_id}`)).name;
    await visit(page, `/app/failovers/${run.id}`);
    await page.waitForSelector(`main svg[aria-label*="P ${there}: primary"]`); // it runs there, and waits for the customer
    await page.context().close();
  });
  await it('on a wall the war room is all there is, dark, and turns to its next part', async () => {
    const page = await person(browser);
    await page.clock.install();
    await page.setViewportSize({ width: 1024, height: 300 });
    await signIn(page, 'lead@provider.example', '/app/war-room');
    await page.locator('main .wall svg').first().waitFor();
    await page.click('button >> text=For a wall');
    await page.locator('.rail').waitFor({ state: 'hidden' });
    equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'the theme');
    await page.clock.fastForward(16000);
    await page.waitForFunction(() => scrollY > 0);
    equal(await axe(page), [], 'the wall');
    await page.evaluate(() => scrollTo(0, 0));
    await page.click('button >> text=For a wall');
    await page.locator('.rail').waitFor();
    equal(await page.evaluate(() => document.documentElement.dataset.theme), 'auto', 'the theme after it');
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('the first page draws where the machines are, where their copies are, and how far the worst is behind', async () => {
    const page = await person(browser);
    await signIn(page, 'dr-lead@harbour-foods.example', '/app');
    const picture = page.locator('section[aria-label="Where it is, and where its copies are"]');
    await picture.locator('svg[aria-label*="P London: primary, R Amsterdam"]').waitFor();
    for (const width of [390, 700, 1024, 1280, 1600]) { // words on the arrows stand beside the boxes, never under them
      await page.setViewportSize({ width, height: 900 });
      await page.evaluate(() => new Promise((go) => { requestAnimationFrame(() => requestAnimationFrame(go)); }));
      await page.waitForFunction(() => {
        const svg = document.querySelector('section[aria-label="Where it is, and where its copies are"] svg');
        const boxes = [...svg.querySelectorAll('rect.node')].map((r) => r.getBoundingClientRect());
        const words = [...svg.querySelectorAll('text')].filter((x) => /behind$/.test(x.textContent)).map((x) => x.getBoundingClientRect());
        return words.length === 2 && words.every((x) => boxes.every((b) => x.right <= b.left || x.left >= b.right || x.bottom <= b.top || x.top >= b.bottom));
      });
    }
    await picture.locator('summary').click();
    equal(await picture.locator('tbody tr').count(), 3, 'rows of the table');
    await picture.locator('td', { hasText: /behind/ }).first().waitFor();
    equal(await axe(page), [], 'the first page');
    await page.context().close();
  });
  await it('what is pointed at, or chosen in the palette, can be read in each theme', async () => {
    const page = await person(browser);
    await signIn(page, 'lead@provider.example', '/app/queue');
    const says = (what) => page.locator(what).evaluate((e) => {
      const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map((v) => { const s = Number(v) / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const style = getComputedStyle(e);
      const [x, y] = [light(style.color), light(style.backgroundColor)].sort((m, n) => n - m);
      return (x + 0.05) / (y + 0.05);
    });
    for (const theme of ['light', 'dark', 'contrast']) {
      await page.evaluate((t) => localStorage.setItem('us.theme', t), theme);
      await page.emulateMedia({ reducedMotion: 'reduce' });
      await visit(page, '/app/queue');
      for (const what of ['.head button[aria-label="Search"]', '.rail a[href="/app/fleet"]']) {
        await page.hover(what);
        await page.evaluate(() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => {}))));
        ok(await says(what) >= 4.5, `${theme}: ${what} has ${await says(what)}`);
      }
      await page.keyboard.press('Control+k');
      await page.waitForSelector('#found li[aria-selected="true"]');
      ok(await says('#found li[aria-selected="true"]') >= 4.5, `${theme}: the chosen row has ${await says('#found li[aria-selected="true"]')}`);
    }
    await page.context().close();
  });
  await it('plots of a VM stand in their place, and their tables have what is drawn', async () => {
    const page = await person(browser);
    await signIn(page, 'lead@provider.example', `/app/vms/${ids.vm}`);
    await page.waitForFunction(() => document.querySelectorAll('main canvas').length >= 5); // the RPO and four figures
    const out = await page.evaluate(() => [...document.querySelectorAll('main canvas')].map((c) => [c.getBoundingClientRect(), c.closest('[role=img]').getBoundingClientRect()]).filter(([c, box]) => c.top < box.top - 1 || c.bottom > box.bottom + 1).length);
    equal(out, 0, 'plots outside of their place');
    const figures = page.locator('section[aria-label="Processors"]');
    await figures.locator('summary').click();
    ok(await figures.locator('tbody tr').count() > 30, 'there are too few figures');
    await page.context().close();
  });
};

// A run that waits for protection, and both sides at its ticket. Changes what the pages of runs show: told last.
const signed = async () => {
  await it('both sides sign in the dialog that each machine of a run stays unprotected; its ticket says so', async () => {
    const run = (await api('GET', '/v1/failovers?state=customer_validation&limit=1')).data[0];
    await api('POST', `/v1/failovers/${run.id}/verify`, { result: 'pass' });
    const { number } = await api('GET', `/v1/tickets/${run.ticket_id}`);
    const names = (await api('GET', `/v1/failovers/${run.id}`)).plan.members.map((m) => m.name);
    const machines = names.length;
    const theirs = (await api('GET', `/v1/users?limit=50&customer_id=${run.customer_id}`)).data.find((u) => u.email.startsWith('approver@'));
    const statement = 'Its old host is rebuilt this week; it can be read in again.';
    const notes = (page, who, vm) => page.locator('p.note', { hasText: `${who.display_name} (${vm}): “${statement}”` });
    const sign = async (page, who, vm, proves) => {
      await page.click('button >> text=Sign that it stays unprotected');
      await page.waitForFunction((n) => document.querySelectorAll('dialog #vm option').length === n, machines);
      await page.selectOption('dialog #vm', { label: vm });
      await page.selectOption('dialog #days', { label: '30 days' });
      await page.fill('dialog #statement', statement);
      await page.click('dialog button >> text=Sign the waiver');
      if (proves) {
        await page.fill('dialog #su-password', phrase);
        await page.click('dialog:has(#su-password) button.primary');
      }
      await page.waitForFunction(() => !document.querySelector('dialog'));
      await notes(page, who, vm).waitFor();
    };
    // the last machine: without JavaScript
    const last = names.pop();
    const plainly = async (who) => {
      const page = await person(browser, { javaScriptEnabled: false });
      await page.goto(`${base}/basic`);
      await page.fill('#email', who.email);
      await page.fill('#password', phrase);
      await page.click('button');
      await page.waitForSelector('h1 >> text=My protection');
      await page.goto(`${base}/basic/tickets/${run.ticket_id}`);
      await page.fill('#password', phrase);
      await page.click('button >> text=Confirm');
      await page.selectOption('#unprotected', { label: last });
      await page.selectOption('#until', { index: 1 });
      await page.fill('#why-unprotected', statement);
      await page.click('button >> text=Sign the waiver');
      await page.waitForSelector(`li >> text=${who.display_name}, ${last}: ${statement}`);
      equal(page.wrong, [], 'wrong');
      return page;
    };
    const page = await person(browser);
    await page.addInitScript(() => { // looks at something else, and is told by the browser
      window.told = [];
      window.Notification = class { static permission = 'granted'; constructor(title, { body }) { window.told.push(`${title}: ${body}`); } };
      Object.defineProperty(document, 'hidden', { get: () => true });
    });
    await signIn(page, theirs.email, `/app/tickets/${number}`);
    await page.waitForSelector('button >> text=Sign that it stays unprotected');
    for (const [n, vm] of names.entries()) await sign(page, theirs, vm, n === 0);
    await (await plainly(theirs)).context().close();
    names.push(last);
    await notes(page, theirs, last).waitFor();
    equal(await page.locator('p.note', { hasText: '(the other side must sign it, too)' }).count(), names.length, 'signatures of one side');
    const lead = await person(browser);
    const hers = (await api('GET', '/v1/users?limit=1&q=lead@provider')).data[0];
    await signIn(lead, hers.email, `/app/tickets/${number}`);
    for (const [n, vm] of names.slice(0, -1).entries()) await sign(lead, hers, vm, n === 0);
    const plain = await plainly(hers);
    await plain.waitForSelector(`li >> text=${last}: ${statement} (both have signed; holds until`);
    await shot(plain, 'waiver-basic');
    await plain.context().close();
    let told = [];
    for (const one of [page, lead]) { // the other sees it without asking again
      await one.waitForFunction((n) => [...document.querySelectorAll('p.note')].filter((x) => x.textContent.includes('holds until')).length === n, names.length);
      await one.waitForSelector('p.big >> text=stays unprotected for a time, as both sides have signed');
      equal(await one.locator('p.note', { hasText: 'must sign' }).count(), 0, 'signatures that still wait');
      if (one === page) {
        await page.waitForFunction(() => window.told.some((x) => x.includes('as both sides have signed')));
        told = await page.evaluate(() => window.told);
      }
      await shot(one, `waiver-${one === page ? 'customer' : 'support'}`);
      equal(await axe(one), [], 'the ticket');
      equal(one.wrong, [], 'wrong');
      await one.context().close();
    }
    equal(told.filter((x) => x.includes('as both sides have signed')).length, 1, `what the browser told: ${told}`);
    equal((await api('GET', `/v1/failovers/${run.id}`)).state, 'closed_unprotected', 'the run');
  });
};
if (!only || only === 'stories') {
  await stories();
  await byKeys();
  await drawn();
  await nowhere(browser);
  await lengthy(browser, customer);
  await readers(browser, ids);
  await gap();
  await plainly();
}
if (only === 'hands') {
  for (const [n, [Hand, how]] of [[Mouse, 'by mouse'], [Keyboard, 'by keyboard alone']].entries()) {
    await told(Hand, how, n);
    await desk(browser, customer, Hand, how, n);
    await arrange(browser, Hand, how, n);
  }
}

let n = 0;
for (const [who, email, paths] of people) {
  const page = await person(browser);
  await signIn(page, email);
  for (const path of paths.filter((p) => p.includes(only))) {
    const shapes = long ? combinations : [turn[n % turn.length]];
    n += 1;
    await it(`${who} ${plain(path)} (${shapes.length > 1 ? 'each theme and width' : shapes[0].join(' ')})`, async () => {
      page.wrong.length = 0;
      for (const [theme, width] of shapes) await look(page, who, path, theme, width);
      for (const width of new Set(shapes.map(([, w]) => w))) await stretch(page, path, width);
      equal(page.wrong, [], 'wrong');
    });
  }
  await page.context().close();
}

for (const scheme of ['light', 'dark']) {
  const page = await person(browser, { javaScriptEnabled: false, colorScheme: scheme });
  await page.goto(`${base}/basic`);
  await page.fill('#email', 'dr-lead@harbour-foods.example');
  await page.fill('#password', process.env.PHRASE);
  await page.click('button');
  await page.waitForSelector('h1 >> text=My protection');
  for (const path of basic.filter((p) => p.includes(only))) {
    await it(`without JavaScript, ${scheme}: ${plain(path)} fits`, async () => {
      for (const width of [390, 1024, 1600]) {
        await page.setViewportSize({ width, height: 900 });
        const answer = await page.goto(base + path);
        equal(answer.status(), 200, path);
        if (path.startsWith('/basic/tickets/')) ok(/Machines: \w+-[\w-]+, /.test(await page.locator('body').textContent()) && await page.locator('li >> text=/Predicted downtime: \\d+ s/').count(), 'what is asked for, or what it costs, is not said');
        ok((await page.locator('main, body').first().boundingBox()).width <= width + 1, `wider than ${width}`);
        await shot(page, `basic${plain(path).replaceAll('/', '-')}-${scheme}-${width}`);
      }
    });
  }
  await page.context().close();
}
if (!only || only === 'stories') await signed();
await browser.close();
finish();
