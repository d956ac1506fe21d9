// SPDX-License-Identifier: Apache-2.0
// Two ways to use a page: with a mouse, and with the keyboard alone. A story is written once and told by either. Each counts
// what the person does: a click, a key, a text that is typed.
const soon = { timeout: 90000 };
/** The first control of this role and name that can be seen; `inside` narrows it. */
const find = (page, role, name, inside) => (inside ? page.locator(inside) : page).getByRole(role, { name, exact: typeof name === 'string' }).first();

export class Mouse {
  constructor(page) { this.page = page; this.actions = 0; }

  /** Press a button or follow a link. */
  async press(role, name, inside) {
    this.actions += 1;
    await find(this.page, role, name, inside).click(soon);
  }

  /** Choose a radio button, or tick a box. */
  async choose(role, name, inside) {
    this.actions += 1;
    await find(this.page, role, name, inside).check(soon);
  }

  /** Write into a field. */
  async type(name, text, inside) {
    this.actions += 1;
    await find(this.page, 'textbox', name, inside).fill(text, soon);
  }

  /** Choose the row of a list that folds out. */
  async select(name, label, inside) {
    this.actions += 1;
    await find(this.page, 'combobox', name, inside).selectOption({ label }, soon);
  }

  /** Set a field for a day and a time: "2026-12-01", "06:00". */
  async time(name, day, at) {
    this.actions += 1;
    await this.page.getByLabel(name).fill(`${day}T${at}`, soon);
  }
}

const STOPS = 250; // as many as a page may have on the way
export class Keyboard {
  constructor(page) { this.page = page; this.actions = 0; this.keys = 0; }

  async key(name) {
    this.keys += 1;
    await this.page.keyboard.press(name);
  }

  // Tab until the wanted control, or one of its group, has the focus.
  async reach(control) {
    await control.waitFor({ ...soon, state: 'visible' });
    for (let i = 0; i < STOPS; i += 1) {
      const at = await control.evaluate((e) => {
        const here = document.activeElement;
        if (here === e) return 'it';
        return e.type === 'radio' && here?.type === 'radio' && here.name === e.name ? 'group' : '';
      }).catch(() => '');
      if (at) return at;
      await this.key('Tab');
    }
    throw new Error(`the keyboard does not get to ${control}`);
  }

  async press(role, name, inside) {
    this.actions += 1;
    await this.reach(find(this.page, role, name, inside));
    await this.reach(find(this.page, role, name, inside)); // what has just been loaded anew may have moved away
    await this.key('Enter');
  }

  async choose(role, name, inside) {
    const control = find(this.page, role, name, inside);
    this.actions += 1;
    const at = await this.reach(control);
    if (role !== 'radio') { await this.key('Space'); return; }
    if (at === 'it') { if (!await control.isChecked()) await this.key('Space'); return; }
    for (let i = 0; i < 20 && !await control.isChecked(); i += 1) await this.key('ArrowDown');
    if (!await control.isChecked()) throw new Error(`arrow keys do not choose ${name}`);
  }

  async type(name, text, inside) {
    this.actions += 1;
    await this.reach(find(this.page, 'textbox', name, inside));
    this.keys += text.length;
    await this.page.keyboard.press('Control+a');
    await this.page.keyboard.type(text);
  }
  async select(name, label, inside) {
    const control = find(this.page, 'combobox', name, inside);
    this.actions += 1;
    await this.reach(control);
    await this.key('Home');
    const chosen = () => control.evaluate((e) => e.selectedOptions[0]?.label);
    const rows = await control.evaluate((e) => e.options.length);
    for (let i = 0; i < rows && await chosen() !== label; i += 1) await this.key('ArrowDown');
    if (await chosen() !== label) throw new Error(`arrow keys do not choose ${label}`);
  }

  // The parts of such a field, in the order of the browser's language (en-US): month, day, year, hour, minute, half of the day.
  async time(name, day, at) {
    this.actions += 1;
    await this.reach(this.page.getByLabel(name));
    const [year, month, date] = day.split('-');
    const hour = Number(at.slice(0, 2));
    for (let i = 0; i < 6; i += 1) await this.key('ArrowLeft'); // to the first of them
    for (const key of `${month}${date}${year}`) await this.key(key);
    await this.key('ArrowRight');
    for (const key of `${String(hour % 12 || 12).padStart(2, '0')}${at.slice(3)}${hour < 12 ? 'A' : 'P'}`) await this.key(key);
  }
}
