// SPDX-License-Identifier: Apache-2.0
// What is arranged before anything happens, over the demo's data: programs and their tokens, queues, working time and
// agreements, what switches a host off. Told by mouse and by keyboard alone.
import { api, axe, base, equal, it, ok, person, phrase, signIn, visit } from './harness.mjs';

const first = async (path) => (await api('GET', path)).data[0] || {};

/** @param {any} browser @param {any} Hand @param {string} how @param {number} n */
export const arrange = async (browser, Hand, how, n) => {
  const sit = async (email, to) => {
    const page = await person(browser);
    await signIn(page, email, to);
    return { page, hand: new Hand(page) };
  };
  const leave = async ({ page }) => {
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  };
  const closed = (page) => page.waitForFunction(() => !document.querySelector('dialog'));

  await it(`${how}: a program gets an account and a token that works, until the account is disabled`, async () => {
    const who = await sit('dr-lead@harbour-foods.example', '/app/programs');
    const { page, hand } = who;
    const name = `till reports ${n}`;
    await hand.press('button', 'New service account');
    await hand.type('Name', name, 'dialog');
    await hand.press('button', 'Create', 'dialog');
    await hand.type('Password', phrase, 'dialog:has(#su-password)');
    await hand.press('button', 'Confirm', 'dialog:has(#su-password)');
    await closed(page);
    const row = `tr:has-text("${name}")`;
    await hand.press('button', `Tokens of ${name}`, row);
    await page.waitForSelector('dialog >> text=It has no token');
    await hand.type('What it is for', 'month end', 'dialog');
    await hand.press('button', 'Make a token', 'dialog');
    const secret = (await page.locator('dialog pre').textContent()).trim();
    await page.waitForSelector('dialog li >> text=month end');
    equal(await axe(page), [], 'the dialog');
    await hand.press('button', 'Close', 'dialog');
    const status = async () => (await fetch(`${base}/v1/vms?limit=1`, { headers: { Authorization: `Bearer ${secret}` } })).status;
    equal(await status(), 200, 'what the token is answered');
    await hand.press('button', 'Disable', row);
    await page.waitForSelector(`${row} .state >> text=disabled`);
    equal(await status(), 401, 'what it is answered then');
    await hand.press('button', 'Delete', row);
    await hand.type(`Type ${name} to confirm`, name, 'dialog');
    await hand.press('button', 'Delete', 'dialog');
    await page.waitForSelector(row, { state: 'detached' });
    await leave(who);
  });

  await it(`${how}: support makes a calendar, an agreement that counts by it, and a queue, and takes them away`, async () => {
    const who = await sit('lead@provider.example', '/app/desk');
    const { page, hand } = who;
    const [office, gold, bills] = [`Office ${n}`, `Gold ${n}`, `Bills ${n}`];
    await hand.press('button', 'New calendar');
    await hand.type('Name', office, 'dialog');
    await hand.type(/^Monday/, '08:00-26:00', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector('dialog #monday.wrong'); // told at its field, and the name stays
    equal(await page.inputValue('dialog #name'), office, 'the name');
    await hand.type(/^Monday/, '08:00-12:30 13:00-18:00', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector(`section[aria-label="${office}"] >> text=08:00-12:30, 13:00-18:00`);
    await hand.press('button', 'New agreement');
    await hand.type('Name', gold, 'dialog');
    const whose = await page.locator('dialog #customer option').allTextContents();
    equal(whose.includes('all customers'), false, 'a second agreement for all is offered'); // the demo has that
    await hand.select('For', 'Quay Books', 'dialog');
    await hand.select('Calendar', office, 'dialog');
    await page.fill('dialog #urgent_response_seconds', '15');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector(`section[aria-label="${gold}"] >> text=answered within 15 min, solved within none`);
    const made = (await api('GET', `/v1/slas?limit=1&q=${encodeURIComponent(gold)}`)).data[0];
    equal([made.urgent_response_seconds, made.low_response_seconds], [900, null], 'what is promised');
    await hand.press('button', 'New queue');
    await hand.type('Name', bills, 'dialog');
    await hand.choose('checkbox', 'billing', 'dialog');
    await hand.select('Escalates to', 'Support', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector(`section[aria-label="${bills}"] >> text=billing`);
    equal((await first(`/v1/queues?limit=1&q=${encodeURIComponent(bills)}`)).types, ['billing'], 'its types');
    for (const name of [bills, gold, office]) {
      await hand.press('button', `Delete: ${name}`);
      await hand.type(`Type ${name} to confirm`, name, 'dialog');
      await hand.press('button', 'Delete', 'dialog');
      await page.waitForSelector(`section[aria-label="${name}"]`, { state: 'detached' });
    }
    await leave(who);
  });

  await it(`${how}: support writes a replication policy, a machine is offered its figures, and it is taken away`, async () => {
    const who = await sit('lead@provider.example', '/app/replication-policies');
    const { page, hand } = who;
    const name = `Quarter hour ${n}`;
    await hand.press('button', 'New replication policy');
    await hand.type('Name', name, 'dialog');
    await hand.select('Schedule interval', '15 min', 'dialog');
    await page.fill('dialog #rpo_target_seconds', '2');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector('dialog #rpo_target_seconds.wrong'); // less than the server takes
    await page.fill('dialog #rpo_target_seconds', '2700');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector(`tr:has-text("${name}") >> text=45 min`);
    equal(await axe(page), [], 'the page');
    const copied = new Set((await api('GET', '/v1/replications?limit=200')).data.map((r) => r.vm_id));
    const vm = (await api('GET', '/v1/vms?limit=200')).data.find((v) => v.host_id && !copied.has(v.id));
    await visit(page, `/app/vms/${vm.id}`);
    await hand.press('button', 'Protect');
    await page.waitForSelector(`dialog #policy option >> text=${name}`, { state: 'attached' });
    await hand.select('Policy', name, 'dialog');
    equal(await page.inputValue('dialog #rpo_target_seconds'), '2700', 'the target that is taken over');
    equal(await page.inputValue('dialog #schedule_interval_seconds'), '900', 'the interval that is taken over');
    await visit(page, '/app/replication-policies');
    await hand.press('button', `Delete: ${name}`);
    await hand.type(`Type ${name} to confirm`, name, 'dialog');
    await hand.press('button', 'Delete', 'dialog');
    await page.waitForSelector(`tr:has-text("${name}")`, { state: 'detached' });
    await leave(who);
  });

  await it(`${how}: support names what switches a host off, and its password does not come back`, async () => {
    const host = (await api('GET', '/v1/hosts?sort=name&limit=10')).data[4 + n];
    const who = await sit('lead@provider.example', `/app/hosts/${host.id}`);
    const { page, hand } = who;
    const panel = 'section[aria-label="Fence device"]';
    await page.waitForSelector(`${panel} >> text=Nothing can switch this host off.`);
    await hand.press('button', 'Name a fence device', panel);
    await hand.select('Kind', 'Redfish', 'dialog');
    await hand.type(/^Address/, '192.0.2.17', 'dialog');
    await hand.type(/^User/, 'fencer', 'dialog');
    await hand.type(/^Password/, 'a secret of the rack', 'dialog');
    equal(await axe(page), [], 'the dialog');
    await hand.press('button', 'Save', 'dialog');
    await page.waitForSelector(`${panel} >> text=192.0.2.17`);
    const said = await api('GET', `/v1/hosts/${host.id}/fence-device`);
    equal([said.agent, said.address, said.username], ['fence_redfish', '192.0.2.17', 'fencer'], 'the device');
    await hand.press('button', 'Change the fence device', panel);
    equal(await page.inputValue('dialog #fence-password'), '', 'the password that is shown');
    await hand.type(/^Outlet or machine/, '4', 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await closed(page);
    equal((await api('GET', `/v1/hosts/${host.id}/fence-device`)).plug, '4', 'the outlet');
    ok(await page.locator(`${panel} button >> text=Ask for its power`).count(), 'it cannot be asked');
    await hand.press('button', 'Forget it', panel);
    await hand.type(`Type ${host.name} to confirm`, host.name, 'dialog');
    await hand.press('button', 'Forget it', 'dialog');
    await page.waitForSelector(`${panel} >> text=Nothing can switch this host off.`);
    await leave(who);
  });
};
