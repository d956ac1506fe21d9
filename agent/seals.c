/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first seal that comes is believed, as is the key that it is sealed with; from then on each
 * must follow the one before, by that key.
 */
#include "agent/seals.h"

#include "base/audit_seal.h"
#include "base/log.h"

/* What is kept; false = nothing, or it cannot be read. */
static enum ud_code kept_seal(
	struct ud_ctx *cx, ud_journal *journal, bool *ret_kept, struct ud_audit_seal *ret)
{
	const char *text = NULL;

	UD_TRY(ud_journal_noted(cx, journal, UD_NOTE_SEAL, &text));
	*ret_kept = text && ud_audit_seal_read(cx, text, NULL, ret);
	return UD_OK;
}

enum ud_code ud_seals_tell(struct ud_ctx *cx, ud_journal *journal, struct ud_wire_heartbeat *in)
{
	struct ud_audit_seal kept = { 0 }, refused = { 0 };
	const char *text = NULL;
	bool any = false;

	UD_TRY(kept_seal(cx, journal, &any, &kept));
	UD_TRY(ud_journal_noted(cx, journal, UD_NOTE_SEAL_REFUSED, &text));
	if (any) {
		in->seal_number = kept.number;
		in->seal_generation = kept.generation;
		in->seal_digest = kept.digest;
	}
	if (text) {
		(void)ud_audit_seal_read(cx, text, NULL, &refused);
		in->seal_refused = refused.digest;
	}
	return UD_OK;
}

static enum ud_code keep(struct ud_ctx *cx, ud_journal *journal, const char *text)
{
	return ud_journal_note(cx, journal, UD_NOTE_SEAL, text);
}

static enum ud_code refuse(
	struct ud_ctx *cx, ud_journal *journal, const char *text, const char *why)
{
	ud_log(UD_LOG_ERROR, "log_seal_refused", "why", why, NULL);
	return ud_journal_note(cx, journal, UD_NOTE_SEAL_REFUSED, text);
}

static enum ud_code start_anew(struct ud_ctx *cx, ud_journal *journal, const char *text)
{
	const char *before = NULL;

	ud_log(UD_LOG_WARNING, "log_restored", "what",
		"the server's database was restored: another log begins", NULL);
	UD_TRY(ud_journal_noted(cx, journal, UD_NOTE_SEAL, &before));
	UD_TRY(ud_journal_note(cx, journal, UD_NOTE_SEAL_BEFORE, before));
	return keep(cx, journal, text);
}

static enum ud_code take(struct ud_ctx *cx, ud_journal *journal, const char *text, bool *ret_on)
{
	struct ud_audit_seal kept = { 0 }, seal = { 0 };
	bool any = false;

	*ret_on = true;
	UD_TRY(kept_seal(cx, journal, &any, &kept));
	if (!ud_audit_seal_read(cx, text, any ? kept.public_key : NULL, &seal)) {
		*ret_on = false;
		return refuse(cx, journal, text, "it was changed, or sealed with another key");
	}
	switch (ud_audit_seal_step(any ? &kept : NULL, &seal)) {
	case UD_SEAL_KNOWN:
		return UD_OK;
	case UD_SEAL_NEXT:
		return keep(cx, journal, text);
	case UD_SEAL_RESTORED:
		return start_anew(cx, journal, text);
	case UD_SEAL_BREAKS:
		break;
	}
	*ret_on = false;
	return refuse(cx, journal, text, "it does not follow the one that is kept");
}

enum ud_code ud_seals_take(
	struct ud_ctx *cx, ud_journal *journal, const struct ud_wire_heard *heard)
{
	struct ud_wire_seal *seals = NULL;
	size_t n = 0;
	bool on = true;

	UD_TRY(ud_shape_read_list(
		cx, &ud_wire_seal_shape, heard->seals.text, UD_HEARD_SEALS, (void **)&seals, &n));
	for (size_t i = 0; i < n && on; i++)
		UD_TRY(take(cx, journal, seals[i].document, &on));
	return UD_OK;
}
