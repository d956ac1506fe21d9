/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: making it when a run has ended, handing it out, and checking it where it lies.
 */
#include "api/evidence.h"

#include <stdio.h>
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/ticket_run.h"
#include "base/crypto.h"
#include "base/evidence.h"
#include "base/id.h"
#include "db/events.h"
#include "db/installation.h"

static const struct ud_resource evidence = { .table = &ud_evidence_table };

/* ---- the key ---- */

static const char key_name[] = "evidence_key", public_name[] = "evidence_public_key";

/* A key of its own, made when it is first needed; its public half is for everybody. */
static enum ud_code make_key(struct ud_ctx *cx, const unsigned char *seal)
{
	unsigned char key[UD_SIGN_KEY], public_key[UD_SIGN_PUBLIC];

	ud_sign_key(cx->env, key);
	ud_sign_public(key, public_key);
	char *hex = ud_hex(cx->arena, key, sizeof(key));
	enum ud_code code =
		ud_installation_set(cx, key_name, ud_seal(cx->arena, cx->env, seal, key_name, hex));

	ud_wipe(key, sizeof(key));
	ud_wipe(hex, strlen(hex));
	UD_TRY(code);
	return ud_installation_set(
		cx, public_name, ud_hex(cx->arena, public_key, sizeof(public_key)));
}

enum ud_code ud_evidence_key(
	struct ud_ctx *cx, const unsigned char *seal, unsigned char ret[UD_SIGN_KEY])
{
	const char *sealed = NULL;
	bool found = false;

	UD_TRY(ud_installation_get(cx, key_name, &found, &sealed));
	if (!found) {
		UD_TRY(make_key(cx, seal));
		UD_TRY(ud_installation_get(cx, key_name, &found, &sealed));
	}
	const char *hex = ud_unseal(cx->arena, seal, key_name, sealed);

	if (!hex)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"%s was sealed with another installation's keys", key_name);
	for (size_t i = 0; i < UD_SIGN_KEY; i++) {
		unsigned v = 0;

		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s is damaged", key_name);
		ret[i] = (unsigned char)v;
	}
	return UD_OK;
}

/* ---- making ---- */

static enum ud_code make_one(
	struct ud_ctx *cx, const unsigned char key[UD_SIGN_KEY], const char *failover_id)
{
	struct ud_failover f = { 0 };
	struct ud_evidence e = { 0 };
	unsigned char public_key[UD_SIGN_PUBLIC];
	char hash[UD_SHA256_HEX];
	const char *text = NULL, *sealed = NULL;

	UD_TRY(ud_row_get(cx, &ud_failovers, failover_id, &f));
	e.row.id = ud_id_new(cx->arena, cx->env, cx->now_ms, "evd");
	e.row.customer_id = f.row.customer_id;
	UD_TRY(ud_evidence_write(cx, &f, e.row.id, &text));
	UD_TRY(ud_evidence_seal(cx, text, key, &sealed));
	ud_sha256_hex(sealed, strlen(sealed), hash);
	ud_sign_public(key, public_key);
	e.failover_id = f.row.id;
	e.ticket_id = f.ticket_id;
	e.kind = f.kind;
	e.verdict = f.verdict;
	e.sha256 = hash;
	e.public_key = ud_hex(cx->arena, public_key, sizeof(public_key));
	e.size_bytes = (int64_t)strlen(sealed);
	UD_TRY(ud_row_insert(cx, &ud_evidence_table, &e));
	UD_TRY(ud_evidence_keep(cx, e.row.id, sealed));
	UD_TRY(ud_event_add(cx, "sealed", ud_evidence_table.shape, NULL, &e));
	return ud_ticket_run_sealed(cx, &f);
}

enum ud_code ud_evidence_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_evidence_missing(cx, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

enum ud_code ud_evidence_make(struct ud_ctx *cx, const struct ud_commanding *c)
{
	unsigned char key[UD_SIGN_KEY];
	struct ud_texts ids = { 0 };
	enum ud_code code = UD_OK;

	UD_TRY(ud_evidence_missing(cx, &ids));
	UD_TRY(ud_evidence_key(cx, c->seal, key));
	for (size_t i = 0; i < ids.count && code == UD_OK; i++)
		code = make_one(cx, key, ids.items[i]);
	ud_wipe(key, sizeof(key));
	return code;
}

/* ---- handing out ---- */

/* By its own id, or by that of its run. */
static enum ud_code load(struct ud_ctx *cx, const char *id, struct ud_evidence *ret)
{
	struct ud_failover f = { 0 };
	bool found = false;

	if (!ud_id_valid(id, "flo"))
		return ud_row_get(cx, &ud_evidence_table, id, ret);
	UD_TRY(ud_row_get(cx, &ud_failovers, id, &f));
	UD_TRY(ud_evidence_of(cx, f.row.id, &found, ret));
	return found ? UD_OK
		     : ud_fail(cx, UD_E_INVALID_STATE, NULL,
			       "The run has not ended; its evidence is sealed when it has.");
}

static enum ud_code show_of_run(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_evidence e = { 0 };

	UD_TRY(load(cx, rq->arg[0], &e));
	return ud_answer(cx, rq, ud_evidence_table.shape, &e);
}

static enum ud_code bundle(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_evidence e = { 0 };
	const char *text = NULL;

	UD_TRY(load(cx, rq->arg[0], &e));
	UD_TRY(ud_evidence_bundle(cx, &e, &text));
	ud_buf_puts(&rq->out, text);
	ud_answer_header(rq, "Content-Disposition",
		ud_printf(cx->arena, "attachment; filename=\"%s.json\"", e.row.id));
	return ud_answer_text(cx, rq, 200, "application/json");
}

static enum ud_code report(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *format = ud_request_param(rq, "format"), *text = NULL;
	struct ud_evidence e = { 0 };
	struct ud_failover f = { 0 };

	if (format && strcmp(format, "html") != 0)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "format",
			"The report comes as html; print it from there.");
	UD_TRY(load(cx, rq->arg[0], &e));
	UD_TRY(ud_row_get(cx, &ud_failovers, e.failover_id, &f));
	UD_TRY(ud_evidence_page(cx, &e, &f, &text));
	ud_buf_puts(&rq->out, text);
	return ud_answer_text(cx, rq, 200, "text/html; charset=utf-8");
}

