// SPDX-License-Identifier: Apache-2.0
// Forms of tickets: fields in place of words. The server lists the forms with the schema of each; what is drawn, sent and
// shown follows from it.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { isStaff } from '../core/store.js';
import { bytes, duration, instant, zone } from '../core/time.js';
import { Area, Choice, Facts, Loaded, Panel, Text, When } from '../ui/parts.js';

const GIB = 2 ** 30;
/** Things that fields name, by the prefix of their ids. A shared one is not the customer's own. */
const things = {
  vm: { list: '/v1/vms', page: '/app/vms' },
  hst: { list: '/v1/hosts', page: '/app/hosts', staff: true },
  net: { list: '/v1/networks', shared: true },
  sit: { list: '/v1/sites', shared: true },
};
const prefixOf = (schema) => /^\^([a-z]+)_/.exec(schema.pattern || '')?.[1];

// What a field is, by its schema.
const kindOf = (name, schema) => {
  const types = [schema.type].flat();
  if (prefixOf(schema)) return 'thing';
  if (schema.enum) return 'choice';
  if (types.includes('boolean')) return 'tick';
  if (types.includes('integer')) return name.endsWith('_bytes') ? 'size' : 'number';
  if (types.includes('array')) return 'lines';
  if (schema.format === 'date-time') return 'time';
  return schema.maxLength > 255 ? 'words' : 'line';
};

const Thing = ({ schema, customer, ...rest }) => {
  const thing = things[prefixOf(schema)];
  const rows = useData(`${thing.list}?sort=name&limit=200${customer && !thing.shared ? `&customer_id=${customer}` : ''}`, [], { all: true });
  return html`<${Choice} ...${rest} options=${[['', '—'], ...(rows.data.value?.data || []).map((r) => [r.id, r.name])]}/>`;
};
const Tick = ({ id, label, value }) => html`<label class="check"><input id=${id} type="checkbox" checked=${Boolean(value.value)} onChange=${(e) => { value.value = e.currentTarget.checked; }}/>${label}</label>`;
const numeric = (schema, step) => ({ kind: 'number', min: Math.ceil(schema.minimum / step), max: Math.floor(schema.maximum / step) });

/** How each kind is asked for, what is sent of what was typed, and how it is shown. */
const kinds = {
  thing: { view: Thing, show: (v) => html`<${Named} id=${v}/>` },
  choice: { view: ({ schema, ...rest }) => html`<${Choice} ...${rest} options=${[['', '—'], ...schema.enum.map((v) => [v, word('form', v)])]}/>`, show: (v) => word('form', v) },
  tick: { view: Tick, send: Boolean, show: (v) => t(v ? 'yes' : 'no') },
  number: { view: ({ schema, ...rest }) => html`<${Text} ...${rest} ...${numeric(schema, 1)}/>`, send: Number },
  size: { view: ({ schema, label, ...rest }) => html`<${Text} ...${rest} label=${`${label} (GiB)`} ...${numeric(schema, GIB)}/>`, send: (v) => Math.round(Number(v) * GIB), show: bytes },
  lines: { view: ({ label, schema, ...rest }) => html`<${Area} ...${rest} label=${`${label} (${t('form.lines')})`}/>`, send: (v) => v.split('\n').map((x) => x.trim()).filter(Boolean), show: (v) => v.join(', ') },
  time: { view: ({ schema, hint, ...rest }) => html`<${Text} ...${rest} hint=${`${zone()} · ${hint}`} kind="datetime-local"/>`, send: instant, show: (v) => html`<${When} at=${v}/>` },
  words: { view: ({ schema, ...rest }) => html`<${Area} ...${rest}/>` },
  line: { view: ({ schema, ...rest }) => html`<${Text} ...${rest}/>` },
};

const offered = (schema) => isStaff.value || !things[prefixOf(schema)]?.staff;
const fieldsOf = (form) => Object.entries(form.schema.properties).filter(([, schema]) => offered(schema));

/** What a ticket's `form` says. @param {any} form @param {any} filled what was typed: { values, at, minutes } */
export const formBody = (form, filled) => {
  const values = {};
  for (const [name, schema] of fieldsOf(form)) {
    const kind = kindOf(name, schema);
    const typed = filled.values[name];
    if (typed || typed === 0) values[name] = kinds[kind].send ? kinds[kind].send(typed) : typed;
  }
  return { key: form.key, values, preferred_at: filled.at ? instant(filled.at) : null, window_minutes: filled.minutes ? Number(filled.minutes) : null };
};

// A part of a signal that holds an object, as a signal of its own.
const member = (of, name) => ({
  get value() { return of.value[name] ?? ''; },
  set value(v) { of.value = { ...of.value, [name]: v }; },
});

/** The fields of a form. @param {{ form: any, filled: any, wrong: Record<string, string>, customer?: string }} props filled is a signal */
export const FormFields = ({ form, filled, wrong, customer }) => {
  const values = member(filled, 'values');
  const [at, minutes] = [member(filled, 'at'), member(filled, 'minutes')];
  const field = ([name, schema]) => {
    const kind = kindOf(name, schema);
    return html`<${kinds[kind].view} key=${name} id=${`form-${name}`} label=${word('form', name)} hint=${schema.description} schema=${schema} ...${kind === 'thing' ? { customer } : {}} value=${member(values, name)} problem=${wrong[`form/values/${name}`]}/>`;
  };
  return html`<p class="muted">${form.about}</p>${fieldsOf(form).map(field)}
    <fieldset><legend>${t('form.when')}</legend><label class="check"><input type="radio" name="form-when" checked=${!at.value} onChange=${() => { at.value = ''; }}/>${t('form.anytime')}</label>
      <${Text} id="form-at" kind="datetime-local" label=${t('form.at')} hint=${zone()} value=${at} problem=${wrong['form/preferred_at']}/><${Text} id="form-minutes" kind="number" min="5" max="10080" label=${t('form.minutes')} value=${minutes} problem=${wrong['form/window_minutes']}/></fieldset>`;
};

// A thing by its name, with its page where it has one.
const Named = ({ id }) => {
  const thing = things[id.split('_')[0]];
  const data = useData(thing && (isStaff.value || !thing.staff) ? `${thing.list}/${id}` : null);
  const name = data.data.value?.name || id;
  return thing?.page ? html`<a href=${`${thing.page}/${id}`}>${name}</a>` : name;
};

const filledIn = (v) => v !== null && v !== false && !(Array.isArray(v) && !v.length);
const shown = (form, name, v) => {
  const schema = form?.schema.properties[name];
  const show = schema && kinds[kindOf(name, schema)].show;
  return show ? show(v) : String(v);
};

/** What a ticket asks for by its form. @param {{ ticket: any }} props */
export const FormPanel = ({ ticket }) => {
  const forms = useData('/v1/ticket-forms');
  const { key, values, preferred_at: at, window_minutes: minutes } = ticket.form;
  return html`<${Panel} title=${t('form.asked')}><${Loaded} of=${forms}>${({ data }) => {
    const form = data.find((f) => f.key === key);
    return html`<${Facts} rows=${[[t('form'), form?.title || word('form', key)], ...Object.entries(values).filter(([, v]) => filledIn(v)).map(([name, v]) => [word('form', name), shown(form, name, v)]), [t('form.when'), at ? html`<${When} at=${at}/>` : t('form.anytime')], minutes && [t('form.takes'), duration(minutes * 60)]]}/>`;
  }}</${Loaded}></${Panel}>`;
};
