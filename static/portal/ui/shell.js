// SPDX-License-Identifier: Apache-2.0
// The frame around every page: rail, header, search, connection, palette, step-up.
import { html, signal, useEffect, useSignal } from '../core/html.js';
import { confirmer, get, signOut, stepUp } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { caughtUp, connection, listen, lostAt } from '../core/live.js';
import { go } from '../core/router.js';
import { clock, faces, has, isStaff, mayAsk, me, path, shortcuts, theme } from '../core/store.js';
import { dateTime, duration } from '../core/time.js';
import { countUnseen, toldTopics, unseenOnes } from '../core/told.js';
import { pages } from '../pages/index.js';
import { Demo, Dialog, Form, Text, Toasts, now, toast } from './parts.js';

const allowed = (page) => !page.roles || has(...page.roles);
const inRail = (page) => page.rail && allowed(page);

const Rail = ({ open }) => {
  const here = path.value.split('?')[0];
  // Staff look at the customers' pages, too: over all customers.
  const groups = ['customer', 'support', 'admin'].filter((g) => faces.value.includes(g) || g === 'customer');
  return html`<div class=${`rail ${open ? 'open' : ''}`} id="rail"><nav aria-label=${t('navigation')}>${groups.map((g) => {
    const rows = pages.filter((p) => p.rail === g && inRail(p));
    return rows.length ? html`${groups.length > 1 && html`<h2>${t(g === 'customer' && isStaff.value ? 'face.all' : `face.${g}`)}</h2>`}${rows.map((p) => html`<a href=${p.path} aria-current=${here === p.path || (p.path !== '/app' && here.startsWith(`${p.path}/`)) ? 'page' : undefined}>${t(p.title)}</a>`)}` : null;
  })}<div class="narrow"><${Clock}/><button type="button" onClick=${() => { help.value = true; }}>${t('help')}</button><${Theme}/><${Leave}/></div></nav></div>`;
};

// What stands in the header, and on a phone in the menu.
const Clock = () => html`<button type="button" class="clock" title=${t('clock.about')} onClick=${() => { clock.value = clock.value === 'utc' ? 'local' : 'utc'; }}>${dateTime(new Date(now.value).toISOString()).slice(-8)} ${clock.value === 'utc' ? 'UTC' : ''}</button>`;
const Theme = () => html`<select aria-label=${t('theme')} value=${theme.value} onChange=${(e) => { theme.value = e.currentTarget.value; }}>${['auto', 'light', 'dark', 'contrast'].map((x) => html`<option value=${x} selected=${x === theme.value}>${t(`theme.${x}`)}</option>`)}</select>`;
const Leave = () => html`<button type="button" onClick=${() => signOut().catch((p) => toast(p.message, true))}>${t('sign-out')}</button>`;

const Dot = () => {
  const state = connection.value;
  const shown = { live: ['ok', '●'], lost: ['bad', '■'], connecting: ['idle', '○'], 'signed-out': ['idle', '○'] }[state];
  return html`<span class=${`state ${shown[0]}`} title=${t(`connection.${state}.about`)}><b aria-hidden="true">${shown[1]}</b><span class="wide">${t(`connection.${state}`)}</span><span class="sr">${t(`connection.${state}.about`)}</span></span>`;
};

export const palette = signal(false);
export const help = signal(false);
const titles = { vm: '/app/vms/', customer: '/app/customers/', host: '/app/hosts/', ticket: '/app/tickets/', user: '/app/users?q=', ip_block: '/app/network/', site: '/app/sites?site=', recovery_plan: '/app/plans/' };
const places = (found) => found.filter((f) => titles[f.object]).map((f) => ({ label: f.title, kind: word('object', f.object), to: titles[f.object] + (f.object === 'user' ? encodeURIComponent(f.title) : f.id) }));

// What the palette does besides going somewhere.
const acts = [
  { label: t('drills.start'), to: '/app/request?kind=test' }, ...['auto', 'light', 'dark', 'contrast'].map((x) => ({ label: x === 'auto' ? t('theme.auto') : `${t('theme')}: ${t(`theme.${x}`)}`, run: () => { theme.value = x; } })),
  { label: t('clock.about'), run: () => { clock.value = clock.value === 'utc' ? 'local' : 'utc'; } }, { label: t('help'), run: () => { help.value = true; } }, { label: t('sign-out'), run: () => signOut().catch((p) => toast(p.message, true)) },
].map((a) => ({ ...a, kind: t('action') }));

