// SPDX-License-Identifier: Apache-2.0
// Texts by key. A catalogue is a flat table; a text may hold {name} and {n, plural, one {…} other {…}} with # for the
// number. The pseudo-locale en-XA makes every text longer and odd-looking, so that what is not in a catalogue, or does
// not fit, shows.
import { en } from './en.js';

const odd = { a: 'á', e: 'é', i: 'í', o: 'ó', u: 'ú', A: 'Á', E: 'É', I: 'Í', O: 'Ó', U: 'Ú', c: 'ç', n: 'ñ' };

const pseudo = (text) => {
  let depth = 0;
  const out = [...text].map((c) => {
    if (c === '{') depth += 1;
    if (c === '}') depth -= 1;
    return depth ? c : odd[c] || c;
  }).join('');
  return `[${out}${' ~~~~'.repeat(Math.ceil(text.length * 0.08))}]`; // two fifths longer, and words of a word's length
};

export const locale = {
  name: new URLSearchParams(location.search).get('locale') || localStorage.getItem('us.locale') || 'en',
};
const rules = new Intl.PluralRules('en');

// Position behind the brace that closes the one at `from`.
const closing = (text, from) => {
  let depth = 0;
  for (let i = from; i < text.length; i += 1) {
    if (text[i] === '{') depth += 1;
    if (text[i] === '}' && (depth -= 1) === 0) return i + 1;
  }
  return text.length;
};

const plural = (body, n) => {
  const forms = {};
  for (const m of body.matchAll(/(\w+|=\d+)\s*\{([^{}]*)\}/g)) forms[m[1]] = m[2];
  return (forms[`=${n}`] ?? forms[rules.select(n)] ?? forms.other ?? '').replaceAll('#', new Intl.NumberFormat().format(n));
};

const fill = (text, values) => {
  let out = '';
  for (let i = 0; i < text.length;) {
    if (text[i] !== '{') { out += text[i]; i += 1; continue; }
    const end = closing(text, i);
    const inner = text.slice(i + 1, end - 1);
    const [name, kind] = inner.split(',', 2).map((s) => s.trim());
    const value = values[name];
    out += kind === 'plural' ? plural(inner.slice(inner.indexOf(',', inner.indexOf(',') + 1) + 1), Number(value)) : String(value ?? '');
    i = end;
  }
  return out;
};

/** The text of a key, or null when no catalogue has it. @param {string} key @param {Record<string, unknown>} [values] */
export const maybe = (key, values = {}) => {
  if (!(key in en)) return null;
  return fill(locale.name === 'en-XA' ? pseudo(en[key]) : en[key], values);
};
/** The text of a key. @param {string} key @param {Record<string, unknown>} [values] */
export const t = (key, values = {}) => maybe(key, values) ?? key;
/** A word of the API ("customer_admin") in people's words: its own text, or the word with spaces.
 * @param {string} group @param {string|null|undefined} value */
/** What people call a step of a run: a plan's own have a title. */
export const stepName = (s) => s.title || word('step', s.name);
export const word = (group, value) => (value ? maybe(`${group}.${value}`) ?? value.replaceAll('_', ' ') : t('none'));
