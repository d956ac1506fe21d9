// SPDX-License-Identifier: Apache-2.0
// The portal's stories. One server, three people, one browser.
import { connect, createServer } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { api, axe, base, equal, finish, it, ok, open, person, phrase, shot, signIn, token, visit } from './harness.mjs';

const world = {};
const prepare = async () => {
  world.customer = await api('POST', '/v1/customers', { name: 'Harbour Foods', account_number: 'H-1', time_zone: 'Europe/London' });
  world.site = await api('POST', '/v1/sites', { name: 'London', code: 'lon', kind: 'provider_dc', time_zone: 'Europe/London' });
  world.host = await api('POST', '/v1/hosts', { name: 'lon-a', site_id: world.site.id, hypervisor: 'kvm' });
  world.vm = await api('POST', '/v1/vms', { name: 'sql-01', host_id: world.host.id });
  await api('PATCH', `/v1/vms/${world.vm.id}`, { customer_id: world.customer.id });
  world.block = await api('POST', '/v1/ip-blocks', { prefix: '203.0.113.0/26', kind: 'public', site_id: world.site.id, customer_id: world.customer.id });
  for (const [email, role, customer_id] of [['approver@harbour.example', 'customer_admin', world.customer.id], ['lead@example.net', 'support_lead', null]]) {
    await api('POST', '/v1/users', { email, display_name: role, customer_id, role, password: phrase });
  }
};

const pagesOf = () => ({
  staff: ['/app', '/app/request', '/app/failovers', '/app/drills', '/app/tickets', '/app/tickets/new', '/app/queue', '/app/approvals', '/app/war-room', '/app/board', '/app/protection', `/app/vms/${world.vm.id}`, '/app/network', `/app/network/${world.block.id}`, '/app/fleet', `/app/hosts/${world.host.id}`, '/app/customers', `/app/customers/${world.customer.id}`, '/app/overview', '/app/users', '/app/sites', '/app/audit', '/app/settings'],
  customer: ['/app', '/app/request', '/app/failovers', '/app/drills', '/app/tickets', '/app/tickets/new', '/app/approvals', '/app/protection', `/app/vms/${world.vm.id}`, '/app/network', '/app/users', '/app/settings'],
});

// Pages that have nothing to show yet; pages.mjs has them full. Each in every shape in a long run, else in one, in turn.
const shapes = process.env.UD_TEST_LONG
  ? ['light', 'dark', 'contrast'].flatMap((theme) => [390, 1024, 1600].map((width) => [theme, width]))
  : [['light', 390], ['dark', 1280], ['light', 1280], ['dark', 390]];

const everyPage = async (browser) => {
  let n = 0;
  for (const [who, email] of [['staff', 'admin@example.net'], ['customer', 'approver@harbour.example']]) {
    const page = await person(browser);
    await signIn(page, email);
    for (const path of pagesOf()[who]) {
      const mine = process.env.UD_TEST_LONG ? shapes : [shapes[n % shapes.length]];
      n += 1;
      await it(`${who} ${path.replace(/_[0-9a-z]{26}/g, '')}: no script error, nothing from elsewhere, nothing that axe names, no sideways scroll`, async () => {
        page.wrong.length = 0;
        for (const [theme, width] of mine) {
          await page.evaluate((t) => localStorage.setItem('us.theme', t), theme);
          await page.setViewportSize({ width, height: 900 });
          await visit(page, path);
          await page.waitForTimeout(0);
          equal(await axe(page), [], `${theme} ${width}`);
          equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1), false, `sideways scroll at ${width}`);
          await shot(page, `${who}${path.replace(/_[0-9a-z]{26}/g, '').replaceAll('/', '-')}-${theme}-${width}`);
        }
        equal(page.wrong, [], 'wrong');
      });
    }
    await page.context().close();
  }
};

