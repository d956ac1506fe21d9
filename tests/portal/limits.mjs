// SPDX-License-Identifier: Apache-2.0
// What pages do at their limits: with what is not there, for who may only read, and with names without an end.
import { api, axe, equal, it, ok, person, signIn, visit } from './harness.mjs';

const first = async (path) => (await api('GET', path)).data[0] || {};

// What is not there is told in the page's heading, with what else a page has.
/** @param {any} browser */
export const nowhere = async (browser) => {
  await it('a page whose object there is not says so in its heading', async () => {
    const page = await person(browser, { viewport: { width: 390, height: 900 } });
    await signIn(page, 'lead@provider.example');
    const none = '00000000000000000000000000';
    for (const path of [`vms/vm_${none}`, `plans/pln_${none}`, `failovers/flo_${none}`, `hosts/hst_${none}`, `customers/cus_${none}`, `network/ipb_${none}`, `networks/net_${none}`, `tickets/tkt_${none}`, 'tickets/270101-no-0000000', 'no-such-page']) {
      await visit(page, `/app/${path}`);
      equal(await page.locator('main h1').allTextContents(), [/_0/.test(path) ? 'There is no such thing here' : 'Not found'], path);
      equal(await axe(page), [], path);
    }
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
};

// Who may only read finds nothing to press that would be refused.
/** @param {any} browser @param {any} ids of the demo's things, by kind */
export const readers = async (browser, ids) => {
  await it('an auditor and a viewer are offered nothing that they may not do', async () => {
    const pressed = 'main a[href^="/app/request"], main a[href="/app/tickets/new"], #reply, main button:text-is("Take the next")';
    for (const [mail, role] of [['support-2@provider.example', 'auditor'], ['operator@harbour-foods.example', 'customer_viewer']]) {
      const user = await first(`/v1/users?limit=1&q=${mail}`);
      const before = user.roles.map((r) => r.role);
      await api('PATCH', `/v1/users/${user.id}`, { roles: [role] });
      const page = await person(browser);
      await signIn(page, mail);
      for (const path of ['/app', '/app/tickets', `/app/tickets/${ids.ticket}`, '/app/failovers', '/app/drills', `/app/plans/${ids.plan}`, `/app/vms/${ids.vm}`, ...(role === 'auditor' ? ['/app/queue'] : [])]) {
        await visit(page, path);
        equal(await page.locator(pressed).count(), 0, `${role} on ${path}: what may not be done`);
      }
      await page.keyboard.press('f');
      await page.keyboard.press('?'); // the next key is heard: the one before went nowhere
      await page.waitForSelector('dialog[open]');
      ok(!page.url().includes('/app/request'), 'a key leads to the form');
      await visit(page, '/app/request');
      await page.waitForSelector('h1 >> text=Not found');
      equal(page.wrong, [], 'wrong');
      await page.context().close();
      await api('PATCH', `/v1/users/${user.id}`, { roles: before });
    }
  });
};

// Names are as long as people make them, and have no place to break at.
/** @param {any} browser @param {any} customer */
export const lengthy = async (browser, customer) => {
  await it('a name without an end does not make a page wider than its screen', async () => {
    const subject = 'Lagerverwaltungssoftwareanbindungsdienst'.repeat(4);
    const ticket = await api('POST', '/v1/tickets', { customer_id: customer.id, type: 'request', severity: 'normal', subject });
    const page = await person(browser, { viewport: { width: 390, height: 900 } });
    await signIn(page, 'lead@provider.example');
    for (const path of [`/app/tickets/${ticket.id}`, '/app/tickets?sort=-number', '/app/queue']) {
      await visit(page, path);
      await page.waitForSelector(`main >> text=${subject}`);
      for (const width of [390, 1024, 1600]) {
        await page.setViewportSize({ width, height: 900 });
        equal(await page.evaluate(() => [document.documentElement, ...document.querySelectorAll('.scroll')].some((e) => e.scrollWidth > e.clientWidth + 1)), false, `${path}: sideways scroll at ${width}`);
      }
    }
    equal(page.wrong, [], 'wrong');
    await page.context().close();
  });
};
