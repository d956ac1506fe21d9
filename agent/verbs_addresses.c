/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of a guest that came up elsewhere. It is waited for until its agent answers; a card
 * that cannot be set is told with the reason, and the VM runs on as it is.
 */
#include "agent/guest_cards.h"
#include "agent/verbs.h"
#include "base/env.h"

enum { LOOK_MS = 500 };

/* Wait for the guest. *ret_why: why it was given up; NULL = it answers. */
static enum ud_code await_guest(struct ud_ctx *cx, struct ud_act *act, const char *uuid,
	struct ud_guest_net *ret, const char **ret_why)
{
	const struct ud_addresses_args *a = act->args;
	int64_t last = ud_mono_ms(cx->env) + a->wait_seconds * 1000;

	for (;;) {
		enum ud_code code = ud_guest_net_ask(cx, act->station->hv, uuid, ret);

		*ret_why = code == UD_OK ? NULL : cx->problem.detail;
		ud_ctx_clear(cx);
		if (code == UD_OK || code == UD_E_UNSUPPORTED || ud_mono_ms(cx->env) >= last)
			return UD_OK;
		UD_TRY(ud_act_wait(cx, act, LOOK_MS));
	}
}

/* The card of the copy that stands for the VM's. */
static struct ud_card_addresses card_here(
	struct ud_ctx *cx, const struct ud_addresses_args *a, const struct ud_card_addresses *card)
{
	struct ud_card_addresses here = *card;

	if (a->test_id)
		here.mac = ud_hv_test_mac(cx, a->test_id, card->mac);
	return here;
}

static enum ud_code set_all(struct ud_ctx *cx, struct ud_act *act, const char *uuid,
	const struct ud_card_addresses *cards, size_t n)
{
	struct ud_addresses_result r = { 0 };
	struct ud_guest_net net = { 0 };
	struct ud_buf b = { 0 };
	const char *why = NULL;

	UD_TRY(await_guest(cx, act, uuid, &net, &why));
	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		const struct ud_card_addresses here = card_here(cx, act->args, &cards[i]);
		struct ud_card_told told = {
			.addresses = here.addresses, .outcome = UD_CARD_FAILED, .detail = why
		};

		if (!why)
			ud_guest_card_set(cx, act->station->hv, uuid, &net, &here, &told);
		told.mac = cards[i].mac;
		if (i > 0)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_card_told_shape, &told, NULL);
	}
	ud_buf_putc(&b, ']');
	r.cards.text = ud_buf_take(cx->arena, &b);
	r.seen_at.ms = ud_now_ms(cx->env);
	ud_act_leave(cx, act, &ud_addresses_result_shape, &r);
	return UD_OK;
}

enum ud_code ud_do_set_addresses(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_addresses_args *a = act->args;
	const char *uuid = act->command->uuid;
	struct ud_card_addresses *cards = NULL;
	size_t n = 0;

	UD_TRY(ud_shape_read_list(cx, &ud_card_addresses_shape, a->cards.text, UD_FAILOVER_CARDS,
		(void **)&cards, &n));
	if (a->test_id) {
		UD_TRY(ud_test_uuid(cx, act, a->test_id, &uuid));
		if (!uuid)
			return ud_fail(cx, UD_E_NOT_FOUND, "test_id", "This host has no test %s.",
				a->test_id);
	}
	act->begun = true;
	return set_all(cx, act, uuid, cards, n);
}
