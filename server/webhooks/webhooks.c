/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call by libcurl. Which addresses may be reached is decided where the socket is opened, after
 * names were resolved, so no name leads inside.
 */
#include "server/webhooks/webhooks.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/ip.h"
#include "db/events.h"

enum { CONNECT_MS = 10000, ANSWER_KEPT = 500 };

/* clang-format off */
struct input {
	const char *url, *idempotency_key, *body;
	int64_t timeout_seconds;
};
static const struct ud_field input_fields[] = {
	UD_FIELD(input, url,             .flags = UD_REQUIRED, .max = 2000),
	UD_FIELD(input, idempotency_key, .flags = UD_REQUIRED),
	UD_FIELD(input, body,            .flags = UD_REQUIRED, .max = 65536),
	UD_FIELD(input, timeout_seconds, .flags = UD_REQUIRED),
};
static const char *const ends[] = { "unknown", "done", "failed" };
static const struct ud_enum end_enum = { "webhook_end", ends, UD_LEN(ends) };
struct outcome {
	unsigned outcome; /* enum ud_webhook_end */
	int64_t status;
	const char *text;
};
static const struct ud_field outcome_fields[] = {
	UD_FIELD(outcome, outcome, .flags = UD_REQUIRED, .values = &end_enum),
	UD_FIELD(outcome, status),
	UD_FIELD(outcome, text, .max = 4000),
};
/* clang-format on */
static const struct ud_shape input_shape = { UD_SHAPE(input, input_fields), .bare = true };
static const struct ud_shape outcome_shape = { UD_SHAPE(outcome, outcome_fields), .bare = true };

enum ud_code ud_webhook_begin(struct ud_ctx *cx, const struct ud_webhook *hook,
	const char *failover_id, const char *customer_id, struct ud_operation *ret)
{
	struct input in = { hook->url, hook->idempotency_key, hook->body, hook->timeout_seconds };
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &input_shape, &in, NULL);
	*ret = (struct ud_operation){ .kind = UD_WEBHOOK_KIND, .requested_by = cx->scope->id };
	ret->row.customer_id = customer_id;
	ret->resource.text =
		ud_printf(cx->arena, "{\"id\":\"%s\",\"object\":\"failover\"}", failover_id);
	ret->input.text = ud_buf_take(cx->arena, &b);
	UD_TRY(ud_row_insert(cx, &ud_operations, ret));
	return ud_event_add(cx, "created", ud_operations.shape, NULL, ret);
}

enum ud_code ud_webhook_ended(struct ud_ctx *cx, const struct ud_operation *op,
	enum ud_webhook_end *ret, const char **ret_text)
{
	const char *text = op->result.text;
	struct outcome o = { 0 };

	*ret = UD_WEBHOOK_UNKNOWN;
	*ret_text = "It was called off.";
	if (!text)
		return UD_OK;
	UD_TRY(ud_shape_read(cx, &outcome_shape, text, strlen(text), &o));
	*ret = (enum ud_webhook_end)o.outcome;
	*ret_text = o.text ? o.text : "";
	return UD_OK;
}

const char *ud_webhook_signature(
	struct ud_ctx *cx, const char *key, int64_t seconds, const char *body)
{
	const char *text = ud_printf(cx->arena, "%lld.%s", (long long)seconds, body);
	unsigned char mac[UD_SHA256];
	struct ud_buf b = { 0 };

	ud_hmac_sha256(key, strlen(key), text, strlen(text), mac);
	ud_buf_printf(&b, "t=%lld,v1=", (long long)seconds);
	for (size_t i = 0; i < sizeof(mac); i++)
		ud_buf_printf(&b, "%02x", mac[i]);
	return ud_buf_take(cx->arena, &b);
}

/* ---- where to ---- */

/* What is not on the public network (RFC 6890), mapped and translated addresses included. */
static const char *const inner[] = { "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
	"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3" };
static const char outer6[] = "2000::/3";
static const char *const inner6[] = { "2001::/23", "2001:db8::/32", "2002::/16" };

static bool inside(const char *prefix, ud_ip ip)
{
	struct ud_prefix p;

	return ud_prefix_parse(prefix, &p) && ip >= p.first && ip <= p.last;
}

static bool is_public(const struct sockaddr *address)
{
	const struct sockaddr_in *four = (const void *)address;
	const struct sockaddr_in6 *six = (const void *)address;
	char text[INET6_ADDRSTRLEN] = "";
	ud_ip ip = 0;
	bool v4 = false, ok;

	inet_ntop(address->sa_family,
		address->sa_family == AF_INET ? (const void *)&four->sin_addr
					      : (const void *)&six->sin6_addr,
		text, sizeof(text));
	if (strncmp(text, "::ffff:", 7) == 0 || !ud_ip_parse(text, &ip, &v4))
		return false;
	ok = v4 || inside(outer6, ip);
	for (size_t i = 0; v4 && i < UD_LEN(inner); i++)
		ok &= !inside(inner[i], ip);
	for (size_t i = 0; !v4 && i < UD_LEN(inner6); i++)
		ok &= !inside(inner6[i], ip);
	return ok;
}