const Palette = () => {
  const text = useSignal('');
  const found = useSignal(/** @type {any[]} */ ([]));
  const at = useSignal(0);
  useEffect(() => {
    const timer = setTimeout(async () => {
      const wanted = (label) => label.toLowerCase().includes(text.value.toLowerCase());
      const own = [...pages.filter((p) => !p.path.includes(':') && allowed(p)).map((p) => ({ label: t(p.title), kind: t('page'), to: p.path })), ...acts.filter((a) => !('to' in a) || mayAsk())].filter((x) => wanted(x.label));
      let more = [];
      try { if (text.value.length > 1) more = places((await get(`/v1/search?q=${encodeURIComponent(text.value)}`)).data); } catch { /* pages are enough */ }
      found.value = [...own, ...more].slice(0, 12);
      at.value = 0;
    }, 120);
    return () => clearTimeout(timer);
  }, [text.value]);
  const open = (item) => { palette.value = false; if (item?.run) item.run(); else if (item) go(item.to); };
  const key = (event) => {
    if (event.key === 'ArrowDown') at.value = Math.min(at.value + 1, found.value.length - 1);
    else if (event.key === 'ArrowUp') at.value = Math.max(at.value - 1, 0);
    else if (event.key === 'Enter') open(found.value[at.value]);
    else return;
    event.preventDefault();
  };
  return html`<${Dialog} title=${t('palette')} onClose=${() => { palette.value = false; }}><div class="palette"><input type="search" role="combobox" aria-expanded="true" aria-controls="found" aria-activedescendant=${`found-${at.value}`} aria-label=${t('palette')} autofocus value=${text.value} onInput=${(e) => { text.value = e.currentTarget.value; }} onKeyDown=${key}/>
    <ul id="found" role="listbox" aria-label=${t('palette.found')}>${found.value.map((f, i) => html`<li id=${`found-${i}`} role="option" aria-selected=${i === at.value ? 'true' : 'false'} onClick=${() => open(f)}>${f.label} <span class="muted">${f.kind}</span></li>`)}</ul></div></${Dialog}>`;
};

// ---- step-up: whoever needs it waits for the dialog ----
const asking = signal(/** @type {((done: boolean) => void)|null} */ (null));
confirmer.ask = () => new Promise((answer) => { asking.value = answer; });
const StepUp = () => {
  const password = useSignal('');
  const totp = useSignal('');
  const end = (done) => { asking.value?.(done); asking.value = null; };
  return html`<${Dialog} title=${t('step-up.title')} onClose=${() => end(false)}><p>${t('step-up.text')}</p>
    <${Form} label=${t('step-up.confirm')} send=${() => stepUp(totp.value ? { password: password.value, totp: totp.value } : { password: password.value })} done=${() => end(true)}>${(wrong) => html`
      <${Text} id="su-password" label=${t('password')} kind="password" autocomplete="current-password" autofocus value=${password} problem=${wrong.password}/>
      ${me.value?.factor_enrolled && html`<${Text} id="su-totp" label=${t('code')} inputmode="numeric" autocomplete="one-time-code" value=${totp} problem=${wrong.totp}/>`}`}</${Form}></${Dialog}>`;
};

const Help = () => html`<${Dialog} title=${t('help')} onClose=${() => { help.value = false; }}>
  <table><tbody>${['?', '/', 'Ctrl K', 'g h', 'g q', 'g t', 'g p', 'g d', 'g f', 'c', 'f', 'j k', 'Enter', 'Esc', 'n', 'a', 'r', 'm', 'A', 'e'].map((k) => html`<tr><th scope="row"><kbd>${k}</kbd></th><td>${t(`key.${k}`)}</td></tr>`)}</tbody></table>
  <label class="check"><input type="checkbox" checked=${shortcuts.value === 'on'} onChange=${(e) => { shortcuts.value = e.currentTarget.checked ? 'on' : 'off'; }}/>${t('help.single')}</label>
  <p><a href="/docs" target="_blank" rel="noopener">${t('help.api')}</a> · <a href="/basic">${t('help.basic')}</a></p></${Dialog}>`;

