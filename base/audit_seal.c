/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading seals of the log, and what each is to the one before.
 */
#include "base/audit_seal.h"

#include <jansson.h>
#include <string.h>

#include "base/crypto.h"
#include "base/evidence.h"

static const char *text_of(struct ud_ctx *cx, json_t *doc, const char *key)
{
	const char *s = json_string_value(json_object_get(doc, key));

	return s ? ud_strdup(cx->arena, s) : NULL;
}

bool ud_audit_seal_read(
	struct ud_ctx *cx, const char *document, const char *key, struct ud_audit_seal *ret)
{
	struct ud_evidence_report report;
	size_t n = strlen(document);
	json_t *doc = json_loadb(document, n, JSON_REJECT_DUPLICATES, NULL);
	char *digest = ud_alloc(cx->arena, UD_SHA256_HEX);

	ud_seal_verify(cx, document, n, UD_AUDIT_SEAL_SCHEMA, &key, key ? 1 : 0, &report);
	ud_sha256_hex(document, n, digest);
	*ret = (struct ud_audit_seal){
		.number = json_integer_value(json_object_get(doc, "number")),
		.generation = json_integer_value(json_object_get(doc, "generation")),
		.previous = text_of(cx, doc, "previous"),
		.public_key = text_of(cx, json_object_get(doc, "seal"), "public_key"),
		.digest = digest,
	};
	json_decref(doc);
	return report.intact && ret->number > 0 && ret->previous && ret->public_key;
}

enum ud_code ud_audit_seal_heads(
	struct ud_ctx *cx, const char *document, ud_seal_head_visitor *visit, void *data)
{
	json_t *doc = json_loads(document, JSON_REJECT_DUPLICATES, NULL), *h;
	enum ud_code code = UD_OK;
	size_t i;

	json_array_foreach(json_object_get(doc, "heads"), i, h)
	{
		const char *customer = text_of(cx, h, "customer_id"),
			   *hash = text_of(cx, h, "hash");

		if (code == UD_OK)
			code = visit(cx, data, customer ? customer : "",
				json_integer_value(json_object_get(h, "seq")), hash ? hash : "");
	}
	json_decref(doc);
	return code;
}

enum ud_seal_step ud_audit_seal_step(
	const struct ud_audit_seal *kept, const struct ud_audit_seal *seal)
{
	if (!kept ||
		(seal->number == kept->number + 1 && strcmp(seal->previous, kept->digest) == 0))
		return UD_SEAL_NEXT;
	if (strcmp(seal->digest, kept->digest) == 0)
		return UD_SEAL_KNOWN;
	return seal->generation > kept->generation ? UD_SEAL_RESTORED : UD_SEAL_BREAKS;
}
