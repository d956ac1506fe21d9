// SPDX-License-Identifier: Apache-2.0
// What one was told, newest first.
import { html, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { go } from '../core/router.js';
import { List } from '../ui/list.js';
import { Action, Ago, Empty, toast } from '../ui/parts.js';
import { countUnseen, toldTopics } from '../core/told.js';

const useUnseen = () => useData('/v1/me/notifications?seen=false&limit=50', toldTopics);

const places = { tkt: 'tickets/', flo: 'failovers/', hst: 'hosts/', sto: 'standing-orders' };
const place = (n) => { const to = places[(n.subject_id || '').split('_')[0]]; return to ? `/app/${to}${to.endsWith('/') ? n.subject_id : ''}` : null; };
const read = (n) => async (event) => {
  event.preventDefault();
  if (!n.seen) {
    await post(`/v1/me/notifications/${n.id}/seen`).catch((p) => toast(p.message, true));
    countUnseen();
  }
  if (place(n)) go(place(n));
};

export const Notifications = () => {
  const unseen = useUnseen();
  const round = useSignal(0);
  const seeAll = async () => { await post('/v1/me/notifications/seen'); round.value += 1; await Promise.all([countUnseen(), unseen.reload()]); };
  return html`<div class="bar"><h1>${t('page.notifications')}</h1>${unseen.data.value?.data.length > 0 && html`<${Action} label=${t('notifications.all')} onPress=${seeAll}/>`}</div>
    <${List} key=${round.value} path="/v1/me/notifications" search=${false} fixed=${{ sort: '-created_at' }} topics=${toldTopics} open=${place} filters=${[{ name: 'seen', label: t('notifications.which'), options: [['false', t('notifications.fresh')], ['true', t('notifications.seen')]] }]} columns=${[
      { label: t('notifications.what'), cell: (n) => html`${!n.seen && html`<b class="info"><span aria-hidden="true">● </span><span class="sr">${t('notifications.fresh')} </span></b>`}${place(n) ? html`<a href=${place(n)} onClick=${read(n)}>${n.title}</a>` : n.title}` },
      { label: t('kind'), cell: (n) => word('event', n.event) }, { label: t('audit.who'), cell: (n) => n.actor_name || '' }, { label: t('time'), cell: (n) => html`<${Ago} at=${n.created_at}/>` }]} empty=${html`<${Empty} title=${t('notifications.none')} text=${t('notifications.none.text')}/>`}/>`;
};