const goKeys = { h: '/app', q: '/app/queue', t: '/app/tickets', p: '/app/protection', d: '/app/drills', f: '/app/failovers' };
const useKeys = () => useEffect(() => {
  let first = '';
  const key = (event) => {
    const inField = ['INPUT', 'TEXTAREA', 'SELECT'].includes(/** @type {Element} */ (event.target).tagName);
    if ((event.ctrlKey || event.metaKey) && event.key === 'k') { event.preventDefault(); palette.value = true; return; }
    if (inField || event.ctrlKey || event.metaKey || event.altKey || shortcuts.value !== 'on' || document.querySelector('dialog[open]')) return;
    if (first === 'g' && goKeys[event.key]) { go(goKeys[event.key]); first = ''; return; }
    first = event.key === 'g' ? 'g' : '';
    if (event.key === '/') { event.preventDefault(); palette.value = true; }
    if (event.key === '?') help.value = true;
    if (event.key === 'c' && mayAsk()) go('/app/tickets/new');
    if (event.key === 'f' && mayAsk()) go('/app/request');
    if (event.key === 'Escape') history.back();
  };
  addEventListener('keydown', key);
  return () => removeEventListener('keydown', key);
}, []);

// How much one was told and has not seen; asked for again when something happens that people are told of.
const Told = () => {
  useEffect(() => {
    let timer = 0;
    countUnseen();
    const end = listen(toldTopics, () => { clearTimeout(timer); timer = window.setTimeout(countUnseen, 1000); });
    return () => { end(); clearTimeout(timer); };
  }, []);
  const n = unseenOnes.value;
  return html`<a class="button" href="/app/notifications" aria-label=${t('notifications.count', { n })}><svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5"><path d="M3 12h10l-1.2-2V7a3.8 3.8 0 0 0-7.6 0v3zM6.5 14h3"/></svg>${n > 0 && html`<b class="num">${n < 100 ? n : '99+'}</b>`}</a>`;
};

const Header = ({ onMenu, open }) => html`<header class="head"><button type="button" class="menu" aria-expanded=${open ? 'true' : 'false'} aria-controls="rail" onClick=${onMenu}>${t('menu')}</button>
  <a class="brand" href="/app">Understudy</a><${Demo}/><span class="grow"></span>
  <button type="button" aria-label=${t('search')} onClick=${() => { palette.value = true; }}><svg aria-hidden="true" width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5"><circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/></svg><span class="wide">${t('search')} <kbd>/</kbd></span></button>
  <span class="wide"><${Clock}/></span><${Dot}/><${Told}/><span class="wide"><${Theme}/></span>
  <span class="wide"><button type="button" aria-label=${t('help')} onClick=${() => { help.value = true; }}>?</button></span>
  <a class="wide" href="/app/settings">${me.value.display_name || me.value.name}</a><span class="wide"><${Leave}/></span></header>`;

export const Shell = ({ children, title }) => {
  const open = useSignal(false);
  useKeys();
  useEffect(() => { open.value = false; }, [path.value]);
  useEffect(() => { document.title = title ? `${title} · Understudy` : 'Understudy'; }, [title]);
  useEffect(() => { if (caughtUp.value) toast(t('caught-up', { n: caughtUp.value.count })); }, [caughtUp.value]);
  return html`<a class="skip" href="#main">${t('skip')}</a><div class="frame"><${Header} open=${open.value} onMenu=${() => { open.value = !open.value; }}/><${Rail} open=${open.value}/>
    <main class="main" id="main" tabindex="-1">${connection.value === 'lost' && html`<p class="note warning" role="status">${t('connection.lost.since', { time: duration((now.value - lostAt.value) / 1000) })}</p>`}${children}</main></div>
    <${Toasts}/>${palette.value && html`<${Palette}/>`}${help.value && html`<${Help}/>`}${asking.value && html`<${StepUp}/>`}`;
};
