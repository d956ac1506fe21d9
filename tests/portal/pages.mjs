// SPDX-License-Identifier: Apache-2.0
// Every page over the demo's data, as the people see it whose page it is: nothing that axe names, no sideways scroll, no
// script error, nothing from elsewhere. UD_TEST_LONG does it in each theme at each width; else each page is seen once, in
// another shape in turn. UD_SHOTS=DIR keeps a screenshot of each; UD_PAGES=TEXT walks only addresses with this text. Before
// that, what is done on pages of plans.
import { api, axe, base, equal, finish, it, ok, open, person, shot, signIn, visit } from './harness.mjs';

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
};
const long = Boolean(process.env.UD_TEST_LONG);
const shared = ['/app', '/app/protection', `/app/vms/${ids.vm}`, '/app/plans', `/app/plans/${ids.plan}`, `/app/request?plan=${ids.plan}&kind=planned`, '/app/failovers', `/app/failovers/${ids.run}`, `/app/failovers/${ids.test}`, '/app/drills', '/app/tickets', '/app/tickets/new', `/app/tickets/${ids.ticket}`, `/app/tickets/${ids.talk}`, '/app/network', '/app/approvals', '/app/notifications', '/app/settings'];
const people = [
  ['customer', 'dr-lead@harbour-foods.example', [...shared, `/app/request?vm=${ids.vm}`]],
  ['support', 'lead@provider.example', [...(long ? shared : []), '/app/queue', '/app/war-room', '/app/board', '/app/fleet', `/app/hosts/${ids.host}`, '/app/customers', `/app/customers/${customer.id}`, `/app/network/${ids.block}`, '/app/overview', '/app/policies', '/app/sites', '/app/users', '/app/audit']],
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
  await shot(page, `${who}${fileOf(path)}-${theme}-${width}`);
};

const browser = await open();
ok(Object.values(ids).every(Boolean), `the demo lacks something: ${JSON.stringify(ids)}`);

const stories = async () => {
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
if (!only || only === 'stories') await stories();

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
        ok((await page.locator('main, body').first().boundingBox()).width <= width + 1, `wider than ${width}`);
        await shot(page, `basic${plain(path).replaceAll('/', '-')}-${scheme}-${width}`);
      }
    });
  }
  await page.context().close();
}
await browser.close();
finish();
