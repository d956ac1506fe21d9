/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and checking seals of the log. A seal is a row like any other, in the transaction of its
 * own; hosts fetch it with their signs of life.
 */
#include "api/audit_seals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/evidence.h"
#include "base/audit_seal.h"
#include "base/crypto.h"
#include "base/evidence.h"
#include "db/audit_seals.h"
#include "db/installation.h"

enum ud_code ud_seals_due(struct ud_ctx *cx, bool *ret)
{
	return ud_audit_seals_due(cx, ret);
}

/* ---- making ---- */

static enum ud_code add_head(
	struct ud_ctx *cx, void *data, const char *customer_id, int64_t seq, const char *hash)
{
	struct ud_buf *b = data;

	(void)cx;
	ud_buf_puts(b, b->len ? ",{\"customer_id\":" : "{\"customer_id\":");
	ud_buf_json(b, customer_id);
	ud_buf_printf(b, ",\"seq\":%lld,\"hash\":\"%s\"}", (long long)seq, hash);
	return UD_OK;
}

static enum ud_code seal_text(struct ud_ctx *cx, const struct ud_seal_row *row,
	const char *previous, const char *heads, const unsigned char *seal, const char **ret)
{
	unsigned char key[UD_SIGN_KEY];
	char at[UD_TIME_TEXT];

	UD_TRY(ud_evidence_key(cx, seal, key));
	ud_time_format(row->sealed_at, at);
	enum ud_code code = ud_seal_make(cx,
		ud_printf(cx->arena,
			"{\"object\":\"audit_head_seal\",\"number\":%lld,\"generation\":%lld,"
			"\"sealed_at\":\"%s\",\"previous\":\"%s\",\"heads\":[%s]}",
			(long long)row->number, (long long)row->generation, at, previous, heads),
		UD_AUDIT_SEAL_SCHEMA, key, ret);

	ud_wipe(key, sizeof(key));
	return code;
}

enum ud_code ud_seals_make(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_seal_row last = { .digest = "" }, row = { .sealed_at = cx->now_ms };
	const char *generation = NULL;
	char digest[UD_SHA256_HEX];
	struct ud_buf heads = { 0 };
	bool found = false, known = false;

	UD_TRY(ud_audit_seal_last(cx, &found, &last));
	UD_TRY(ud_installation_get(cx, "generation", &known, &generation));
	enum ud_code code = ud_audit_seals_grown(cx, add_head, &heads);
	const char *list = ud_buf_take(cx->arena, &heads);

	UD_TRY(code);
	if (!*list)
		return UD_OK;
	row.number = last.number + 1;
	row.generation = known ? strtoll(generation, NULL, 10) : 0;
	UD_TRY(seal_text(cx, &row, last.digest, list, c->seal, &row.document));
	ud_sha256_hex(row.document, strlen(row.document), digest);
	row.digest = digest;
	return ud_audit_seal_add(cx, &row);
}

/* ---- checking ---- */

enum { PAGE = 100 };

struct checking {
	struct ud_chain_report *report;
	const char *key;
	int64_t number; /* of the seal before, and its digest */
	char digest[UD_SHA256_HEX];
	int64_t count;
	ud_arena *keep;
};

static void broken(struct checking *k, int64_t number, const char *what)
{
	if (k->report->intact)
		k->report->broken_rule =
			ud_printf(k->keep, "seal %lld: %s", (long long)number, what);
	k->report->intact = false;
}

static enum ud_code check_head(
	struct ud_ctx *cx, void *data, const char *customer_id, int64_t seq, const char *hash)
{
	struct checking *k = data;
	bool holds = false;

	UD_TRY(ud_audit_seal_holds(cx, customer_id, seq, hash, &holds));
	if (!holds)
		broken(k, k->number, "a record that it names is not in the log any more");
	return UD_OK;
}

static enum ud_code check_seal(struct ud_ctx *cx, void *data, const struct ud_seal_row *row)
{
	struct checking *k = data;
	struct ud_audit_seal seal = { 0 };

	k->count++;
	if (!ud_audit_seal_read(cx, row->document, k->key, &seal))
		broken(k, row->number, "it was changed, or sealed with another key");
	else if (strcmp(seal.digest, row->digest) != 0 || seal.number != row->number ||
		seal.number != k->number + 1 || strcmp(seal.previous, k->digest) != 0)
		broken(k, row->number, "it does not follow the one before");
	k->number = row->number;
	snprintf(k->digest, sizeof(k->digest), "%s", row->digest);
	return ud_audit_seal_heads(cx, row->document, check_head, k);
}

enum ud_code ud_seals_verify(struct ud_ctx *cx, struct ud_chain_report *report, int64_t *ret)
{
	struct checking k = { .report = report, .keep = cx->arena };
	bool found = false;
	int64_t before;

	UD_TRY(ud_installation_get(cx, "evidence_public_key", &found, &k.key));
	do {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx page = *cx;

		page.arena = arena;
		before = k.count;
		enum ud_code code = ud_audit_seal_list(&page, k.number, PAGE, check_seal, &k);

		if (code != UD_OK)
			return ud_fail(cx, code, NULL, "%s",
				page.problem.detail ? page.problem.detail : "");
	} while (k.count == before + PAGE);
	*ret = k.count;
	return UD_OK;
}