static enum ud_code verify(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_evidence_report r;
	struct ud_evidence e = { 0 };
	const char *text = NULL;

	UD_TRY(load(cx, rq->arg[0], &e));
	UD_TRY(ud_evidence_bundle(cx, &e, &text));
	ud_evidence_verify(cx, text, strlen(text), &e.public_key, 1, &r);
	ud_buf_printf(&rq->out,
		"{\"object\":\"evidence_verification\",\"id\":\"%s\",\"intact\":%s,\"parts\":%lld,"
		"\"lines\":%lld,\"pictures\":%lld,\"signed_answers\":%lld,"
		"\"unsigned_answers\":%lld,\"public_key\":\"%s\",\"findings\":[",
		e.row.id, r.intact ? "true" : "false", (long long)r.parts, (long long)r.lines,
		(long long)r.pictures, (long long)r.signed_answers, (long long)r.unsigned_answers,
		e.public_key);
	for (size_t i = 0; i < r.count; i++) {
		ud_buf_puts(&rq->out, i ? ",{\"where\":" : "{\"where\":");
		ud_buf_json(&rq->out, r.findings[i].where);
		ud_buf_puts(&rq->out, ",\"what\":");
		ud_buf_json(&rq->out, r.findings[i].what);
		ud_buf_putc(&rq->out, '}');
	}
	ud_buf_puts(&rq->out, "]}");
	return ud_answer_text(cx, rq, 200, "application/json");
}

static enum ud_code keys(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *hex = NULL;
	bool found = false;

	UD_TRY(ud_installation_get(cx, public_name, &found, &hex));
	ud_buf_puts(&rq->out, "{\"object\":\"list\",\"data\":[");
	if (found)
		ud_buf_printf(&rq->out, "{\"algorithm\":\"ed25519\",\"public_key\":\"%s\"}", hex);
	ud_buf_puts(&rq->out, "],\"has_more\":false}");
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/evidence",                  "evidence.list",         UD_PEOPLE, "evidence:read", UD_LIST, .resource = &evidence, .handle = ud_rest_list, .about = "List the sealed records of runs." },
	{ "GET",  "/v1/evidence/signing-keys",     "evidence.signing-keys", UD_PEOPLE, "evidence:read", UD_WHOLE, .answer = &ud_signing_key_shape, .handle = keys, .about = "List the public keys that evidence is sealed with." },
	{ "GET",  "/v1/evidence/{id}",             "evidence.show",         UD_PEOPLE, "evidence:read", 0, .resource = &evidence, .handle = ud_rest_show, .about = "Show what is known of a record." },
	{ "GET",  "/v1/evidence/{id}/bundle",      "evidence.bundle",       UD_PEOPLE, "evidence:read", 0, .answer = &ud_bundle_shape, .handle = bundle, .about = "Download a record: canonical JSON, chained and sealed; understudy verify checks it offline." },
	{ "GET",  "/v1/evidence/{id}/report",      "evidence.report",       UD_PEOPLE, "evidence:read", 0, .media = "text/html", .handle = report, .about = "Show a record as a page that prints; format=html." },
	{ "POST", "/v1/evidence/{id}/verify",      "evidence.verify",       UD_PEOPLE, "evidence:read", UD_WRITE, .answer = &ud_bundle_report_shape, .handle = verify, .about = "Check a record where it lies." },
	{ "GET",  "/v1/failovers/{id}/evidence",   "failovers.evidence",    UD_PEOPLE, "evidence:read", 0, .resource = &evidence, .handle = show_of_run, .about = "Show what is known of the record of a run." },
};
/* clang-format on */
const struct ud_routes ud_api_evidence = { "Evidence", rows, UD_LEN(rows) };
