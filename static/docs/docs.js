// SPDX-License-Identifier: Apache-2.0
// The reference page: reads /openapi.json and shows it. Text only ever becomes text nodes.

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

const resolve = (spec, schema) => {
  if (!schema || !schema.$ref) return schema;
  return schema.$ref.slice(2).split('/').reduce((at, key) => at[key], spec);
};

const typeOf = (schema) => {
  if (!schema) return '';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ');
  const type = Array.isArray(schema.type) ? schema.type.join(' or ') : schema.type || 'any';
  if (schema.type === 'array') return `list of ${typeOf(schema.items)}`;
  return schema.enum ? schema.enum.join(' | ') : type;
};

const table = (title, rows) => {
  if (!rows.length) return null;
  const body = rows.map(([name, type, about]) => make('tr', {}, make('td', {}, name), make('td', {}, type), make('td', {}, about)));
  return make('section', {}, make('h4', {}, title), make('table', {},
    make('thead', {}, make('tr', {}, make('th', {}, 'Name'), make('th', {}, 'Type'), make('th', {}, 'Meaning'))), make('tbody', {}, ...body)));
};

const fields = (spec, schema) => {
  const whole = resolve(spec, schema && schema.anyOf ? schema.anyOf[0] : schema);
  if (!whole || !whole.properties) return [];
  const required = whole.required || [];
  return Object.entries(whole.properties).map(([name, s]) =>
    [required.includes(name) ? `${name} *` : name, typeOf(s), s.description || '']);
};

const answers = (spec, operation) => Object.entries(operation.responses).flatMap(([status, r]) => {
  const content = resolve(spec, r).content;
  if (!content || !status.startsWith('2')) return [];
  const schema = Object.values(content)[0].schema;
  return [table(`Answer ${status}: ${typeOf(schema)}`, fields(spec, schema))];
});

const show = (spec, path, method, operation) => {
  const facts = [];
  if (operation['x-roles']) facts.push(`Roles: ${operation['x-roles'].join(', ')}.`);
  if (operation['x-scope']) facts.push(`Token scope: ${operation['x-scope']}.`);
  if (operation['x-step-up']) facts.push('People confirm with POST /v1/me/step-up first.');
  const parameters = (operation.parameters || []).map((p) => [p.required ? `${p.name} *` : p.name, `${typeOf(p.schema)} in ${p.in}`, p.description]);
  const body = operation.requestBody ? Object.values(operation.requestBody.content)[0].schema : null;
  const problems = Object.keys(operation.responses).filter((status) => !status.startsWith('2'));
  return make('details', { id: operation.operationId },
    make('summary', {}, make('span', { class: 'method' }, method.toUpperCase()), make('span', { class: 'path' }, path), ` ${operation.summary}`),
    make('p', { class: 'facts' }, `Operation ${operation.operationId}. ${facts.join(' ')} Problems: ${problems.join(', ')}.`),
    table('Parameters', parameters), body ? table('Body', fields(spec, body)) : null, ...answers(spec, operation));
};

const render = (spec, root) => {
  document.getElementById('about').textContent = `${spec.info.description} Version ${spec.info.version}.`;
  for (const tag of spec.tags) {
    const calls = Object.entries(spec.paths).flatMap(([path, methods]) => Object.entries(methods)
      .filter(([, operation]) => operation.tags.includes(tag.name))
      .map(([method, operation]) => show(spec, path, method, operation)));
    root.append(make('section', {}, make('h2', {}, tag.name), ...calls));
  }
};

const narrow = (text) => {
  for (const details of document.querySelectorAll('details')) {
    details.hidden = !details.querySelector('summary').textContent.toLowerCase().includes(text.toLowerCase());
  }
};

const root = document.getElementById('reference');
try {
  const answer = await fetch('/openapi.json');
  render(await answer.json(), root);
  document.getElementById('find').addEventListener('input', (event) => narrow(event.target.value));
  document.body.dataset.ready = 'yes';
} catch (error) {
  root.append(make('p', { role: 'alert' }, `The specification could not be loaded: ${error.message}`));
}