const firstLoad = async () => {
  await it('the first load is at most 120 KB compressed, its files stay for ever, another version is another address', async () => {
    const seen = new Map();
    const fetchOne = async (path) => {
      if (seen.has(path)) return;
      const answer = await fetch(base + path, { headers: { 'Accept-Encoding': 'identity' } });
      const plain = await answer.text();
      equal(answer.status, 200, path);
      const packed = await fetch(base + path, { headers: { 'Accept-Encoding': 'gzip' } });
      seen.set(path, Number(packed.headers.get('content-length')));
      if (path.startsWith('/static')) ok(/immutable/.test(answer.headers.get('cache-control')), `${path} is not kept`);
      for (const m of plain.matchAll(/(?:^|\n)(?:import|export)[^'"\n]*from ?['"](\.[^'"]+)['"]/g)) await fetchOne(new URL(m[1], base + path).pathname);
      for (const m of plain.matchAll(/(?:src|href)="(\/static[^"]+)"/g)) await fetchOne(m[1]);
    };
    await fetchOne('/app');
    const sum = [...seen.values()].reduce((a, b) => a + b, 0);
    console.log(`# first load: ${seen.size} files, ${sum} bytes compressed`);
    ok(seen.size > 10, 'imports were not followed');
    ok(sum <= 120 * 1024, `${sum} bytes`);
    equal((await fetch(`${base}/static/0000000000000000/portal/main.js`)).status, 404, 'another version');
    void gunzipSync;
  });
};

const stories = async (browser) => {
  await it('a wrong password is told in the server\'s words, and nothing typed is lost', async () => {
    const page = await person(browser);
    await page.goto(`${base}/app`);
    await page.fill('#email', 'lead@example.net');
    await page.fill('#password', 'not this one at all');
    await page.click('form button.primary');
    await page.waitForSelector('.problem');
    equal(await page.inputValue('#email'), 'lead@example.net', 'e-mail');
    await page.context().close();
  });
  await it('a customer sees its own machines and no page of the staff', async () => {
    const page = await person(browser);
    await signIn(page, 'approver@harbour.example', '/app/protection');
    await page.waitForSelector('text=sql-01');
    equal(await page.locator('.rail >> text=Fleet').count(), 0, 'links of the staff');
    await page.goto(`${base}/app/fleet`);
    await page.waitForSelector('text=There is no such page');
    await page.context().close();
  });
  await it('what somebody else changes appears without a reload', async () => {
    const page = await person(browser);
    await signIn(page, 'admin@example.net', '/app/customers');
    await page.waitForSelector('text=Harbour Foods');
    await page.waitForSelector('.head >> text=Live');
    await api('POST', '/v1/customers', { name: 'Quay Books', account_number: 'Q-1', time_zone: 'Europe/Paris' });
    await page.waitForSelector('text=Quay Books');
    await page.context().close();
  });
  await it('a site and a host are added, and the enrolment command is shown after confirming who one is', async () => {
    const page = await person(browser);
    await signIn(page, 'admin@example.net', '/app/sites');
    await page.click('text=New site');
    await page.fill('dialog #name', 'Amsterdam');
    await page.fill('dialog #code', 'ams');
    await page.click('dialog button.primary');
    await page.waitForSelector('text=Amsterdam (ams)');
    await page.click('text=Add a host >> nth=0');
    await page.fill('dialog #name', 'ams-c');
    await page.selectOption('dialog #site', { label: 'Amsterdam' });
    await page.click('dialog button.primary');
    await page.click('text=Make the command');
    if (await page.locator('#su-password').count() || await page.waitForSelector('#su-password, dialog pre').then((e) => e.evaluate((n) => n.id === 'su-password'))) {
      await page.fill('#su-password', phrase);
      await page.click('dialog:has(#su-password) button.primary');
    }
    await page.waitForSelector('text=understudy-agent enroll --server');
    await page.context().close();
  });
  await it('what is read while one confirms who one is signs nobody out, in this page and another of the browser', async () => {
    const page = await person(browser);
    await signIn(page, 'admin@example.net', '/app/sites');
    const other = await page.context().newPage();
    await visit(other, '/app/customers');
    for (const one of [page, other]) await one.waitForSelector('.head >> text=Live');
    let refused = 0;
    // the session has its new secret, which was used, and this browser reads two lists before it hears of it
    await page.route('**/v1/me/step-up', async (route) => {
      const cookie = (await page.context().cookies()).map((c) => `${c.name}=${c.value}`).join('; ');
      const answer = await fetch(route.request().url(), { method: 'POST', headers: { ...route.request().headers(), cookie }, body: route.request().postData() });
      const fresh = { cookie: answer.headers.get('set-cookie').split(';')[0], 'x-csrf-token': route.request().headers()['x-csrf-token'] };
      equal((await fetch(`${base}/v1/me/notifications/seen`, { method: 'POST', headers: fresh })).status < 400, true, 'the new secret');
      const late = [[page, '/v1/sites'], [other, '/v1/customers']].map(([one, path]) => one.waitForResponse((r) => r.url().includes(path) && r.status() === 401));
      await api('POST', '/v1/sites', { name: 'Bruges', code: 'bru', kind: 'cloud', time_zone: 'Europe/Brussels' });
      await api('POST', '/v1/customers', { name: 'Late Foods', account_number: 'L-1', time_zone: 'Europe/Paris' });
      refused = (await Promise.all(late)).length;
      await route.fulfill({ status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() });
    });
    await page.click('text=Enrol >> nth=0');
    await page.click('text=Make the command');
    await page.fill('#su-password', phrase);
    await page.click('dialog:has(#su-password) button.primary');
    await page.waitForSelector('text=understudy-agent enroll --server');
    equal(refused, 2, 'lists that were read too late');
    await page.waitForSelector('text=Bruges (bru)');
    await other.waitForSelector('text=Late Foods');
    await page.context().close();
  });
  await it('when the answer of confirming who one is gets lost, one confirms once more, and is signed in all the time', async () => {
    const page = await person(browser);
    await signIn(page, 'admin@example.net', '/app/sites');
    let lost = 0;
    await page.route('**/v1/me/step-up', async (route) => {
      const cookie = (await page.context().cookies()).map((c) => `${c.name}=${c.value}`).join('; ');
      await fetch(route.request().url(), { method: 'POST', headers: { ...route.request().headers(), cookie }, body: route.request().postData() });
      lost += 1;
      await route.abort('connectionreset');
    }, { times: 1 });
    await page.click('text=Enrol >> nth=0');
    await page.click('text=Make the command');
    await page.fill('#su-password', phrase);
    await page.click('dialog:has(#su-password) button.primary');
    await page.waitForSelector('dialog:has(#su-password) .problem >> text=cannot be reached');
    const site = await api('POST', '/v1/sites', { name: 'Ghent', code: 'gne', kind: 'cloud', time_zone: 'Europe/Brussels' });
    await page.waitForSelector('text=Ghent (gne)'); // read with the secret that it has
    await page.click('dialog:has(#su-password) button.primary');
    await page.waitForSelector('text=understudy-agent enroll --server');
    equal(lost, 1, 'lost answers');
    await api('DELETE', `/v1/sites/${site.id}`);
    page.wrong = page.wrong.filter((w) => !w.includes('ERR_CONNECTION_RESET'));
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('by keyboard alone: sign in, find a machine, open it', async () => {
    const page = await person(browser);
    await page.goto(`${base}/app`);
    await page.waitForSelector('#email');
    await page.focus('#email');
    await page.keyboard.type('lead@example.net');
    await page.keyboard.press('Tab');
    await page.keyboard.type(phrase);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.frame');
    await page.keyboard.press('/');
    await page.waitForFunction(() => document.activeElement?.matches('dialog input'));
    await page.keyboard.type('sql-0');
    await page.waitForSelector('#found >> text=sql-01');
    await page.waitForFunction(() => document.querySelector('#found li[aria-selected="true"]')?.textContent.includes('sql-01'));
    await page.keyboard.press('Enter');
    await page.waitForSelector('h1 >> text=sql-01');
    await page.context().close();
  });
  await it('a ticket is opened, answered, taken and solved, and each sees the other\'s part at once', async () => {
    const customer = await person(browser);
    const lead = await person(browser);
    await signIn(customer, 'approver@harbour.example', '/app/tickets/new');
    await customer.fill('#subject', 'The web shop is slow');
    await customer.fill('#body', 'Since this morning.');
    await customer.click('form button.primary');
    await customer.waitForSelector('h1 >> text=The web shop is slow');
    await signIn(lead, 'lead@example.net', '/app/queue');
    await lead.click('text=The web shop is slow');
    await lead.waitForSelector('text=Since this morning.');
    await lead.click('button >> text=Take it');
    await lead.fill('#reply', 'We are looking.');
    await lead.click('form button >> text=Reply');
    await customer.waitForSelector('text=We are looking.');
    await lead.fill('#reply', 'It was the customer\'s own change.');
    await lead.check('form input[type=checkbox]');
    await lead.click('form button >> text=Reply');
    await lead.waitForSelector('li.internal');
    await lead.click('button >> text=Solve');
    await customer.waitForSelector('.bar .state >> text=solved');
    equal(await customer.locator('text=own change').count(), 0, 'internal notes seen by the customer');
    equal([...customer.wrong, ...lead.wrong], [], 'wrong');
    await customer.context().close();
    await lead.context().close();
  });
  await it('in the pseudo-locale every word of the frame comes from the catalogue', async () => {
    const page = await person(browser);
    await signIn(page, 'lead@example.net');
    await visit(page, '/app/settings?locale=en-XA');
    const plain = await page.evaluate(() => [...document.querySelectorAll('h1, h2, label, button:not(.clock), .rail a, dt, th')].map((e) => e.textContent.trim()).filter((x) => x && !x.startsWith('[') && x !== '?'));
    equal(plain, [], 'not from the catalogue');
    await page.context().close();
  });
};

/** A line to the server that can be cut and mended: its address, and both of these. */
const line = async () => {
  const { hostname, port } = new URL(base);
  const ends = new Set();
  let whole = true;
  const gate = createServer((near) => {
    if (!whole) { near.destroy(); return; }
    const far = connect(Number(port), hostname);
    for (const end of [near, far]) {
      ends.add(end);
      end.on('error', () => {});
      end.on('close', () => { ends.delete(end); near.destroy(); far.destroy(); });
    }
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise((go) => { gate.listen(0, '127.0.0.1', () => go(undefined)); });
  return { url: `http://127.0.0.1:${/** @type {any} */ (gate.address()).port}`, mend: () => { whole = true; }, end: () => { gate.close(); for (const end of ends) end.destroy(); },
    cut: () => { whole = false; for (const end of ends) end.destroy(); } };
};
const reconnect = async (browser) => {
  await it('a line that is cut and mended: how old the page is, what was missed, and nothing typed is lost', async () => {
    const way = await line();
    const page = await person(browser);
    page.on('request', (r) => { if (r.url().startsWith(way.url)) page.wrong = page.wrong.filter((w) => !w.includes(r.url())); });
    await page.goto(`${way.url}/app/tickets/new`);
    await page.fill('#email', 'approver@harbour.example');
    await page.fill('#password', phrase);
    await page.click('form button.primary');
    await page.waitForSelector('.head >> text=Live');
    const list = await page.context().newPage(); // the same browser: one stream for both
    await list.goto(`${way.url}/app/tickets`);
    await list.waitForSelector('.head >> text=Live');
    await list.waitForSelector('main .empty, main tbody tr');
    await page.fill('#subject', 'Typed before the line broke');
    way.cut();
    for (const one of [page, list]) {
      await one.waitForSelector('.head >> text=Not connected');
      await one.waitForSelector('main [role=status] >> text=/was lost \\d+ s ago/');
    }
    await page.fill('#body', 'Typed while it was broken.');
    await page.click('form button.primary');
    await page.waitForSelector('form .problem >> text=cannot be reached');
    for (const subject of ['One that was missed', 'Another that was missed']) await api('POST', '/v1/tickets', { type: 'incident', subject, customer_id: world.customer.id });
    equal(await list.locator('text=Another that was missed').count(), 0, 'news without a line');
    way.mend();
    await list.waitForSelector('.head >> text=Live');
    await list.waitForSelector('.toast >> text=/caught up \\d+ events/');
    await list.waitForSelector('tbody >> text=Another that was missed');
    await page.waitForSelector('.head >> text=Live');
    equal(await page.locator('main [role=status] >> text=was lost').count(), 0, 'still said to be lost');
    equal([await page.inputValue('#subject'), await page.inputValue('#body')], ['Typed before the line broke', 'Typed while it was broken.'], 'what was typed');
    await page.click('form button.primary');
    await page.waitForSelector('h1 >> text=Typed before the line broke');
    equal((await api('GET', `/v1/tickets?q=${encodeURIComponent('before the line broke')}`)).data.length, 1, 'tickets of one that was sent twice');
    await page.context().close();
    way.end();
  });
  await it('after a gap the pages hear how much was caught up once the server says that this is all, however long it takes', async () => {
    const said = [];
    const steps = [];
    const wait = async (look, what) => { for (let i = 0; !look(); i += 1) { ok(i < 1000, what); await new Promise((go) => { setImmediate(() => go(undefined)); }); } };
    // the worker as it is served, with a server that speaks when it is told to, and a clock on which everything is at once
    const bytes = new TextEncoder();
    const scope = { postMessage: (m) => said.push(m), onmessage: null };
    const streamOf = async () => new Response(new ReadableStream({ start: (c) => { steps.push(c); } }), { status: 200 });
    const source = await (await fetch(`${base}${[...(await (await fetch(`${base}/app`)).text()).matchAll(/src="(\/static[^"]+)portal\/main\.js"/g)][0][1]}portal/core/live-worker.js`)).text();
    new Function('self', 'fetch', 'setTimeout', 'settled', source.replace(/^import .*$/m, ''))(scope, streamOf, (run) => setImmediate(run), async () => {});
    scope.onmessage({ data: 'start' });
    await wait(() => steps.length === 1, 'no stream was asked for');
    steps[0].enqueue(bytes.encode('retry: 2000\n: open\nid: a\n\n: up to date\n\n'));
    steps[0].close();
    await wait(() => steps.length === 2, 'it was not asked for again');
    steps[1].enqueue(bytes.encode('retry: 2000\n: open\nid: a\n\n'));
    await wait(() => said.filter((m) => m.state === 'live').length === 2, 'it does not live again');
    for (let i = 0; i < 50; i += 1) await new Promise((go) => { setImmediate(() => go(undefined)); });
    equal(said.filter((m) => m.kind === 'caught-up'), [], 'said before anything came');
    for (const id of ['b', 'c']) steps[1].enqueue(bytes.encode(`id: ${id}\nevent: vm.created\ndata: {}\n\n`));
    steps[1].enqueue(bytes.encode(': up to date\n\n: still here\n\n'));
    await wait(() => said.some((m) => m.kind === 'caught-up'), 'nothing is said');
    equal(said.filter((m) => m.kind === 'caught-up'), [{ kind: 'caught-up', count: 2 }], 'what is said');
  });
  await it('what was typed is there again when the page was closed', async () => {
    const page = await person(browser);
    await signIn(page, 'approver@harbour.example', '/app/tickets/new');
    await page.fill('#subject', 'Half a thought');
    await page.goto('about:blank');
    await visit(page, '/app/tickets/new');
    equal(await page.inputValue('#subject'), 'Half a thought', 'the subject');
    await page.fill('#subject', '');
    await page.context().close();
  });
};

const streams = async () => {
  await it('who comes and goes often is not held to be many', async () => {
    for (let i = 0; i < 30; i += 1) {
      const leave = new AbortController();
      const answer = await fetch(`${base}/v1/events/stream`, { headers: { Authorization: `Bearer ${token}` }, signal: leave.signal });
      equal(answer.status, 200, `stream ${i}`);
      await answer.body.getReader().read();
      leave.abort();
    }
  });
};

const basic = async (browser) => {
  await it('without JavaScript: sign in, see the machines, open a ticket, read it, sign out; each page at most 30 KB', async () => {
    const page = await person(browser, { javaScriptEnabled: false });
    const sizes = [];
    page.on('response', async (r) => { if (r.url().includes('/basic')) sizes.push((await r.body().catch(() => '')).length); });
    await page.goto(`${base}/basic`);
    await page.fill('#email', 'approver@harbour.example');
    await page.fill('#password', phrase);
    await page.click('button');
    await page.waitForSelector('h1 >> text=My protection');
    ok(await page.locator('td >> text=sql-01').count(), 'the machine is not there');
    await page.click('text=Tickets >> nth=0');
    await page.waitForSelector('h1 >> text=Tickets');
    await page.click('text=My protection');
    await page.click('text=Sign out');
    await page.waitForSelector('h1 >> text=Sign in');
    await page.goto(`${base}/basic/home`);
    await page.click('text=Sign in >> nth=-1');
    await page.waitForSelector('#email');
    ok(Math.max(...sizes) <= 30 * 1024, `a page has ${Math.max(...sizes)} bytes`);
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
  await it('a form of another session, or without the session\'s mark, changes nothing', async () => {
    const jar = await fetch(`${base}/basic/v1/sessions`, { method: 'POST', redirect: 'manual', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: `email=approver@harbour.example&password=${encodeURIComponent(phrase)}` });
    equal(jar.status, 303, 'sign-in');
    const cookie = jar.headers.get('set-cookie').split(';')[0];
    for (const mark of ['', '&_csrf=AaqLXxjOl_R4Y_557iI_8AdWynrruno7NKt9zdMIuyM']) {
      const answer = await fetch(`${base}/basic/v1/tickets`, { method: 'POST', redirect: 'manual', headers: { 'Content-Type': 'application/x-www-form-urlencoded', Cookie: cookie }, body: `type=incident&subject=x&_key=k1${mark}` });
      equal(answer.status, 403, `mark "${mark}"`);
    }
  });
};

const catalogue = async () => {
  await it('every text that the pages ask for is in the catalogue', async () => {
    const { en } = await import(`${process.env.UD_SOURCE_DIR}/static/portal/core/en.js`);
    const { readdirSync, readFileSync } = await import('node:fs');
    const root = `${process.env.UD_SOURCE_DIR}/static/portal/`;
    const missing = readdirSync(root, { recursive: true }).filter((f) => f.endsWith('.js')).flatMap((f) => [...readFileSync(root + f, 'utf8').matchAll(/\bt\('([^']+)'|title: '([a-z-]+\.[a-z-]+)'/g)].map((m) => m[1] || m[2]).filter((k) => !(k in en)).map((k) => `${f}: ${k}`));
    equal(missing, [], 'missing');
  });
};

const browser = await open();
await prepare();
await firstLoad();
await catalogue();
await streams();
await stories(browser);
await reconnect(browser);
await basic(browser);
await everyPage(browser);
await browser.close();
finish();
