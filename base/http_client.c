/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl with OpenSSL beneath. With a pin the chain is verified as ever, but for its root: that is
 * the certificate among those the server sent whose digest is the pinned one.
 */
#include "base/http_client.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sign.h"

enum { CONNECT_MS = 10000 };

struct ud_http_client {
	CURL *curl;
	char *url, *root, *root_sha256, *certificate, *key, *user_agent;
	struct ud_buf body;
	_Atomic bool stop;
};

/* The pinned root among the certificates that came, or NULL. */
static X509 *pinned(STACK_OF(X509) * sent, const char *pin)
{
	char hex[UD_SHA256_HEX];

	for (int i = 0; i < sk_X509_num(sent); i++) {
		unsigned char *der = NULL;
		int n = i2d_X509(sk_X509_value(sent, i), &der);

		if (n <= 0)
			continue;
		ud_sha256_hex(der, (size_t)n, hex);
		OPENSSL_free(der);
		if (ud_equal_text(hex, pin))
			return sk_X509_value(sent, i);
	}
	return NULL;
}

static int verify_pinned(X509_STORE_CTX *chain, void *data)
{
	const ud_http_client *c = data;
	X509 *root = pinned(X509_STORE_CTX_get0_untrusted(chain), c->root_sha256);
	STACK_OF(X509) *trusted = sk_X509_new_null();

	if (!trusted || !root || !sk_X509_push(trusted, root)) {
		sk_X509_free(trusted);
		X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_UNTRUSTED);
		return 0;
	}
	X509_STORE_CTX_set0_trusted_stack(chain, trusted);
	int fine = X509_verify_cert(chain) == 1;

	sk_X509_free(trusted);
	return fine;
}

static CURLcode on_tls(CURL *curl, void *tls, void *data)
{
	(void)curl;
	SSL_CTX_set_cert_verify_callback(tls, verify_pinned, data);
	return CURLE_OK;
}

static size_t on_body(char *data, size_t size, size_t n, void *to)
{
	struct ud_buf *b = to;

	if (b->len + size * n > UD_HTTP_ANSWER_MAX)
		return 0;
	ud_buf_add(b, data, size * n);
	return size * n;
}

static int on_progress(void *data, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const ud_http_client *client = data;

	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(&client->stop);
}

static void set_blob(CURL *curl, CURLoption option, char *text)
{
	struct curl_blob blob = { .data = text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY };

	curl_easy_setopt(curl, option, &blob);
}

static void set_trust(ud_http_client *c)
{
	/* only what follows is trusted: no folder of the system, no list built in */
	curl_easy_setopt(c->curl, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(c->curl, CURLOPT_CAINFO, NULL);
	if (c->root) {
		set_blob(c->curl, CURLOPT_CAINFO_BLOB, c->root);
	} else {
		curl_easy_setopt(c->curl, CURLOPT_SSL_CTX_FUNCTION, on_tls);
		curl_easy_setopt(c->curl, CURLOPT_SSL_CTX_DATA, c);
	}
	if (!c->certificate)
		return;
	set_blob(c->curl, CURLOPT_SSLCERT_BLOB, c->certificate);
	set_blob(c->curl, CURLOPT_SSLKEY_BLOB, c->key);
}

static void set_up(ud_http_client *c)
{
	CURL *h = c->curl;

	set_trust(c);
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, 20L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, 5L);
	curl_easy_setopt(h, CURLOPT_USERAGENT, c->user_agent);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &c->body);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, c);
}

enum ud_code ud_http_client_open(
	struct ud_ctx *cx, const struct ud_http_settings *s, ud_http_client **ret)
{
	if (strncmp(s->url, "https://", 8) != 0 || !s->url[8] || strpbrk(s->url, " \"<>\\"))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s is no https:// address", s->url);
	ud_http_client *c = ud_malloc(sizeof(*c));

	c->url = ud_heap_strdup(s->url);
	c->root = ud_heap_strdup(s->root);
	c->root_sha256 = ud_heap_strdup(s->root_sha256 ? s->root_sha256 : "");
	c->certificate = ud_heap_strdup(s->certificate);
	c->key = ud_heap_strdup(s->key);
	c->user_agent = ud_heap_strdup(s->user_agent);
	c->curl = curl_easy_init();
	if (!c->curl)
		abort();
	set_up(c);
	*ret = c;
	return UD_OK;
}

void ud_http_client_release(ud_http_client **client)
{
	ud_http_client *c = *client;

	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	ud_buf_free(&c->body);
	if (c->key)
		ud_wipe(c->key, strlen(c->key));
	ud_free(c->url);
	ud_free(c->root);
	ud_free(c->root_sha256);
	ud_free(c->certificate);
	ud_free(c->key);
	ud_free(c->user_agent);
	ud_free(c);
	*client = NULL;
}

void ud_http_client_stop(ud_http_client *client)
{
	atomic_store(&client->stop, true);
}

static struct curl_slist *header_list(const char *body, const char *header)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");

	list = curl_slist_append(list, "Expect:"); /* a round trip for nothing */
	if (body)
		list = curl_slist_append(list, "Content-Type: application/json");
	if (header)
		list = curl_slist_append(list, header);
	return list;
}

static bool is_stranger(CURLcode rc)
{
	return rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_ISSUER_ERROR ||
		rc == CURLE_SSL_CACERT_BADFILE;
}

static enum ud_code failed(struct ud_ctx *cx, const ud_http_client *c, CURLcode rc)
{
	if (is_stranger(rc))
		return ud_fail(cx, UD_E_UNAUTHENTICATED, NULL,
			"%s is not the server it should be: %s", c->url, curl_easy_strerror(rc));
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", c->url, curl_easy_strerror(rc));
}

static void read_answer(struct ud_ctx *cx, ud_http_client *c, struct ud_http_answer *ret)
{
	long status = 0;
	curl_off_t retry = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry);
	ret->status = (int)status;
	ret->n = c->body.len;
	ret->body = ud_strndup(cx->arena, c->body.data ? c->body.data : "", c->body.len);
	ret->retry_after_seconds = (int64_t)retry;
}

enum ud_code ud_http_client_call(struct ud_ctx *cx, ud_http_client *c, const char *path,
	const char *body, const char *header, int64_t timeout_ms, struct ud_http_answer *ret)
{
	struct curl_slist *list = header_list(body, header);
	const char *url = ud_printf(cx->arena, "%s%s", c->url, path);

	c->body.len = 0;
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (body)
		curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
	else
		curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
	CURLcode rc = curl_easy_perform(c->curl);

	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(list);
	if (rc != CURLE_OK)
		return failed(cx, c, rc);
	read_answer(cx, c, ret);
	return UD_OK;
}