struct call {
	bool allowed; /* by name: any address, and without TLS */
	bool refused; /* an address that it resolved to */
	struct ud_buf answer;
};

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct call *call = data;

	(void)purpose;
	if (!call->allowed &&
		((address->family != AF_INET && address->family != AF_INET6) ||
			!is_public(&address->addr))) {
		call->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* "HOST" or "HOST:PORT" of the address among those that the installation names? */
static bool is_named(struct ud_ctx *cx, const char *allow, const char *host, const char *port)
{
	const char *both = port ? ud_printf(cx->arena, "%s:%s", host, port) : host;

	while (allow && *allow) {
		size_t n = strcspn(allow, ", ");

		if (n &&
			((strlen(host) == n && strncasecmp(allow, host, n) == 0) ||
				(strlen(both) == n && strncasecmp(allow, both, n) == 0)))
			return true;
		allow += n + strspn(allow + n, ", ");
	}
	return false;
}

static enum ud_code check_address(
	struct ud_ctx *cx, const char *url, const char *allow, bool *ret_allowed)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
	CURLU *u = curl_url();
	bool read = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;

	curl_url_get(u, CURLUPART_PORT, &port, 0);
	curl_url_get(u, CURLUPART_USER, &user, 0);
	*ret_allowed = read && is_named(cx, allow, host, port);
	bool ok = read && !user && (strcmp(scheme, "https") == 0 || *ret_allowed);

	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_url_cleanup(u);
	return ok ? UD_OK
		  : ud_fail(cx, UD_E_VALIDATION, NULL,
			    "Only https:// addresses without a name in them are called; option"
			    " allow of section webhooks names hosts that may be called otherwise.");
}

/* ---- the call ---- */

static size_t on_answer(char *data, size_t size, size_t n, void *to)
{
	struct call *call = to;
	size_t left = ANSWER_KEPT - call->answer.len;

	ud_buf_add(&call->answer, data, size * n < left ? size * n : left);
	return size * n;
}

static struct curl_slist *headers(struct ud_ctx *cx, const struct input *in, const char *key)
{
	const char *lines[] = { "Content-Type: application/json",
		"Expect:", ud_printf(cx->arena, "Idempotency-Key: %s", in->idempotency_key),
		ud_printf(cx->arena, "Understudy-Signature: %s",
			ud_webhook_signature(cx, key, ud_now_ms(cx->env) / 1000, in->body)) };
	struct curl_slist *list = NULL;

	for (size_t i = 0; i < UD_LEN(lines); i++)
		list = curl_slist_append(list, lines[i]);
	return list;
}

static void set_call(CURL *c, struct call *call, const struct input *in, const char *ca_file)
{
	curl_easy_setopt(c, CURLOPT_URL, in->url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, call->allowed ? "http,https" : "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)in->timeout_seconds * 1000);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "understudyd");
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, in->body);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, call);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, call);
	if (ca_file && *ca_file)
		curl_easy_setopt(c, CURLOPT_CAINFO, ca_file);
}

/* Was anything sent? What could not be reached was not told anything. */
static bool not_sent(CURLcode rc, const struct call *call)
{
	return call->refused || rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_CONNECT ||
		rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_PEER_FAILED_VERIFICATION;
}

static const char *printable(struct ud_ctx *cx, const struct ud_buf *answer)
{
	char *text = ud_alloc(cx->arena, answer->len + 1);

	for (size_t i = 0; i < answer->len; i++)
		text[i] = answer->data[i] >= ' ' && answer->data[i] < 127 ? answer->data[i] : ' ';
	return text;
}

static void tell(struct ud_ctx *cx, CURLcode rc, const struct call *call, long status,
	const char *why, struct outcome *ret)
{
	if (rc != CURLE_OK) {
		ret->outcome = not_sent(rc, call) ? UD_WEBHOOK_FAILED : UD_WEBHOOK_UNKNOWN;
		ret->text = call->refused
			? "It leads to an address that is not on the public network."
			: ud_printf(
				  cx->arena, "No answer: %s", *why ? why : curl_easy_strerror(rc));
		return;
	}
	ret->status = status;
	ret->outcome = status >= 200 && status < 300 ? UD_WEBHOOK_DONE : UD_WEBHOOK_FAILED;
	ret->text =
		ud_printf(cx->arena, "It answered %ld: %s", status, printable(cx, &call->answer));
}

static void make_call(struct ud_ctx *cx, const struct ud_job *job, const struct input *in,
	bool allowed, struct outcome *ret)
{
	struct curl_slist *list = headers(cx, in, job->means->webhook_key);
	struct call call = { .allowed = allowed };
	char why[CURL_ERROR_SIZE] = "";
	CURL *c = curl_easy_init();
	long status = 0;

	set_call(c, &call, in, job->means->webhook_ca_file);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	CURLcode rc = curl_easy_perform(c);

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	tell(cx, rc, &call, status, why, ret);
	curl_easy_cleanup(c);
	curl_slist_free_all(list);
	ud_buf_free(&call.answer);
}

enum ud_code ud_webhook_send(struct ud_ctx *cx, struct ud_job *job)
{
	const char *text = job->op.input.text ? job->op.input.text : "{}";
	struct outcome o = { .outcome = UD_WEBHOOK_FAILED };
	struct ud_buf b = { 0 };
	struct input in = { 0 };
	bool allowed = false;

	UD_TRY(ud_shape_read(cx, &input_shape, text, strlen(text), &in));
	if (!job->means->webhook_key || strlen(job->means->webhook_key) < UD_WEBHOOK_KEY_LEAST)
		o.text = "This installation has no key to sign it with: option key_file of"
			 " section webhooks.";
	else if (check_address(cx, in.url, job->means->webhook_allow, &allowed) != UD_OK)
		o.text = cx->problem.detail;
	else
		make_call(cx, job, &in, allowed, &o);
	ud_ctx_clear(cx);
	ud_shape_encode(&b, &outcome_shape, &o, NULL);
	job->op.result.text = ud_buf_take(cx->arena, &b);
	if (o.outcome == UD_WEBHOOK_DONE)
		return UD_OK;
	return ud_fail(cx, UD_E_DEPENDENCY, NULL, "%s", o.text);
}
