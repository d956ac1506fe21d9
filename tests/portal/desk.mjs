// SPDX-License-Identifier: Apache-2.0
// What people do at tickets, machines, hosts and accounts besides failovers, over the demo's data; told by mouse and by
// keyboard alone. pages_test.sh has put one agent into quarantine and had one machine claimed by two hosts.
import { readFileSync } from 'node:fs';
import { api, axe, equal, it, ok, person, phrase, signIn, visit } from './harness.mjs';

const first = async (path) => (await api('GET', path)).data[0] || {};
const text = 'disk 0: 8 % free\n';

/** @param {any} browser @param {any} customer @param {any} Hand @param {string} how @param {number} n */
export const desk = async (browser, customer, Hand, how, n) => {
  const sit = async (email, to) => {
    const page = await person(browser);
    await signIn(page, email, to);
    return { page, hand: new Hand(page) };
  };
  const leave = async (...sitting) => {
    for (const { page } of sitting) {
      equal(page.wrong, [], 'wrong');
      await page.context().close();
    }
  };
  const ticketOf = (subject) => api('POST', '/v1/tickets', { type: 'incident', subject: `${subject} ${how}`, customer_id: customer.id });
  const confirm = async ({ page, hand }) => {
    await hand.type('Password', phrase, 'dialog:has(#su-password)');
    await hand.press('button', 'Confirm', 'dialog:has(#su-password)');
    await page.waitForSelector('#su-password', { state: 'detached' });
  };

  await it(`${how}: a file of a ticket is the same at the other side; an internal one is not there`, async () => {
    const ticket = await ticketOf('What the disk says');
    const [theirs, ours] = [await sit('dr-lead@harbour-foods.example', `/app/tickets/${ticket.number}`), await sit('lead@provider.example', `/app/tickets/${ticket.number}`)];
    await theirs.hand.press('button', 'Attach the file');
    await theirs.page.waitForSelector('.problem >> text=Choose a file first.');
    await theirs.page.setInputFiles('#file', { name: 'disk und mehr.txt', mimeType: 'text/plain', buffer: Buffer.from(text) });
    await theirs.hand.press('button', 'Attach the file');
    await theirs.page.waitForSelector('section[aria-label="Files"] a >> text=disk und mehr.txt');
    await ours.page.waitForSelector('section[aria-label="Files"] a >> text=disk und mehr.txt'); // without a reload
    const saved = ours.page.waitForEvent('download');
    await ours.hand.press('link', 'disk und mehr.txt');
    equal([(await saved).suggestedFilename(), readFileSync(await (await saved).path(), 'utf8')], ['disk und mehr.txt', text], 'the file');
    await ours.page.setInputFiles('#file', { name: 'ours.txt', mimeType: 'text/plain', buffer: Buffer.from('for us') });
    await ours.hand.choose('checkbox', /^Internal: the customer does not see it/, 'section[aria-label="Files"]');
    await ours.hand.press('button', 'Attach the file');
    await ours.page.waitForSelector('section[aria-label="Files"] >> text=ours.txt');
    await visit(theirs.page, `/app/tickets/${ticket.number}`);
    await theirs.page.waitForSelector('section[aria-label="Files"] >> text=disk und mehr.txt');
    equal(await theirs.page.locator('text=ours.txt').count(), 0, 'internal files that the customer sees');
    await leave(theirs, ours);
  });

  await it(`${how}: who works on a ticket is told who else looks at it; people hear of it, and no longer`, async () => {
    const ticket = await ticketOf('Two at once');
    const lead = await sit('lead@provider.example', `/app/tickets/${ticket.number}`);
    await lead.page.waitForSelector('section[aria-label="Who hears of it"]');
    const other = await sit('engineer@provider.example', `/app/tickets/${ticket.number}`);
    await other.page.waitForSelector('[role=status] >> text=Support lead looks at this ticket just now, too.');
    const box = 'section[aria-label="Who hears of it"]';
    const names = async () => (await api('GET', `/v1/tickets/${ticket.id}/watchers`)).data.map((w) => w.user_name).sort();
    await other.hand.press('button', 'Let me hear of it');
    await other.page.waitForSelector(`${box} li >> text=Recovery engineer`);
    await other.page.waitForFunction(() => document.querySelectorAll('#watcher option').length > 2);
    await other.hand.select('Somebody else', 'Approver', box);
    await other.hand.press('button', 'Let them hear of it');
    await lead.page.waitForSelector(`${box} li >> text=Approver`);
    equal(await names(), ['Approver', 'Recovery engineer'], 'who hears of it');
    await other.hand.press('button', 'No longer', `${box} li:has-text("Recovery engineer")`);
    await other.page.waitForSelector(`${box} li >> text=Recovery engineer`, { state: 'detached' });
    equal(await names(), ['Approver'], 'who still hears of it');
    equal(await axe(other.page), [], 'the ticket');
    await leave(lead, other);
  });

  await it(`${how}: support asks the customer, gives a ticket to a colleague, says what it has to do with another, merges it, notes its time`, async () => {
    const [ticket, whole] = [await ticketOf('A part'), await ticketOf('The whole')];
    const lead = await sit('lead@provider.example', `/app/tickets/${ticket.number}`);
    const { page, hand } = lead;
    await hand.press('button', 'Ask the customer');
    await hand.press('button', 'Ask the customer', 'dialog');
    await page.waitForSelector('dialog .field-problem'); // a question is needed
    await hand.type(/^What do you want to know/, 'Since when?', 'dialog');
    await hand.press('button', 'Ask the customer', 'dialog');
    await page.waitForSelector('.thread >> text=Since when?');
    await page.waitForSelector('.bar >> text=waits for the customer');
    await hand.press('button', 'Give it to somebody');
    await page.waitForFunction(() => document.querySelectorAll('dialog #assignee_id option').length > 2);
    await hand.select('Assigned to', 'Recovery engineer', 'dialog');
    await hand.press('button', 'Give it to somebody', 'dialog');
    await page.waitForSelector('.facts div:has(dt:text-is("Assigned to")) >> text=Recovery engineer');
    await page.click('summary >> text=Say what it has to do with another');
    await hand.select('This ticket', 'is part of', 'section[aria-label="Other tickets"]');
    await hand.type('Number of the other ticket', '000000-no-0000000');
    await hand.press('button', 'Say what it has to do with another', 'section[aria-label="Other tickets"] form');
    await page.waitForSelector('section[aria-label="Other tickets"] .field-problem >> text=There is no ticket with this number.');
    await hand.type('Number of the other ticket', whole.number);
    await hand.press('button', 'Say what it has to do with another', 'section[aria-label="Other tickets"] form');
    await page.waitForSelector(`section[aria-label="Other tickets"] li:has-text("is part of") >> text=${whole.number}`);
    await page.click('summary >> text=Note time');
    await page.fill('#worked', '25');
    await hand.press('button', 'Note time', 'section[aria-label="Time worked"] form');
    await page.waitForSelector('section[aria-label="Time worked"] >> text=25 min in all');
    await hand.press('button', 'Merge');
    await hand.type('Number of the ticket that goes on for this one', whole.number, 'dialog');
    await hand.press('button', 'Merge', 'dialog');
    await page.waitForSelector('.bar .state >> text=merged');
    equal((await api('GET', `/v1/tickets/${ticket.id}`)).merged_into_id, whole.id, 'the ticket that goes on');
    await leave(lead);
  });

  await it(`${how}: a ticket asks by a form; what does not fit is told at its field, and its page says what is asked for`, async () => {
    const vm = await first(`/v1/vms?customer_id=${customer.id}&sort=name&limit=1`);
    const who = await sit('dr-lead@harbour-foods.example', '/app/tickets/new');
    const { page, hand } = who;
    await hand.select('Type', 'request');
    await page.waitForSelector('#form');
    await hand.select('Form', 'More memory');
    await page.waitForFunction(() => document.querySelectorAll('#form-vm_id option').length > 1);
    await hand.select(/^VM/, vm.name);
    await page.fill('#form-memory_bytes', '20000');
    await hand.time('Or at', '2099-12-01', '06:00');
    await page.fill('#form-minutes', '90');
    equal(await axe(page), [], 'the form');
    await hand.press('button', 'Send');
    await page.waitForSelector('.field-problem >> text=memory_bytes is between');
    await page.fill('#form-memory_bytes', '24');
    await hand.choose('checkbox', 'The VM may be restarted for it');
    await hand.press('button', 'Send');
    await page.waitForSelector(`h1 >> text=More memory: ${vm.name}`);
    const asked = 'section[aria-label="What is asked for"]';
    await page.waitForSelector(`${asked} a >> text=${vm.name}`);
    for (const said of ['More memory', '24.0 GiB', 'yes', '1 h 30 min']) await page.waitForSelector(`${asked} dd >> text=${said}`);
    equal(await axe(page), [], 'the ticket');
    const ticket = await first(`/v1/tickets?number=${page.url().split('/').at(-1)}&limit=1`);
    equal([ticket.form.key, ticket.form.values.memory_bytes, ticket.form.window_minutes, ticket.resource_ids], ['add_memory', 24 * 2 ** 30, 90, [vm.id]], 'the form');
    ok(ticket.form.preferred_at.startsWith('2099-12-01'), ticket.form.preferred_at);
    await leave(who);
  });

  await it(`${how}: what stands in the way of protecting a machine is told in the dialog`, async () => {
    const own = new Set((await api('GET', '/v1/replications?limit=200&count=exact')).data.map((r) => r.vm_id));
    const vm = (await api('GET', '/v1/vms?limit=200')).data.find((v) => v.host_id && !own.has(v.id));
    const lead = await sit('lead@provider.example', `/app/vms/${vm.id}`);
    const { page, hand } = lead;
    await hand.press('button', 'Protect');
    await page.waitForFunction(() => document.querySelectorAll('dialog #target option').length > 1);
    await hand.select('Replica on', await page.locator('dialog #target option').nth(1).textContent(), 'dialog');
    await hand.press('button', 'Protect', 'dialog');
    await page.waitForSelector('dialog .problem li');
    equal(await axe(page), [], 'the dialog');
    await leave(lead);
  });

  await it(`${how}: a replication goes when the machine's name was typed, and not before`, async () => {
    const leg = (await api('GET', '/v1/replications?leg=primary&state=replicating&limit=200')).data.filter((r) => r.customer_id !== customer.id).at(-1 - n); // without a third copy
    const vm = await api('GET', `/v1/vms/${leg.vm_id}`);
    const lead = await sit('lead@provider.example', `/app/vms/${vm.id}`);
    const { page, hand } = lead;
    let sent = 0;
    page.on('request', (r) => { if (r.method() === 'POST' && r.url().endsWith(`/v1/replications/${leg.id}/remove`)) sent += 1; });
    await hand.press('button', 'Remove replication');
    await page.waitForSelector('dialog[open] button.danger');
    await page.locator('dialog button.danger').click({ force: true }); // it says that it cannot be pressed
    await page.waitForSelector('dialog .why >> text=Type the name first.');
    equal(await axe(page), [], 'the dialog');
    equal(sent, 0, 'what was sent before the name was typed');
    const taken = page.waitForResponse((r) => r.url().endsWith(`/v1/replications/${leg.id}/remove`));
    await hand.type(`Type ${vm.name} to confirm`, vm.name, 'dialog');
    await hand.press('button', 'Remove replication', 'dialog');
    equal((await taken).status(), 202, 'the answer');
    equal((await api('GET', `/v1/replications/${leg.id}`)).wanted, 'removed', 'what is wanted of it');
    await leave(lead);
  });

  await it(`${how}: somebody gets other roles`, async () => {
    const lead = await sit('lead@provider.example', '/app/users?q=approver%40quay');
    const { page, hand } = lead;
    const roles = async () => (await first('/v1/users?limit=1&q=approver@quay')).roles.map((r) => r.role).sort();
    await hand.press('button', 'Change roles: Approver');
    const more = n ? /^Viewer/ : /^Operator/;
    await hand.choose('checkbox', more, 'dialog');
    await hand.press('button', 'Save', 'dialog');
    await confirm(lead);
    await page.waitForFunction(() => !document.querySelector('dialog'));
    ok((await roles()).includes(n ? 'customer_viewer' : 'customer_operator'), `roles: ${await roles()}`);
    await leave(lead);
  });

  await it(`${how}: a customer that has left is erased when its name was typed`, async () => {
    const gone = await api('POST', '/v1/customers', { name: `Left by ${how}`, account_number: `L-${n}`, time_zone: 'Europe/London' });
    const ticket = await api('POST', '/v1/tickets', { type: 'incident', subject: 'The last one', customer_id: gone.id });
    await api('POST', `/v1/customers/${gone.id}/suspend`);
    const operator = await sit('operator@provider.example', `/app/customers/${gone.id}`);
    const { page, hand } = operator;
    const erase = async () => {
      await hand.press('button', 'Erase the customer');
      await page.waitForSelector('dialog[open] #typed');
      await hand.type(`Type ${gone.name} to confirm`, gone.name, 'dialog');
      await hand.press('button', 'Erase the customer', 'dialog');
    };
    await erase();
    await confirm(operator);
    await page.waitForSelector('text=The customer still has 1 ticket that is not solved.');
    equal(await axe(page), [], 'the dialog');
    await api('POST', `/v1/tickets/${ticket.id}/cancel`, { note: 'It has left.' });
    await visit(page, `/app/customers/${gone.id}`);
    await erase();
    await page.waitForURL((u) => u.pathname === '/app/customers');
    await page.waitForSelector('text=Erase the customer: done.');
    equal((await api('GET', '/v1/customers?limit=200')).data.filter((c) => c.id === gone.id), [], 'what is left of it');
    await leave(operator);
  });

  await it(`${how}: an address is given back, and rests`, async () => {
    const mine = (await api('GET', `/v1/ip-addresses?customer_id=${customer.id}&state=assigned&limit=50`)).data[n];
    const who = await sit('dr-lead@harbour-foods.example', `/app/network/${mine.block_id}`);
    const row = `tr:has(span:text-is("${mine.address}"))`;
    await who.hand.press('button', 'Give it back', row);
    await who.page.waitForSelector(`${row} >> text=in quarantine`);
    equal((await api('GET', `/v1/ip-addresses/${mine.id}`)).state, 'quarantined', 'the address');
    equal(await who.page.locator(`${row} button`).count(), 0, 'buttons of an address that rests');
    await leave(who);
  });

  await it(`${how}: the form for a failover draws what it changes, and a run's page what was promised`, async () => {
    const run = await first(`/v1/failovers?customer_id=${customer.id}&kind=planned&limit=1`);
    const vm = run.plan.members[0];
    const who = await sit('dr-lead@harbour-foods.example', `/app/request?vm=${vm.vm_id}`);
    const picture = who.page.locator('section[aria-label="What it changes"]');
    await picture.locator('svg text.f-test', { hasText: 'test copy runs' }).waitFor();
    await who.hand.choose('radio', /^Planned failover/);
    await picture.locator('svg >> text=is turned round').waitFor();
    equal(await picture.locator('svg text.f-test', { hasText: 'test copy runs' }).count(), 0, 'test copies of a planned failover');
    await who.hand.choose('radio', /^Unplanned failover/);
    await picture.locator('svg >> text=breaks off').waitFor();
    await visit(who.page, `/app/failovers/${run.id}`);
    await who.page.waitForSelector(`h1 >> text=Planned failover · ${vm.name} and ${run.plan.members.length - 1} more`);
    const promised = who.page.locator('section[aria-label="Against what was promised"]');
    const legs = (await api('GET', `/v1/replications?vm_id=${run.vm_ids.join(',')}&leg=primary&limit=50`)).data;
    const minutes = Math.min(...legs.map((r) => r.rto_target_seconds)) / 60;
    await promised.locator('svg', { hasText: `target ${minutes} min` }).waitFor();
    await promised.locator('summary').click();
    equal(await promised.locator('tbody tr').count(), 2, 'rows of the table');
    await leave(who);
  });

  if (!n) await it(`${how}: two people say whose copy of a machine goes on`, async () => {
    const vm = await first('/v1/vms?q=ae-web-03&limit=1');
    const { claims: [claim] } = await api('GET', `/v1/vms/${vm.id}/owner-conflict`);
    const { name } = await api('GET', `/v1/hosts/${claim.host_id}`);
    const statement = 'I looked at both hosts; only this one has the orders of today.';
    const choose = async (who) => {
      await who.hand.press('button', 'Say whose copy goes on');
      await who.hand.select('Whose copy goes on', name, 'dialog');
      await who.hand.type('What did you check, and how?', statement, 'dialog');
      await who.hand.press('button', 'Sign the choice', 'dialog');
      await confirm(who);
    };
    const [lead, engineer] = [await sit('lead@provider.example', `/app/vms/${vm.id}`), await sit('engineer@provider.example', `/app/vms/${vm.id}`)];
    await choose(lead);
    await engineer.page.waitForSelector(`text=Support lead chose ${name}: “${statement}”`);
    equal(await axe(engineer.page), [], 'the page');
    await choose(engineer);
    await lead.page.waitForSelector('section[aria-label="Hosts claim it against each other"]', { state: 'detached' });
    equal((await api('GET', `/v1/vms/${vm.id}/owner-conflict`)).standing, false, 'the conflict');
    await leave(lead, engineer);
  });

  if (!n) await it(`${how}: an agent is released from quarantine, and its certificate revoked`, async () => {
    const agent = (await api('GET', '/v1/agents?limit=200')).data.find((a) => a.state === 'quarantined');
    const host = await api('GET', `/v1/hosts/${agent.host_id}`);
    const lead = await sit('lead@provider.example', `/app/hosts/${host.id}`);
    const { page, hand } = lead;
    await page.waitForSelector(`[role=alert] >> text=${agent.alarm}`);
    await hand.press('button', 'Release it from quarantine');
    await confirm(lead);
    await page.waitForSelector(`[role=alert] >> text=${agent.alarm}`, { state: 'detached' }); // its button is gone while it works, too
    equal((await api('GET', `/v1/agents/${agent.id}`)).state, 'active', 'the agent');
    await hand.press('button', 'Revoke its certificate');
    await hand.type(`Type ${host.name} to confirm`, host.name, 'dialog');
    await hand.press('button', 'Revoke its certificate', 'dialog');
    await page.waitForSelector('section[aria-label="Agent"] >> text=No agent');
    equal((await api('GET', `/v1/agents/${agent.id}`)).state, 'revoked', 'the agent');
    await leave(lead);
  });
};
