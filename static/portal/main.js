// SPDX-License-Identifier: Apache-2.0
// Begin: who is it? Then the page that the address names, loaded when it is first wanted.
import { html, render, useEffect, useErrorBoundary, useSignal } from './core/html.js';
import { get } from './core/api.js';
import { t } from './core/i18n.js';
import { startLive } from './core/live.js';
import { match } from './core/router.js';
import { has, me, path } from './core/store.js';
import { pages } from './pages/index.js';
import { SignIn } from './pages/sign-in.js';
import { Missing, NotFound } from './ui/parts.js';
import { Shell } from './ui/shell.js';

const find = (pathname) => {
  for (const page of pages) {
    const params = match(page.path, pathname.replace(/\/$/, '') || '/');
    if (params && (!page.roles || has(...page.roles))) return { page, params };
  }
  return null;
};

const Page = ({ page, params }) => {
  const view = useSignal(/** @type {any} */ (null));
  const failed = useSignal(/** @type {any} */ (null));
  const [broken] = useErrorBoundary((error) => console.error(error));
  useEffect(() => {
    view.value = null;
    page.load().then((m) => { view.value = m[page.view]; }, (error) => { failed.value = error; });
  }, [page]);
  if (broken || failed.value) return html`<${Missing} problem=${{ title: t('problem.page'), message: String((broken || failed.value).message), remedy: t('problem.reload') }}/>`;
  return view.value ? html`<${view.value} key=${JSON.stringify(params)} ...${params}/>` : html`<div class="skeleton" aria-label=${t('loading')}/>`;
};

const App = () => {
  if (me.value === undefined) return html`<div class="skeleton" aria-label=${t('loading')}/>`;
  if (me.value === null) return html`<${SignIn}/>`;
  const found = find(path.value.split('?')[0]);
  return html`<${Shell} title=${found ? t(found.page.title) : t('not-found')}>${found ? html`<${Page} key=${found.page.path} ...${found}/>` : html`<${NotFound} text=${t('not-found.text')}/>`}</${Shell}>`;
};

const Live = () => {
  useEffect(() => { if (me.value) startLive(); }, [me.value?.id]);
  return html`<${App}/>`;
};

render(html`<${Live}/>`, document.getElementById('app'));
try {
  me.value = await get('/v1/me');
} catch {
  me.value = null;
}
document.documentElement.dataset.ready = 'yes';
