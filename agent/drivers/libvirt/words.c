/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said with a guest's agent. How long libvirt waits for an answer is kept per VM and not
 * per call: whoever sets it must be alone until the call is over. A look at all VMs does not wait
 * for that, and not for an agent that has just let it wait: it takes what the guest said last.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/env.h"

enum { ANSWER_MS = 1000, MUTE_MS = 15000 };

/* What a guest said of itself, and who speaks with it. */
struct ud_lv_said {
	struct ud_lv_said *next;
	char uuid[VIR_UUID_STRING_BUFLEN];
	bool spoken_to;
	int64_t mute_until_ms; /* it did not answer */
	char *os;
	struct ud_lv_card *cards;
	size_t card_count;
};

/* Of a VM; made when there is none. Under the lock. */
static struct ud_lv_said *of(struct ud_lv *lv, const char *uuid)
{
	struct ud_lv_said *s = lv->said;

	while (s && strcmp(s->uuid, uuid) != 0)
		s = s->next;
	if (!s) {
		s = ud_malloc(sizeof(*s));
		*s = (struct ud_lv_said){ .next = lv->said };
		strncpy(s->uuid, uuid, sizeof(s->uuid) - 1);
		lv->said = s;
	}
	return s;
}

static void forget(struct ud_lv_said *s)
{
	for (size_t i = 0; i < s->card_count; i++) {
		ud_free(s->cards[i].mac);
		ud_free(s->cards[i].addresses);
	}
	ud_free(s->cards);
	ud_free(s->os);
	s->cards = NULL;
	s->card_count = 0;
	s->os = NULL;
}

static void begin(struct ud_lv *lv, struct ud_lv_said *s, virDomainPtr d, int64_t timeout_ms)
{
	s->spoken_to = true;
	pthread_mutex_unlock(&lv->lock);
	(void)virDomainAgentSetResponseTimeout(d, (int)(timeout_ms / 1000), 0);
}

void ud_lv_words_begin(struct ud_lv *lv, virDomainPtr d, const char *uuid, int64_t timeout_ms)
{
	pthread_mutex_lock(&lv->lock);
	struct ud_lv_said *s = of(lv, uuid);

	while (s->spoken_to)
		pthread_cond_wait(&lv->moved, &lv->lock);
	begin(lv, s, d, timeout_ms);
}

void ud_lv_words_end(struct ud_lv *lv, const char *uuid)
{
	pthread_mutex_lock(&lv->lock);
	of(lv, uuid)->spoken_to = false;
	pthread_cond_broadcast(&lv->moved);
	pthread_mutex_unlock(&lv->lock);
}

/* ---- what it says of itself ---- */

/* The addresses of one card: members of a JSON list. */
static char *list_of(const virDomainInterface *card)
{
	struct ud_buf b = { 0 };
	char text[96];

	for (unsigned k = 0; k < card->naddrs; k++) {
		snprintf(text, sizeof(text), "%s/%u", card->addrs[k].addr, card->addrs[k].prefix);
		ud_buf_puts(&b, k ? "," : "");
		ud_buf_json(&b, text);
	}
	char *list = ud_heap_strdup(ud_buf_text(&b));

	ud_buf_free(&b);
	return list;
}

/* False when it does not answer. One that cannot tell what it was asked has no more to say. */
static bool ask_cards(virDomainPtr d, struct ud_lv_said *ret)
{
	virDomainInterfacePtr *all = NULL;
	int n = virDomainInterfaceAddresses(d, &all, VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, 0);

	if (n < 0)
		return virGetLastErrorCode() != VIR_ERR_AGENT_UNRESPONSIVE;
	ret->cards = ud_malloc(((size_t)n + 1) * sizeof(*ret->cards));
	for (int i = 0; i < n; i++) {
		if (all[i]->hwaddr)
			ret->cards[ret->card_count++] =
				(struct ud_lv_card){ ud_heap_strdup(all[i]->hwaddr),
					list_of(all[i]) };
		virDomainInterfaceFree(all[i]);
	}
	ud_free(all);
	return true;
}

static bool ask_os(virDomainPtr d, struct ud_lv_said *ret)
{
	virTypedParameterPtr params = NULL;
	const char *name = NULL;
	int n = 0;

	if (virDomainGetGuestInfo(d, VIR_DOMAIN_GUEST_INFO_OS, &params, &n, 0) < 0)
		return virGetLastErrorCode() != VIR_ERR_AGENT_UNRESPONSIVE;
	if (virTypedParamsGetString(params, n, "os.pretty-name", &name) == 1)
		ret->os = ud_heap_strdup(name);
	virTypedParamsFree(params, n);
	return true;
}

/* Ask, without the lock, which is held before and afterwards. */
static void ask(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, struct ud_lv_said *s)
{
	struct ud_lv_said fresh = { 0 };

	begin(lv, s, d, ANSWER_MS);
	bool answered = ask_cards(d, &fresh) && ask_os(d, &fresh);

	pthread_mutex_lock(&lv->lock);
	s->spoken_to = false;
	pthread_cond_broadcast(&lv->moved);
	if (!answered) {
		s->mute_until_ms = ud_mono_ms(cx->env) + MUTE_MS;
		forget(&fresh);
		return;
	}
	forget(s);
	s->os = fresh.os;
	s->cards = fresh.cards;
	s->card_count = fresh.card_count;
}

void ud_lv_words(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *uuid,
	bool connected, struct ud_lv_words *ret)
{
	pthread_mutex_lock(&lv->lock);
	struct ud_lv_said *s = of(lv, uuid);

	if (!connected) {
		forget(s);
		s->mute_until_ms = 0;
	} else if (!s->spoken_to && ud_mono_ms(cx->env) >= s->mute_until_ms) {
		ask(cx, lv, d, s);
	}
	ret->os = ud_strdup(cx->arena, s->os);
	ret->cards = ud_alloc(cx->arena, (s->card_count + 1) * sizeof(*ret->cards));
	for (ret->card_count = 0; ret->card_count < s->card_count; ret->card_count++)
		ret->cards[ret->card_count] =
			(struct ud_lv_card){ ud_strdup(cx->arena, s->cards[ret->card_count].mac),
				ud_strdup(cx->arena, s->cards[ret->card_count].addresses) };
	pthread_mutex_unlock(&lv->lock);
}

void ud_lv_said_free(struct ud_lv *lv)
{
	while (lv->said) {
		struct ud_lv_said *s = lv->said;

		lv->said = s->next;
		forget(s);
		ud_free(s);
	}
}
