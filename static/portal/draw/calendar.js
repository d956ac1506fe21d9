// SPDX-License-Identifier: Apache-2.0
// Days with what was due, done or missed: a real table, a mark in each day.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { tone } from '../ui/parts.js';

const key = (d) => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`;
/** @param {{ month: Date, entries: Record<string, { state: string, text: string, to?: string }[]> }} props entries by "2026-11-25" */
export const Calendar = ({ month, entries }) => {
  const first = new Date(month.getFullYear(), month.getMonth(), 1);
  const days = new Date(month.getFullYear(), month.getMonth() + 1, 0).getDate();
  const lead = (first.getDay() + 6) % 7;
  const weeks = Array.from({ length: Math.ceil((lead + days) / 7) }, (_, w) => Array.from({ length: 7 }, (__, d) => w * 7 + d - lead + 1));
  const names = Array.from({ length: 7 }, (_, i) => new Intl.DateTimeFormat('en-GB', { weekday: 'short' }).format(new Date(2024, 0, i + 1)));
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t('calendar')}><table class="calendar"><caption class="muted">${new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric' }).format(first)}</caption><thead><tr>${names.map((n) => html`<th scope="col">${n}</th>`)}</tr></thead>
    <tbody>${weeks.map((week) => html`<tr>${week.map((day) => {
    if (day < 1 || day > days) return html`<td></td>`;
    const list = entries[key(new Date(month.getFullYear(), month.getMonth(), day))] || [];
    return html`<td><span class="muted">${day}</span>${list.map((e) => html`<div class=${tone(e.state).tone}>${e.to ? html`<a href=${e.to}><b aria-hidden="true">${tone(e.state).shape}</b> <span class="entry">${e.text}</span></a>` : html`<b aria-hidden="true">${tone(e.state).shape}</b> <span class="entry">${e.text}</span>`} <span class="sr">${word('state', e.state)}</span></div>`)}</td>`;
  })}</tr>`)}</tbody></table></div>`;
};
