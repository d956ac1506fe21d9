/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate that this host shows to others: five rules, and the first that all candidates
 * break is named. Whether the other side trusts its root only the other side can tell.
 */
#include <string.h>
#include <strings.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"

#define SERVER_USE "1.3.6.1.5.5.7.3.1"
#define CLIENT_USE "1.3.6.1.5.5.7.3.2"

struct certificate {
	const char *thumbprint, *subject;
	struct ud_time from, until;
	bool has_key;
	struct ud_texts uses, names;
};
/* clang-format off */
static const struct ud_field certificate_fields[] = {
	UD_FIELD(certificate, thumbprint, .flags = UD_REQUIRED),
	UD_FIELD(certificate, subject,    .max = 4096),
	UD_FIELD(certificate, from),
	UD_FIELD(certificate, until),
	UD_FIELD(certificate, has_key),
	UD_FIELD(certificate, uses,       .max = UD_HY_LIST),
	UD_FIELD(certificate, names,      .max = UD_HY_LIST),
};
/* clang-format on */
static const char *const certificate_paths[] = { "Thumbprint", "Subject", "NotBefore", "NotAfter",
	"HasPrivateKey", "EnhancedKeyUsageList.ObjectId", "DnsNameList.Unicode" };
static const struct ud_shape certificate_shape = { UD_SHAPE(certificate, certificate_fields),
	.object = "certificate", .bare = true };
static const struct ud_hy_class certificates = { &certificate_shape, certificate_paths };

struct host {
	const char *fqdn;
};
static const struct ud_field host_fields[] = { UD_FIELD(host, fqdn) };
static const char *const host_paths[] = { "FullyQualifiedDomainName" };
static const struct ud_shape host_shape = { UD_SHAPE(host, host_fields), .object = "host",
	.bare = true };
static const struct ud_hy_class hosts = { &host_shape, host_paths };

static bool has(const struct ud_texts *texts, const char *text)
{
	for (size_t i = 0; i < texts->count; i++)
		if (strcasecmp(texts->items[i], text) == 0)
			return true;
	return false;
}

/* How many of the rules it keeps, in their order. */
static size_t rules_kept(const struct certificate *c, const char *fqdn, int64_t now_ms)
{
	const bool kept[] = { c->from.ms <= now_ms, c->until.ms > now_ms, c->has_key,
		has(&c->uses, SERVER_USE) && has(&c->uses, CLIENT_USE), has(&c->names, fqdn) };
	size_t n = 0;

	while (n < UD_LEN(kept) && kept[n])
		n++;
	return n;
}

static const char *const rules[] = { "is valid yet", "is still valid", "has its private key",
	"is for servers and clients", "bears the host's name, or its cluster's broker's" };

enum ud_code ud_hy_certificate(struct ud_ctx *cx, struct ud_hv *hv, const char **ret)
{
	struct certificate *rows = NULL;
	struct host host = { .fqdn = "" };
	const struct certificate *best = NULL;
	struct ud_hy_batch b;
	size_t n = 0, kept = 0;
	const char *broker = NULL;
	bool found = false;

	UD_TRY(ud_hy_broker_name(cx, hv, &broker));
	ud_hy_begin(cx, hv, &b);
	int host_call = ud_hy_call(&b, "Get-VMHost", &hosts);
	int call = ud_hy_call(&b, "Get-ChildItem", &certificates);

	ud_hy_text(&b, "LiteralPath", "Cert:\\LocalMachine\\My");
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, host_call, &found, &host));
	UD_TRY(ud_hy_rows(&b, call, &rows, &n));
	host.fqdn = broker ? broker : host.fqdn; /* nodes speak for their cluster */
	for (size_t i = 0; i < n; i++) {
		size_t now = rules_kept(&rows[i], host.fqdn, ud_now_ms(cx->env));

		kept = now > kept ? now : kept;
		if (now == UD_LEN(rules) && (!best || rows[i].until.ms > best->until.ms))
			best = &rows[i];
	}
	if (!best)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"No certificate of this machine's store %s (%s).",
			kept < UD_LEN(rules) ? rules[kept] : "will do", host.fqdn);
	*ret = best->thumbprint;
	return UD_OK;
}

enum ud_code ud_hy_thumbprint(
	struct ud_ctx *cx, struct ud_hv *hv, unsigned authentication, const char **ret)
{
	*ret = NULL;
	return authentication == UD_AUTHENTICATION_KERBEROS ? UD_OK
							    : ud_hy_certificate(cx, hv, ret);
}
